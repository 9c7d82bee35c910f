"""The form of the dashboards: the platform's rules, and that each panel can be read."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from module.monitoring.boards import Query, boards, panels, queries
from module.monitoring.page import names_in, series

UIDS = {"l2": "sZzUB4ymn2", "bgp": "sZzUB4ymk2", "pools": "sZzUB4ymn3"}
"""Those of Deckhouse's module: links that people have kept go on working."""

TYPES = {"timeseries", "stat", "gauge", "table", "state-timeline"}
OF_PANELS = [(name, panel) for name, board in boards().items() for panel in panels(board)]

every_board = pytest.mark.parametrize("name", UIDS)
every_panel = pytest.mark.parametrize(
    ("name", "panel"), OF_PANELS, ids=[f"{name}-{panel['title']}" for name, panel in OF_PANELS]
)
every_query = pytest.mark.parametrize("query", queries(), ids=str)


def test_uids_are_kept() -> None:
    assert {name: board["uid"] for name, board in boards().items()} == UIDS


@every_board
def test_what_a_board_begins_with(name: str) -> None:
    board = boards()[name]
    assert board["title"].startswith("MetalLB")
    assert board["graphTooltip"] == 1  # one crosshair for all panels
    assert board["time"] == {"from": "now-3h", "to": "now"}
    assert board["refresh"] == "30s"
    assert not board["editable"]


@every_board
def test_variables(name: str) -> None:
    variables = {item["name"]: item for item in boards()[name]["templating"]["list"]}
    source = variables.pop("ds_prometheus")
    assert (source["type"], source["query"]) == ("datasource", "prometheus")
    for item in variables.values():
        assert item["datasource"]["uid"] in ("$ds_prometheus", "${ds_prometheus}")
        assert names_in(re.sub(r", \w+\)$", "", item["query"]["query"]))
    text = json.dumps(boards()[name]["panels"])
    assert all(f"${variable}" in text for variable in variables)


@every_board
def test_no_address_of_another_site(name: str) -> None:
    assert "://" not in json.dumps(boards()[name])


@every_board
def test_panels_have_places_of_their_own(name: str) -> None:
    board = boards()[name]
    for key in ("id", "title"):
        given = [panel[key] for panel in panels(board)]
        assert len(given) == len(set(given))
    taken: set[tuple[int, int]] = set()
    for panel in panels(board):
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"])
                 for y in range(at["y"], at["y"] + at["h"])}  # fmt: skip
        assert not taken & cells, panel["title"]
        taken |= cells


@every_board
def test_details_are_folded_away(name: str) -> None:
    rows = [panel for panel in boards()[name]["panels"] if panel["type"] == "row"]
    assert all(row["collapsed"] and row["panels"] for row in rows)
    assert {"l2": "L2", "bgp": "BGP"}.get(name) in [None, *(row["title"] for row in rows)]


@every_panel
def test_panels(name: str, panel: dict[str, Any]) -> None:
    assert panel["type"] in TYPES
    assert "alert" not in panel
    assert "interval" not in panel
    defaults = panel["fieldConfig"]["defaults"]
    assert defaults["unit"]
    assert defaults["noValue"]
    if panel["type"] in ("timeseries", "state-timeline"):
        assert defaults["custom"]["spanNulls"] is False
    plain = panel["title"] in ("Addresses", "Services served", "Changes taken in", "Heartbeats")
    assert plain or panel.get("description", "").endswith(".") or name != "l2"


@every_panel
def test_sources_of_data(name: str, panel: dict[str, Any]) -> None:
    for target in (panel, *panel["targets"]):
        assert target["datasource"]["uid"] in ("$ds_prometheus", "${ds_prometheus}")
    assert not {"interval", "intervalFactor"} & {key for t in panel["targets"] for key in t}


@every_query
def test_queries_ask_for_what_there_is(query: Query) -> None:
    names = names_in(query.expression)
    assert names
    assert names <= series() | {"up"}
    for selector in re.findall(r"\b(?:metallb|process)_\w+(\{[^}]*\})?", query.expression):
        assert 'namespace="d8-metallb"' in selector
        assert "job=" in selector


@every_query
def test_rates_are_over_what_is_scraped(query: Query) -> None:
    assert not re.search(r"interval_rv|interval_sx", query.expression)
    for span in re.findall(r"\[([^]]*)\]", query.expression):
        assert span in ("$__rate_interval", "$__range")


@every_query
def test_replicas_are_not_summed_up(query: Query) -> None:
    """When the leader changes, two replicas may show the same for the time of a scrape."""
    summed = r"\bsum\s*(?:by \([^)]*\)\s*)?\((metallb_(?:allocator|controller)_\w+)"
    assert set(re.findall(summed, query.expression)) <= {"metallb_controller_leader"}
