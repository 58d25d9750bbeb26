"""The server: binds, tells where it is, and ends by a signal or after a while without work."""

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

from sagemaker_emulator.app import Gate
from sagemaker_emulator.job import ACCOUNT
from sagemaker_emulator.training.machine import Credentials, Machine, Options

ADDRESS = "address.json"
_LOOK_S = 0.2
_KEY_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def serve(options: Options, work: Path, port: int, *, with_parent: bool = False) -> None:
    """Serve until SIGTERM, SIGINT or the end of idleness.

    Args:
        options: how to behave.
        work: folder for the address and for jobs, made if missing.
        port: of 127.0.0.1; 0: any that is free.
        with_parent: end at the end of standard input, which whoever started this one holds open.
    """
    logging.getLogger("werkzeug").setLevel(logging.WARNING)  # not a line for every request
    work.mkdir(parents=True, exist_ok=True)
    late: list[Gate] = []
    server = make_server(
        "127.0.0.1", port, lambda *request: late[0](*request), threaded=True, request_handler=MotoRequestHandler
    )
    machine = Machine(options, work.resolve(), f"http://127.0.0.1:{server.server_port}", _new_key(), _new_key())
    gate = Gate(machine, DomainDispatcherApplication(create_backend_app))
    late.append(gate)
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    threading.Thread(target=server.serve_forever, daemon=True).start()
    if with_parent:
        threading.Thread(target=_wait_for_parent, args=(ended,), daemon=True).start()
    address = work / ADDRESS
    _tell(address, machine)
    print(f"SageMaker emulator at {machine.endpoint_url}, its key in {address}", flush=True)
    while not ended.wait(_LOOK_S) and not _idle(gate, options.idle):
        pass
    address.unlink(missing_ok=True)
    gate.training.close()
    server.shutdown()


def _idle(gate: Gate, seconds: float | None) -> bool:
    if gate.training.under_way:
        gate.last_request = time.monotonic()
    return seconds is not None and time.monotonic() - gate.last_request > seconds


def _wait_for_parent(ended: threading.Event) -> None:
    while os.read(sys.stdin.fileno(), 1024):
        pass
    ended.set()


def _new_key() -> Credentials:
    access_key_id = "AKIA" + "".join(secrets.choice(_KEY_LETTERS) for _ in range(16))
    return Credentials(access_key_id, secrets.token_urlsafe(30))


def _tell(path: Path, machine: Machine) -> None:
    """Write where the emulator is and its key, for this user's eyes."""
    told = {
        "endpoint_url": machine.endpoint_url,
        "access_key_id": machine.user.access_key_id,
        "secret_access_key": machine.user.secret_access_key,
        "region": machine.options.region,
        "account": ACCOUNT,
        "pid": os.getpid(),
    }
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600), "w") as file:
        json.dump(told, file)
    fresh.replace(path)
