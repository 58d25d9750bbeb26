"""Server process: writes its address, and exits by a signal or after a time without work."""

from __future__ import annotations

import json
import logging
import os
import secrets
import signal
import sys
import threading
import time
from pathlib import Path

from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
from werkzeug.serving import make_server

from sagemaker_emulator.capacity_and_clients import EmulatorState
from sagemaker_emulator.job_state import ACCOUNT
from sagemaker_emulator.options_and_credentials import Credentials, Options
from sagemaker_emulator.wsgi_app import EmulatorApp

ADDRESS = "address.json"
_POLL_S = 0.2
_KEY_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def serve(options: Options, work: Path, port: int, *, with_parent: bool = False) -> None:
    """Serve until SIGTERM or SIGINT, or until the emulator is idle for too long.

    Args:
        options: the options of the emulator.
        work: folder for the address and for jobs, created if missing.
        port: the port on 127.0.0.1; 0 takes any free port.
        with_parent: whether to exit at the end of standard input, which the parent process holds open.
    """
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # no line per request
    work.mkdir(parents=True, exist_ok=True)
    # The application needs the server's port.
    apps: list[EmulatorApp] = []
    server = make_server(
        "127.0.0.1", port, lambda *request: apps[0](*request), threaded=True, request_handler=MotoRequestHandler
    )
    shared = EmulatorState(options, work.resolve(), f"http://127.0.0.1:{server.server_port}", _new_key(), _new_key())
    app = EmulatorApp(shared, DomainDispatcherApplication(create_backend_app))
    apps.append(app)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if with_parent:
        threading.Thread(target=_wait_for_parent, args=(ended,), daemon=True).start()
    address = work / ADDRESS
    _write_address(address, shared)
    print(f"SageMaker emulator at {shared.endpoint_url}, its key in {address}", flush=True)
    while not ended.wait(_POLL_S) and not _idle(app, options.idle):
        pass
    address.unlink(missing_ok=True)
    app.training.close()
    server.shutdown()


def _idle(app: EmulatorApp, seconds: float | None) -> bool:
    if app.training.busy:
        app.last_request = time.monotonic()
    return seconds is not None and time.monotonic() - app.last_request > seconds


def _wait_for_parent(ended: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    ended.set()


def _new_key() -> Credentials:
    access_key_id = "AKIA" + "".join(secrets.choice(_KEY_LETTERS) for _ in range(16))
    return Credentials(access_key_id, secrets.token_urlsafe(30))


def _write_address(path: Path, shared: EmulatorState) -> None:
    """Write the emulator's address and key to a file that only this user can read."""
    content = {
        "endpoint_url": shared.endpoint_url,
        "access_key_id": shared.user.access_key_id,
        "secret_access_key": shared.user.secret_access_key,
        "region": shared.options.region,
        "account": ACCOUNT,
        "pid": os.getpid(),
    }
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        json.dump(content, file)
    fresh.replace(path)
