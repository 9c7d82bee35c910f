"""Whatever the API server hands over is answered: no object makes a judgement fail."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from metallb.api.meta import ObjectKey
from metallb.domain.everything import Everything
from metallb_controller.admission.kinds import KINDS
from metallb_controller.admission.questions import read_question
from metallb_controller.admission.reviews import answer
from metallb_controller.admission.verdicts import judge

NAMES = st.sampled_from(
    ["addresses", "addressPool", "ipAddressPools", "peers", "communities", "name", "value",
     "matchLabels", "matchExpressions", "key", "operator", "values", "bfdProfile", "peerAddress",
     "localPref", "aggregationLength", "bgp", "peerNames", "poolNames", "advertisements", "mode"],
)  # fmt: skip
WORDS = st.sampled_from(["10.0.0.0/24", "::/0", "0.0.0.0/0", "a", "", "64512:1", "\x00", "é" * 300])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | WORDS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=24,
)
OBJECTS = st.fixed_dictionaries(
    {"kind": st.sampled_from(sorted(KINDS))},
    optional={
        "metadata": VALUES | st.fixed_dictionaries({"name": WORDS, "namespace": WORDS}),
        "spec": st.dictionaries(NAMES, VALUES, max_size=6) | VALUES,
    },
)


@given(st.lists(OBJECTS, max_size=4), OBJECTS | VALUES, OBJECTS | VALUES)
def test_every_question_has_an_answer(present: list[Any], value: Any, before: Any) -> None:
    everything = Everything()
    for item in present:
        everything.put(item["kind"], KINDS[item["kind"]].read(item))
    question = read_question({"uid": "u", "object": value, "oldObject": before})
    holders = [[ObjectKey("a", "b")]]
    response = answer(question, judge(question, everything, "d8-metallb", holders))["response"]
    assert response["allowed"] is ("status" not in response)
