"""battery-lab serve: serve an exported policy over HTTP.

    battery-lab export run=outputs/runs/<run>
    battery-lab serve model=outputs/runs/<run> port=8080

    GET  /ping         200 while the server runs
    GET  /model        the entries of an observation and the meaning of an action
    POST /invocations  {"instances": [[...], ...]} -> {"predictions": [{"action": ..., "request_mw": ...}, ...]}

model= is the folder of an exported policy, or of a run that holds one. port=0 takes any free port. The server listens
on 127.0.0.1 only; host=0.0.0.0 also accepts requests from other machines, without authentication. Ctrl-C stops it.
"""

from __future__ import annotations

import ipaddress
import shlex
from pathlib import Path

from battery_lab.cli.subcommand_arguments import folder, key_values
from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder

DEFAULTS = {"port": "8080", "host": "127.0.0.1"}


def main(arguments: list[str]) -> None:
    """Serve a policy until a signal stops it.

    Raises:
        LabError: there is no exported policy, or the port is not free.
    """
    chosen = DEFAULTS | key_values(arguments, ("model", *DEFAULTS))
    if not chosen.get("model"):
        raise ConfigError("model=<folder> must name an exported policy, for instance model=outputs/runs/<run>")
    if not chosen["port"].isdecimal():
        raise ConfigError(f"port must be a whole number from 0 (any free port) to 65535, got {chosen['port']!r}")
    model = exported(folder(chosen["model"]))
    from battery_lab.serving.artifact import Artifact
    from battery_lab.serving.server import listen, serve

    artifact, listening = Artifact(model), listen(chosen["host"], int(chosen["port"]))
    host, port = listening.getsockname()[:2]
    address = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    if not ipaddress.ip_address(host).is_loopback:
        print("any machine that reaches this one can send requests, without authentication", flush=True)
    serve(artifact, listening, f"serving {artifact.about.name} of {model} on {address}/invocations; Ctrl-C ends it")


def exported(chosen: Path) -> Path:
    """Return the folder of an exported policy, given that folder or the run that holds it.

    Raises:
        LabError: there is none, or the policy of the run has changed since.
    """
    from battery_lab.serving.artifact import ABOUT, About, weights_digest

    place = chosen if (chosen / ABOUT).is_file() else RunFolder(chosen).model
    run = place.parent if place.name == RunFolder.MODEL else place
    weights = weights_digest(RunFolder(run).policy)
    again = f"battery-lab export run={shlex.quote(str(run)) if weights else '<run>'}"
    if not (place / ABOUT).is_file():
        raise ConfigError(
            f"model={chosen} must name an exported policy, and holds no {ABOUT}: export one first, with {again}"
        )
    if weights not in (None, About.read(place).weights_sha256):
        raise ConfigError(f"{run} holds another policy than the one exported from it: export again, with {again}")
    return place
