"""`python -m battery_lab.serving <folder> <host> <port>`: serve an exported policy where the rest of the lab is not.

The image's; elsewhere it is `python -m battery_lab.serve`.
"""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import NoReturn

from battery_lab.errors import LabError
from battery_lab.serving.artifact import Artifact
from battery_lab.serving.server import listen, serve


def main(arguments: list[str]) -> int:
    """Serve until told to end; returns the exit status."""
    folder, host, port = arguments
    try:
        artifact, listening = Artifact(Path(folder)), listen(host, int(port))
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    serve(artifact, listening, f"serving {artifact.about.name} on {host} port {listening.getsockname()[1]}")
    return 0


def _end(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    # Until the server listens to it by itself; start has what it starts deaf to it.
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main(sys.argv[1:]))
