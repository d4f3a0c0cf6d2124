"""The token that edge nodes join with, made from CloudCore's authority before CloudCore runs."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json

from resource_manager.kubernetes.api import Trust

_HEADER = {"alg": "HS256", "typ": "JWT"}


def der(trust: Trust) -> tuple[bytes, bytes]:
    """Certificate and key of an authority in CloudCore's format, DER."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    certificate = x509.load_pem_x509_certificate(trust.certificate.read_bytes())
    key = serialization.load_pem_private_key(trust.key.read_bytes(), None)
    return certificate.public_bytes(serialization.Encoding.DER), key.private_bytes(
        serialization.Encoding.DER,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )


def make(certificate: bytes, key: bytes) -> str:
    """A token, as ``keadm gettoken`` prints it: the certificate's hash and a JWT signed with the key.

    It is valid as long as the certificate, and the same at every call.

    Args:
        certificate: of the authority, as DER.
        key: its private key, as DER.
    """
    from cryptography import x509

    expires = round(x509.load_der_x509_certificate(certificate).not_valid_after_utc.timestamp())
    said = ".".join(_encoded(json.dumps(one).encode()) for one in (_HEADER, {"exp": expires}))
    signature = _encoded(hmac.digest(key, said.encode(), "sha256"))
    return f"{hashlib.sha256(certificate).hexdigest()}.{said}.{signature}"


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
