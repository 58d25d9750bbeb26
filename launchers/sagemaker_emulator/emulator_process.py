"""Process of an emulator: started for a ``with`` statement, and stopped at its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Self

from sagemaker_emulator.emulator_client import ADDRESS, EmulatorConnection

_TIMEOUT_S = 60.0


class Emulator(EmulatorConnection):
    """An emulator in a process of its own, which runs within a ``with`` statement."""

    def __init__(self, work: str | Path, **options: Any) -> None:
        """Store how to start it.

        Args:
            work: its folder, created if missing; ``emulator.log`` there has its output.
            options: those of the command, with underscores: ``isolation="namespaces"``, ``grace=5``,
                ``quota={"ml.c5.xlarge": 2}``, ``rates={"ListTrainingJobs": 2}``.
        """
        self.work = Path(work)
        self._options = options

    def __enter__(self) -> Self:
        """Start the process and wait until it accepts requests."""
        self.work.mkdir(parents=True, exist_ok=True)
        (self.work / ADDRESS).unlink(missing_ok=True)
        paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
        with (self.work / "emulator.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sagemaker_emulator", "--work", str(self.work), *self._arguments()],
                env=os.environ | {"PYTHONPATH": os.pathsep.join(filter(None, paths))},
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
        self._wait()
        super().__init__(json.loads((self.work / ADDRESS).read_text()))
        return self

    def __exit__(self, *_: object) -> None:
        """Stop the process and its jobs."""
        self._process.terminate()
        self._process.wait()
        if self._process.stdin:
            self._process.stdin.close()

    def _wait(self) -> None:
        end = time.monotonic() + _TIMEOUT_S
        while not (self.work / ADDRESS).exists():
            if self._process.poll() is not None or time.monotonic() > end:
                self._process.kill()
                output = (self.work / "emulator.log").read_text(errors="replace")[-2000:]
                raise RuntimeError(f"the emulator did not start: {output}")
            time.sleep(0.02)

    def _arguments(self) -> list[str]:
        arguments = ["--port", "0", "--with-parent"]
        for name, value in self._options.items():
            option = f"--{name.replace('_', '-')}"
            if isinstance(value, Mapping):
                arguments += [option, *(f"{key}={number}" for key, number in value.items())]
            elif value is not None:
                arguments += [option, str(value)]
        return arguments
