"""`python -m battery_lab.serving <folder> <host> <port>`: serve an exported policy where the rest of the lab is not.

The image's; elsewhere it is `battery-lab serve`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from battery_lab.common.errors import LabError, require


def main(arguments: list[str]) -> int:
    """Serve until told to end; returns the exit status."""
    from battery_lab.serving.artifact import Artifact
    from battery_lab.serving.server import listen, serve

    folder, host, port = arguments
    try:
        require(port.isdecimal(), "port", "must be a whole number, 0 (any that is free) to 65535", port)
        artifact, listening = Artifact(Path(folder)), listen(host, int(port))
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    serve(artifact, listening, f"serving {artifact.about.name} on {host} port {listening.getsockname()[1]}")
    return 0


def _end(*_: object) -> None:
    # There is nothing to wind up before the server listens to it by itself, nor after; an exception amid an import of
    # compiled code would come out as another.
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main(sys.argv[1:]))
