"""Operator proxy: a server on this machine that answers for the operators' hosts, as a proxy does."""

from __future__ import annotations

import io
import ssl
import threading
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from battery_lab.market.download.operators import OPERATORS


@dataclass
class Answer:
    """An answer of the server.

    Attributes:
        body: its content.
        status: its status.
        headers: further headers.
        lost: whether the connection ends in the middle of it.
    """

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    lost: bool = False


class OperatorProxy:
    """What the server answers, by parts of addresses, and what was requested.

    Attributes:
        answers: part of an address -> its answers: one after the other, and the last one again and again.
        requested: the addresses.
        cookies: those that the client sent.
        waits: seconds that the client waited, in a test that measures them.
        url: address of the proxy.
    """

    def __init__(self) -> None:
        """Answer nothing so far."""
        self.answers: dict[str, list[Answer]] = {}
        self.requested: list[str] = []
        self.cookies: list[str] = []
        self.waits: list[float] = []
        self.url = ""

    def serve(self, part: str, *answers: Answer | bytes) -> None:
        self.answers[part] = [Answer(one) if isinstance(one, bytes) else one for one in answers]

    def answer(self, address: str) -> Answer:
        self.requested.append(address)
        for part, answers in self.answers.items():
            if part in address:
                return answers.pop(0) if len(answers) > 1 else answers[0]
        return Answer(b"no such file", 404)

    def addresses(self, part: str) -> list[str]:
        return [address for address in self.requested if part in address]


@contextmanager
def running(proxy: OperatorProxy, certificate: Path) -> Iterator[OperatorProxy]:
    """Run the server on a free port of this machine, with a certificate for all hosts."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    class Handler(BaseHTTPRequestHandler):
        host = ""

        def do_GET(self) -> None:  # noqa: N802
            proxy.cookies += self.headers.get_all("Cookie", [])
            answer = proxy.answer(unquote(f"https://{self.host}{self.path}" if self.host else self.path))
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer.body)))
            self.end_headers()
            self.wfile.write(answer.body[: len(answer.body) // 2] if answer.lost else answer.body)
            self.close_connection = True

        def do_CONNECT(self) -> None:  # noqa: N802
            self.send_response(200)
            self.end_headers()
            self.connection = context.wrap_socket(self.connection, server_side=True)
            self.rfile, self.wfile = self.connection.makefile("rb"), self.connection.makefile("wb")
            self.host = self.path.removesuffix(":443")
            self.handle_one_request()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()


def write_certificate(file: Path) -> Path:
    """Write a key and a certificate for all operators' hosts, which a client must be set up to trust."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "operators")])
    hosts = [x509.DNSName(host) for operator in OPERATORS.values() for host in operator.hosts]
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(hosts), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + certificate.public_bytes(Encoding.PEM))
    return file


def zipped(files: Mapping[str, str | bytes], stated_size: int | None = None) -> bytes:
    """Return an archive of files; ``stated_size`` is the size that it states for each."""
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)
        for info in archive.infolist() if stated_size is not None else ():
            info.file_size = stated_size
    return content.getvalue()
