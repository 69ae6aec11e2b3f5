"""Servers of all sorts for connections to lead to."""

from __future__ import annotations

import asyncio
import datetime
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from faults import Call, Faults, Script

ANSWER = b'{"choices":[{"message":{"content":"hi"}}],"usage":{"prompt_tokens":1,"completion_tokens":1}}'


class Server:
    """An OpenAI server whose behaviour can be changed while it runs."""

    def __init__(self, *models: str, key: str | None = None, speaks: tuple[str, ...] = ("chat/completions",)):
        self.models = list(models)
        self.key = key
        self.speaks = speaks
        self.list_status = 200
        self.health_status = 404
        self.owner = "test"
        self.broken = 0
        """Status of the answers to requests that would have a model generate something."""
        self.generated: list[bytes] = []
        """Bodies of requests that had a model generate something."""

    async def __call__(self, call: Call) -> None:
        method, path, _ = call.head.split(b"\r\n")[0].decode().split()
        if path == "/health":
            await call.json(b"{}", self.health_status)
        elif self.key is not None and f"authorization: Bearer {self.key}".encode() not in call.head:
            await call.json(b'{"error":{"message":"bad key"}}', 401)
        elif (method, path) == ("GET", "/v1/models"):
            data = [{"id": model, "object": "model", "owned_by": self.owner} for model in self.models]
            await call.json(msgspec.json.encode({"object": "list", "data": data}), self.list_status)
        elif path.removeprefix("/v1/") not in self.speaks:
            await call.json(b'{"detail":"Not Found"}', 404)
        elif call.body == b"{}":
            await call.json(b'{"error":{"message":"messages is required"}}', 400)
        else:
            self.generated.append(call.body)
            if self.broken:
                await call.json(b'{"error":{"message":"It fails."}}', self.broken)
            else:
                await call.json(ANSWER)


@asynccontextmanager
async def tls_server(folder: Path, script: Script, names: list[str]) -> AsyncIterator[tuple[int, Path]]:
    """An HTTPS server with a certificate of its own for ``names``; its port, and the certificate's file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "test")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    public = folder / "cert.pem"
    public.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private = folder / "key.pem"
    private.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    faults = Faults(script)
    server = await asyncio.start_server(faults._serve, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1], public
    finally:
        server.close()
        for task in faults._tasks:
            task.cancel()
        await asyncio.gather(*faults._tasks, return_exceptions=True)
