"""One copy of the chart for all tests of this directory."""

from __future__ import annotations

from itertools import product

import pytest

from module.templates.rendering import Case, Chart, Manifest

MATRIX = [
    *(Case(*optional) for optional in product((True, False), repeat=4)),
    *(
        Case(*(everything,) * 5, l2=l2, bgp=bgp)
        for everything in (True, False)
        for l2, bgp in ((True, True), (False, True), (False, False))
    ),
    Case(upstream_proxy=True, network_policy=True),
    Case(*(False,) * 5, upstream_proxy=True),
    Case(*(False,) * 5, upstream_proxy=True, own_certificate=True),
]
"""What is optional in every combination, in L2 mode; other modes with all of it, and with none."""


@pytest.fixture(scope="session")
def chart(tmp_path_factory: pytest.TempPathFactory) -> Chart:
    return Chart(tmp_path_factory.mktemp("chart"))


@pytest.fixture(params=MATRIX, ids=str)
def case(request: pytest.FixtureRequest) -> Case:
    assert isinstance(request.param, Case)
    return request.param


@pytest.fixture
def rendered(chart: Chart, case: Case) -> list[Manifest]:
    return chart.render(case)


@pytest.fixture
def full(chart: Chart) -> list[Manifest]:
    """All that can be rendered at once: L2 and BGP on a platform that has everything."""
    return chart.render(Case(bgp=True, network_policy=True))
