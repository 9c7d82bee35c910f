"""Makes and judges the webhook's certificates (RFC 5280), with `cryptography`.

The key of an authority signs one leaf and is forgotten: nobody can make another certificate that
the API server would take. Keys are on the curve P-256. The bundle of authorities is the new one
and the one before it, see `metallb.domain.webhook_certificate`.
"""

from __future__ import annotations

import ipaddress
from datetime import timedelta
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from metallb.domain.webhook_certificate import LIFETIME, SERVICE, TlsPair

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

CLOCKS_APART = timedelta(hours=1)
"""A certificate is valid since a little before it was made, for those whose clock is behind."""


def is_good(pair: TlsPair, names: Sequence[str], until: datetime) -> bool:
    """Tell whether a pair serves all names until a time: signed, whole, the key its own."""
    try:
        authorities = x509.load_pem_x509_certificates(pair.ca.encode())
        leaf = x509.load_pem_x509_certificate(pair.crt.encode())
        key = serialization.load_pem_private_key(pair.key.encode(), password=None)
        leaf.verify_directly_issued_by(authorities[0])
        served = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (ValueError, TypeError, InvalidSignature, x509.ExtensionNotFound):
        return False
    return (
        key.public_key() == leaf.public_key()
        and set(map(_general_name, names)) <= set(served)
        and min(leaf.not_valid_after_utc, authorities[0].not_valid_after_utc) > until
    )


def make_pair(names: Sequence[str], now: datetime, old_bundle: str) -> TlsPair:
    """Make an authority and a leaf; the first authority of the old bundle stays behind it."""
    authority_key = ec.generate_private_key(ec.SECP256R1())
    authority_name = _name(f"{SERVICE}-ca")
    authority = (
        _builder(authority_name, authority_name, authority_key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(signs_certificates=True), critical=True)
        .add_extension(_key_id(authority_key), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = (
        _builder(_name(SERVICE), authority_name, key.public_key(), now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(_issuer_key_id(authority_key), critical=False)
        .add_extension(x509.SubjectAlternativeName(map(_general_name, names)), critical=False)
        .sign(authority_key, hashes.SHA256())
    )
    return TlsPair(
        ca=_pem(authority) + _first_of(old_bundle, now),
        crt=_pem(leaf),
        key=key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        ).decode(),
    )


def _first_of(bundle: str, now: datetime) -> str:
    """Give the authority that was in force until now, unless it is unreadable or has ended."""
    try:
        authority = x509.load_pem_x509_certificates(bundle.encode())[0]
    except ValueError:
        return ""
    return _pem(authority) if authority.not_valid_after_utc > now else ""


def _builder(
    subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey, now: datetime
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_APART)
        .not_valid_after(now + LIFETIME)
    )


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _key_id(key: ec.EllipticCurvePrivateKey) -> x509.SubjectKeyIdentifier:
    return x509.SubjectKeyIdentifier.from_public_key(key.public_key())


def _issuer_key_id(key: ec.EllipticCurvePrivateKey) -> x509.AuthorityKeyIdentifier:
    return x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key())


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


def _general_name(text: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(text))
    except ValueError:
        return x509.DNSName(text)


def _pem(certificate: x509.Certificate) -> str:
    return certificate.public_bytes(serialization.Encoding.PEM).decode()
