from __future__ import annotations

from typing import Any

from metallb.api.meta import ObjectKey
from metallb.domain.bgp_passwords import (
    COPY_LABEL,
    SOURCE_LABEL,
    PasswordFault,
    bgp_passwords,
    copy_name,
    plan_copies,
)
from metallb.domain.decisions import CreateOrUpdate, Decision, Delete
from support.situations import HOSTILE, situation

HERE = [{"name": "d8-metallb"}]
DATA = {"password": "czNjcjN0", "username": "dQ=="}


def _peer(namespace: Any = "net", name: Any = "tor") -> dict[str, Any]:
    return {"passwordSecretRef": {"namespace": namespace, "name": name}}


def _secret(namespace: str = "net", name: str = "tor", data: Any = None) -> dict[str, Any]:
    return {"namespace": namespace, "name": name, "data": DATA if data is None else data}


def _decide(**snapshots: Any) -> Decision:
    return bgp_passwords(situation(namespace=HERE, **snapshots))


def test_a_named_secret_is_copied_with_all_its_keys() -> None:
    [operation] = _decide(peers=[_peer(), _peer()], secrets=[_secret()], copies=[]).operations
    assert isinstance(operation, CreateOrUpdate)
    made = operation.object
    assert made["metadata"]["name"] == "bgp-pwd-net-tor"
    assert made["metadata"]["namespace"] == "d8-metallb"
    assert made["metadata"]["labels"][COPY_LABEL] == "true"
    assert SOURCE_LABEL not in made["metadata"]["labels"], "a copy is no source"
    assert made["metadata"]["annotations"] == {f"{SOURCE_LABEL}-source": "net/tor"}
    assert (made["type"], made["data"]) == ("kubernetes.io/basic-auth", DATA)


def test_a_secret_of_metallbs_namespace_is_copied_for_a_peer_of_metallbs_dialect() -> None:
    def native(where: str, **ref: str) -> dict[str, Any]:
        return {"namespace": where, "passwordSecret": ref}

    upstream, here = "metallb-system", "d8-metallb"
    peers = [
        native(upstream, name="a"),
        native(here, name="b", namespace=upstream),
        native(here, name="own"),
        native(here, name="c", namespace="net"),
        native(upstream),
    ]
    secrets = [_secret(upstream, name) for name in ("a", "b", "unnamed")]
    made = _decide(native_peers=peers, native_secrets=secrets, secrets=[_secret("net", "c")])
    names = [
        item.object["metadata"]["name"]
        for item in made.operations
        if isinstance(item, CreateOrUpdate)
    ]
    assert names == ["bgp-pwd-metallb-system-a", "bgp-pwd-metallb-system-b"]


def test_the_key_of_tcp_ao_is_copied_like_a_password() -> None:
    def key(**ref: str) -> dict[str, Any]:
        return {"tcpAuthentication": {"keyID": 1, "secretRef": ref}}

    made = _decide(
        peers=[key(name="tor", namespace="net")],
        secrets=[_secret()],
        native_peers=[{**key(name="a"), "namespace": "metallb-system"}],
        native_secrets=[_secret("metallb-system", "a")],
    )
    names = [
        item.object["metadata"]["name"]
        for item in made.operations
        if isinstance(item, CreateOrUpdate)
    ]
    assert names == ["bgp-pwd-metallb-system-a", "bgp-pwd-net-tor"]


def test_the_other_dialect_needs_the_label_in_metallbs_namespace_too() -> None:
    peers, secrets = [_peer("metallb-system")], [_secret("metallb-system")]
    assert _decide(peers=peers, native_secrets=secrets, copies=[]) == Decision()
    assert len(_decide(peers=peers, secrets=secrets, copies=[]).operations) == 1


def test_a_copy_that_is_right_is_left_alone_and_a_stale_one_is_not() -> None:
    right = [{"name": "bgp-pwd-net-tor", "data": DATA}]
    assert _decide(peers=[_peer()], secrets=[_secret()], copies=right) == Decision()
    stale = [{"name": "bgp-pwd-net-tor", "data": {"password": "b2xk"}}]
    assert len(_decide(peers=[_peer()], secrets=[_secret()], copies=stale).operations) == 1


def test_a_copy_that_nobody_names_is_deleted() -> None:
    copies = [{"name": "bgp-pwd-net-tor", "data": DATA}, {"name": "bgp-pwd-a-b", "data": DATA}]
    operations = _decide(peers=[], secrets=[_secret()], copies=copies).operations
    assert [item.target.name for item in operations if isinstance(item, Delete)] == [
        "bgp-pwd-a-b",
        "bgp-pwd-net-tor",
    ]
    gone = _decide(peers=[_peer()], secrets=[], copies=copies[:1]).operations
    assert [type(item) for item in gone] == [Delete]


def test_without_its_namespace_nothing_is_written() -> None:
    given = situation(namespace=[], peers=[_peer()], secrets=[_secret()], copies=[])
    assert bgp_passwords(given) == Decision()
    assert bgp_passwords(situation()) == Decision()


def test_what_cannot_be_copied_has_a_reason() -> None:
    keys = [ObjectKey("a", "b-c"), ObjectKey("a-b", "c"), ObjectKey("x", "y"), ObjectKey("n", "N")]
    secrets = situation(
        secrets=[
            _secret("a", "b-c"),
            _secret("a-b", "c"),
            _secret("x", "y", {"username": "dQ=="}),
            _secret("n", "N"),
        ]
    ).snapshot("secrets")
    plan = plan_copies([*keys, ObjectKey("no", "where")], secrets)
    assert copy_name(keys[0]) == copy_name(keys[1])
    assert plan.sources == {"bgp-pwd-a-b-c": keys[0]}
    assert plan.faults == {
        keys[1]: PasswordFault.NAME_TAKEN,
        keys[2]: PasswordFault.NO_PASSWORD,
        keys[3]: PasswordFault.NAME_TAKEN,
        ObjectKey("no", "where"): PasswordFault.NOT_FOUND,
    }


def test_an_empty_password_is_none() -> None:
    secrets = [_secret(data={"password": ""})]
    assert _decide(peers=[_peer()], secrets=secrets, copies=[]) == Decision()


def test_peers_without_a_usable_reference_name_nothing() -> None:
    peers = [{}, _peer(name=""), _peer(namespace=None), *HOSTILE]
    assert _decide(peers=peers, secrets=[_secret(), *HOSTILE], copies=list(HOSTILE[:5])) == (
        Decision()
    )
