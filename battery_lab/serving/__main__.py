"""`python -m battery_lab.serving <folder> <host> <port>`: serve an exported policy in the image of SageMaker jobs.

The image lacks the rest of the lab. Elsewhere, use `battery-lab serve`.
"""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

from battery_lab.common.errors import LabError, require


def main(arguments: list[str]) -> int:
    """Serve until a signal; returns the exit status."""
    from battery_lab.serving.artifact import Artifact
    from battery_lab.serving.server import listen, serve

    folder, host, port = arguments
    try:
        require(port.isdecimal(), "port", "must be a whole number from 0 (any free port) to 65535", port)
        artifact, listening = Artifact(Path(folder)), listen(host, int(port))
    except LabError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    serve(artifact, listening, f"serving {artifact.about.name} on {host} port {listening.getsockname()[1]}")
    return 0


def _end(*_: object) -> None:
    # The server handles signals once it runs. Before that there is nothing to clean up, and an exception during the
    # import of compiled code could turn into another error.
    os._exit(0)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _end)
    sys.exit(main(sys.argv[1:]))
