"""The certificate authority of a cluster and the token its nodes join with, created before the cluster.

Nodes can therefore verify the control plane before it is up, and all of them are set up at the same time.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import string
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path

from continuum.rundir.run import Run

FOLDER = "kubernetes"
"""Folder of a run with keys and the kubeconfig."""

_CERTIFICATE, _KEY, _TOKEN = "ca.crt", "ca.key", "token"
_VALID = timedelta(days=3650)
_LETTERS = string.ascii_lowercase + string.digits


@dataclass(frozen=True)
class Trust:
    """What nodes of a cluster trust.

    Attributes:
        certificate: file with the authority's certificate, on this machine.
        key: file with its private key, likewise.
        fingerprint: of the authority's public key, as ``kubeadm join`` takes it.
        token: what a node joins with.
    """

    certificate: Path
    key: Path
    fingerprint: str
    token: str


def folder(run: Run) -> Path:
    """The run's folder of keys, accessible to its owner only."""
    path = run.directory / FOLDER
    path.mkdir(mode=0o700, exist_ok=True)
    return path


def make(run: Run, part: str = "") -> Trust:
    """The authority and the token of the run's cluster, created at the first call.

    Args:
        run: the run.
        part: name of a part of the cluster with its own authority; empty for the cluster itself.
    """
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    place = folder(run) / part
    place.mkdir(mode=0o700, exist_ok=True)
    certificate, key, token = (place / name for name in (_CERTIFICATE, _KEY, _TOKEN))
    if not token.exists():
        made, private = _authority()
        _write(key, private)
        _write(certificate, made)
        _write(token, _new_token().encode())
    public = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    encoded = public.public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    fingerprint = f"sha256:{hashlib.sha256(encoded).hexdigest()}"
    return Trust(certificate, key, fingerprint, token.read_text(encoding="ascii"))


def _authority() -> tuple[bytes, bytes]:
    """A certificate that signs others, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "kubernetes")])
    now = datetime.now(timezone.utc)
    usage = x509.KeyUsage(
        digital_signature=True,
        key_encipherment=True,
        key_cert_sign=True,
        content_commitment=False,
        data_encipherment=False,
        key_agreement=False,
        crl_sign=False,
        encipher_only=False,
        decipher_only=False,
    )
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks of nodes may be slow
        .not_valid_after(now + _VALID)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("kubernetes")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    return certificate.public_bytes(serialization.Encoding.PEM), private


def _new_token() -> str:
    first, second = ("".join(secrets.choice(_LETTERS) for _ in range(count)) for count in (6, 16))
    return f"{first}.{second}"


def _write(path: Path, data: bytes) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
