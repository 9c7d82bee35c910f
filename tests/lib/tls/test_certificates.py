from __future__ import annotations

import socket
import ssl
import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from cryptography import x509

from metallb.domain.webhook_certificate import LIFETIME, RENEWAL, TlsPair
from metallb.tls.certificates import is_good, make_pair
from support.situations import NOW

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ["localhost", "127.0.0.1", "metallb-webhook.d8-metallb.svc"]
PAIR = make_pair(NAMES, NOW, "")
OTHER = make_pair(NAMES, NOW, "")
SOON = NOW + RENEWAL


def test_a_new_pair_is_good_until_it_is_time_to_renew() -> None:
    assert is_good(PAIR, NAMES, SOON)
    assert is_good(PAIR, NAMES[:1], SOON)
    end = NOW + LIFETIME
    assert is_good(PAIR, NAMES, end - timedelta(seconds=1))
    assert not is_good(PAIR, NAMES, end)


@pytest.mark.parametrize(
    "pair",
    [
        replace(PAIR, key=OTHER.key),
        replace(PAIR, crt=OTHER.crt),
        replace(PAIR, ca=OTHER.ca),
        replace(PAIR, ca="nonsense"),
        replace(PAIR, crt="nonsense"),
        replace(PAIR, key="nonsense"),
        replace(PAIR, crt=PAIR.ca),
        TlsPair("", "", ""),
    ],
)
def test_a_pair_that_does_not_fit_is_not_good(pair: TlsPair) -> None:
    assert not is_good(pair, NAMES, SOON)


def test_a_name_that_is_missing_makes_a_pair_bad() -> None:
    assert not is_good(PAIR, [*NAMES, "metallb-webhook.d8-metallb.svc.example.com"], SOON)
    assert not is_good(PAIR, ["127.0.0.2"], SOON)


def test_the_authority_before_stays_in_the_bundle_until_it_ends() -> None:
    renewed = make_pair(NAMES, NOW, PAIR.ca)
    bundle = x509.load_pem_x509_certificates(renewed.ca.encode())
    assert len(bundle) == 2
    assert bundle[1] == x509.load_pem_x509_certificates(PAIR.ca.encode())[0]
    assert is_good(renewed, NAMES, SOON)
    again = make_pair(NAMES, NOW, renewed.ca)
    assert x509.load_pem_x509_certificates(again.ca.encode())[1] == bundle[0]
    late = make_pair(NAMES, NOW + LIFETIME, PAIR.ca)
    assert len(x509.load_pem_x509_certificates(late.ca.encode())) == 1
    assert len(x509.load_pem_x509_certificates(make_pair(NAMES, NOW, "x").ca.encode())) == 1


@pytest.mark.parametrize("served", ["old", "new"])
def test_a_client_with_the_new_bundle_takes_the_old_leaf_and_the_new_one(
    served: str, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    old = make_pair(NAMES, now, "")
    new = make_pair(NAMES, now, old.ca)
    pair = old if served == "old" else new
    (tmp_path / "crt").write_text(pair.crt)
    (tmp_path / "key").write_text(pair.key)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(tmp_path / "crt", tmp_path / "key")
    client = ssl.create_default_context(cadata=new.ca)
    left, right = socket.socketpair()
    for side in (left, right):
        side.settimeout(10)

    def serve() -> None:
        with server.wrap_socket(left, server_side=True) as secured:
            secured.sendall(b"hello")

    thread = threading.Thread(target=serve)
    thread.start()
    with client.wrap_socket(right, server_hostname=NAMES[2]) as secured:
        assert secured.recv(5) == b"hello"
    thread.join(10)
