"""One certificate for all processes of an installation, made from its secret: each makes the same, byte for byte, and
trusts no other. It needs neither an authority nor a place to be kept."""

from __future__ import annotations

import hmac
import ssl
import tempfile
from datetime import UTC, datetime
from functools import lru_cache

NAME = "fleet.glia.internal"
"""What it is made out to."""

_SINCE, _UNTIL = datetime(2000, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, tzinfo=UTC)


@lru_cache(maxsize=8)
def caller_context(key: bytes) -> ssl.SSLContext:
    """Of who connects. key: the same on both sides. It talks only to who has that key too."""
    return _context(ssl.PROTOCOL_TLS_CLIENT, key)


@lru_cache(maxsize=8)
def node_context(key: bytes) -> ssl.SSLContext:
    """Of who is connected to."""
    return _context(ssl.PROTOCOL_TLS_SERVER, key)


def _context(side: int, key: bytes) -> ssl.SSLContext:
    certificate, private = certificate_of(key)
    context = ssl.SSLContext(side)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    context.load_verify_locations(cadata=certificate)
    with tempfile.NamedTemporaryFile(prefix="glia-", suffix=".pem") as file:  # it takes nothing but files
        file.write(ssl.DER_cert_to_PEM_cert(certificate).encode() + private)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def certificate_of(key: bytes) -> tuple[bytes, bytes]:
    """The certificate as DER and its key as PEM. Ed25519 signs the same thing always in the same way."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    seed = hmac.digest(key, b"glia fleet certificate", "sha256")
    private = Ed25519PrivateKey.from_private_bytes(seed)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, NAME)])
    certificate = (
        x509.CertificateBuilder(name, name, private.public_key(), 1, _SINCE, _UNTIL)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(NAME)]), critical=False)
        .sign(private, None)
    )
    pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return certificate.public_bytes(Encoding.DER), pem
