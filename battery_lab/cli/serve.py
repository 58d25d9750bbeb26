"""`battery-lab serve model=<folder> port=8080`: serve an exported policy over HTTP.

    battery-lab export run=outputs/runs/<run>
    battery-lab serve model=outputs/runs/<run> port=8080

    GET  /ping         200 while it serves
    GET  /model        what stands where in an observation, and what an action asks for
    POST /invocations  {"instances": [[...], ...]} -> {"predictions": [{"action": ..., "request_mw": ...}, ...]}

model= is the folder of an exported policy, or of a run that holds one. port=0 takes any port that is free. It listens
on 127.0.0.1 alone; host=0.0.0.0 lets in whoever reaches this machine, and asks nobody who they are. Ctrl-C ends it.
"""

from __future__ import annotations

import ipaddress
import shlex
from pathlib import Path

from battery_lab.cli.runner import command, folder_in, keyed
from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder

DEFAULTS = {"port": "8080", "host": "127.0.0.1"}


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    command(serve_model, __doc__, arguments)


def serve_model(arguments: list[str]) -> None:
    """Serve until told to end.

    Raises:
        LabError: there is no exported policy, or the port cannot be had.
    """
    chosen = DEFAULTS | keyed(arguments, ("model", *DEFAULTS))
    if not chosen.get("model"):
        raise ConfigError("model=<folder> must name an exported policy, for instance model=outputs/runs/<run>")
    if not chosen["port"].isdecimal():
        raise ConfigError(f"port must be a whole number, 0 (any that is free) to 65535, got {chosen['port']!r}")
    folder = exported(folder_in(chosen["model"]))
    from battery_lab.serving.artifact import Artifact
    from battery_lab.serving.server import listen, serve

    artifact, listening = Artifact(folder), listen(chosen["host"], int(chosen["port"]))
    host, port = listening.getsockname()[:2]
    where = f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
    if not ipaddress.ip_address(host).is_loopback:
        print("whoever reaches this machine may ask, and nobody is asked who they are", flush=True)
    serve(artifact, listening, f"serving {artifact.about.name} of {folder} on {where}/invocations; Ctrl-C ends it")


def exported(folder: Path) -> Path:
    """Return where an exported policy is, of a folder that is one or a run that holds one.

    Raises:
        LabError: there is none, or the run keeps another policy by now.
    """
    from battery_lab.serving.artifact import ABOUT, About, weights_digest

    place = folder if (folder / ABOUT).is_file() else RunFolder(folder).model
    run = place.parent if place.name == RunFolder.MODEL else place
    weights = weights_digest(RunFolder(run).policy)
    again = f"battery-lab export run={shlex.quote(str(run)) if weights else '<run>'}"
    if not (place / ABOUT).is_file():
        raise ConfigError(
            f"model={folder} must name an exported policy, and holds no {ABOUT}: export one first, with {again}"
        )
    if weights not in (None, About.read(place).weights_sha256):
        raise ConfigError(f"{run} keeps another policy than was exported from it: export again, with {again}")
    return place


if __name__ == "__main__":
    main()
