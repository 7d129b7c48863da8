"""A certificate for 127.0.0.1 that signs itself, made once a test run with the openssl command."""

import functools
import ssl
import subprocess
import tempfile
from pathlib import Path

_KEEP: list[tempfile.TemporaryDirectory[str]] = []

_EXTENSIONS = (
    "subjectAltName=IP:127.0.0.1",
    "basicConstraints=critical,CA:TRUE",
    "keyUsage=critical,digitalSignature,keyCertSign",
    "subjectKeyIdentifier=hash",
)


@functools.cache
def certificate() -> Path:
    """Give a PEM file with the key and the certificate; clients can trust it as it is."""
    folder = tempfile.TemporaryDirectory(prefix="tapeline-tls-")
    _KEEP.append(folder)
    key, cert = Path(folder.name, "key.pem"), Path(folder.name, "cert.pem")
    command = [
        *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
        *("-subj", "/CN=127.0.0.1", "-days", "2", "-keyout", str(key), "-out", str(cert)),
        *(part for extension in _EXTENSIONS for part in ("-addext", extension)),
    ]
    subprocess.run(command, check=True, capture_output=True)
    both = Path(folder.name, "both.pem")
    both.write_bytes(key.read_bytes() + cert.read_bytes())
    return both


def server_context() -> ssl.SSLContext:
    """Give a server's context that shows the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate())
    return context


def client_context() -> ssl.SSLContext:
    """Give a client's context that trusts the certificate and nothing else."""
    return ssl.create_default_context(cafile=str(certificate()))
