from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from metallb.api.advertisements import PoolChoice
from metallb.api.selectors import LabelSelector
from metallb.domain.covering import Covering

NAMES = st.sampled_from(["a", "b", "c"])
SELECTORS = st.sampled_from([LabelSelector.of({"x": "1"}), LabelSelector.of({"x": "2"})])
CHOICES = st.builds(
    lambda names, selectors: PoolChoice(tuple(dict.fromkeys(names)), tuple(selectors)),
    st.lists(NAMES, max_size=2),
    st.lists(SELECTORS, max_size=2),
)


@given(st.lists(CHOICES, max_size=6), NAMES, st.sampled_from([{}, {"x": "1"}, {"x": "2"}]))
def test_it_finds_what_asking_each_finds(
    choices: list[PoolChoice], name: str, labels: dict[str, str]
) -> None:
    covering = Covering((choice, index) for index, choice in enumerate(choices))
    wanted = [index for index, choice in enumerate(choices) if choice.covers(name, labels)]
    assert covering.of(name, labels) == wanted
