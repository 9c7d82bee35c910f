from __future__ import annotations

import base64
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import pytest

from metallb.domain.webhook_certificate import (
    OWNER,
    OWNER_LABEL,
    RENEWAL,
    TlsPair,
    read_secret,
    renewal,
    secret_object,
    service_names,
    webhook_certificate,
)
from support.situations import HOSTILE, NOW, situation

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

OLD = TlsPair("ca-old", "crt-old", "key-old")
KEPT = TlsPair("ca-kept", "crt-kept", "key-kept")


class Maker:
    """Knows which pairs are good, and makes new ones."""

    def __init__(self, *good: TlsPair) -> None:
        self.good = good
        self.asked: list[tuple[list[str], datetime]] = []
        self.made: list[tuple[list[str], datetime, str]] = []

    def is_good(self, pair: TlsPair, names: Sequence[str], until: datetime) -> bool:
        self.asked.append((list(names), until))
        return pair in self.good

    def make(self, names: Sequence[str], now: datetime, bundle: str) -> TlsPair:
        self.made.append((list(names), now, bundle))
        return TlsPair("ca-new", "crt-new", "key-new")


def _in_secret(pair: TlsPair) -> list[Any]:
    return [{name: base64.b64encode(text.encode()).decode() for name, text in asdict(pair).items()}]


def _chosen(maker: Maker, secret: list[Any], in_values: TlsPair | None = None) -> Any:
    internal = {"webhookCert": asdict(in_values)} if in_values else {}
    given = situation(
        secret=secret,
        values={"internal": internal},
        shared={"discovery": {"clusterDomain": "example.local"}},
    )
    decision = webhook_certificate(given, maker.is_good, maker.make)
    assert decision.operations == []
    return decision.values["internal.webhookCert"]["crt"]


def test_the_first_pair_serves_all_names() -> None:
    maker = Maker()
    assert _chosen(maker, []) == "crt-new"
    names = [
        "localhost",
        "127.0.0.1",
        "metallb-webhook",
        "metallb-webhook.d8-metallb",
        "metallb-webhook.d8-metallb.svc",
        "metallb-webhook.d8-metallb.svc.example.local",
    ]
    assert maker.made == [(names, NOW, "")]


def test_a_good_secret_is_kept_and_asked_about_the_days_ahead() -> None:
    maker = Maker(KEPT)
    assert _chosen(maker, _in_secret(KEPT)) == "crt-kept"
    assert [until for _, until in maker.asked] == [NOW + RENEWAL]
    assert maker.made == []


def test_before_the_release_has_written_the_secret_the_values_hold_the_pair() -> None:
    assert _chosen(Maker(KEPT), [], KEPT) == "crt-kept"
    assert _chosen(Maker(KEPT), _in_secret(OLD), KEPT) == "crt-kept"


def test_the_secret_is_believed_before_the_values() -> None:
    assert _chosen(Maker(KEPT, OLD), _in_secret(KEPT), OLD) == "crt-kept"


def test_a_new_pair_is_made_with_the_old_authority_at_hand() -> None:
    maker = Maker()
    assert _chosen(maker, _in_secret(OLD)) == "crt-new"
    assert [bundle for _, _, bundle in maker.made] == ["ca-old"]


@pytest.mark.parametrize(
    "secret",
    [
        *([item] for item in HOSTILE),
        [{"ca": "!", "crt": "!", "key": "!"}],
        [{**_in_secret(KEPT)[0], "key": ""}],
        [{**_in_secret(KEPT)[0], "crt": None}],
        [{**_in_secret(KEPT)[0], "ca": "/w=="}],
    ],
)
def test_a_secret_that_cannot_be_read_is_as_good_as_none(secret: list[Any]) -> None:
    maker = Maker(KEPT)
    assert _chosen(maker, secret) == "crt-new"
    assert maker.asked == []


def test_without_a_domain_the_short_names_do() -> None:
    assert service_names({})[-1] == "metallb-webhook.d8-metallb.svc"
    assert service_names(None) == service_names({"discovery": {"clusterDomain": ""}})


# ---------------------------------------------------------------- kept by the controller


def _secret(pair: TlsPair, *, label: str = OWNER) -> dict[str, Any]:
    value = secret_object(pair, None)
    value["metadata"] |= {"resourceVersion": "7", "labels": {OWNER_LABEL: label}}
    return value


def _renewed(maker: Maker, value: dict[str, Any] | None) -> TlsPair | None:
    stored = None if value is None else read_secret(value)
    return renewal(stored, "metallb-system", NOW, maker.is_good, maker.make)


def test_without_a_secret_a_pair_is_made_for_the_names_of_the_namespace() -> None:
    maker = Maker()
    made = _renewed(maker, None)
    assert made is not None
    assert secret_object(made, None)["metadata"] == {
        "name": "metallb-webhook-tls",
        "labels": {OWNER_LABEL: OWNER},
    }
    [(names, now, bundle)] = maker.made
    assert names[-1] == "metallb-webhook.metallb-system.svc"
    assert (now, bundle) == (NOW, "")


def test_a_pair_that_is_good_for_long_enough_stays() -> None:
    maker = Maker(KEPT)
    assert _renewed(maker, _secret(KEPT)) is None
    assert [until for _names, until in maker.asked] == [NOW + RENEWAL]


def test_one_that_ends_soon_is_replaced_and_its_authority_stays_behind() -> None:
    maker = Maker()
    value = _secret(OLD)
    assert _renewed(maker, value) is not None
    assert maker.made[0][2] == "ca-old"
    written = secret_object(KEPT, read_secret(value))
    assert written["metadata"]["resourceVersion"] == "7"
    assert read_secret(written).pair == KEPT


@pytest.mark.parametrize("label", ["", "Helm"])
def test_a_secret_of_somebody_else_is_left_alone_though_it_has_ended(label: str) -> None:
    maker = Maker()
    assert _renewed(maker, _secret(OLD, label=label)) is None
    assert maker.made == []


@pytest.mark.parametrize("data", [*HOSTILE, {"ca.crt": "%", "tls.crt": "x", "tls.key": "x"}, {}])
def test_a_secret_of_ours_that_cannot_be_read_is_replaced(data: Any) -> None:
    value = {**_secret(OLD), "data": data}
    assert read_secret(value).pair is None
    maker = Maker()
    assert _renewed(maker, value) is not None
    assert maker.made[0][2] == ""
