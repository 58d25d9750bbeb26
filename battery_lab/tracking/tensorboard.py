"""TensorBoard event files that hold every point as soon as it is logged."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any


class EventFile:
    """Writes scalars to one new TensorBoard file.

    tensorboardX's SummaryWriter sends every scalar through a queue that a kill empties unwritten. Its RecordWriter
    buffers records, and its flush waits for the disk each time. Here each record is one unbuffered write.
    """

    def __init__(self, folder: Path, purge_step: int | None) -> None:
        """Create a file.

        Args:
            folder: the log directory, or a folder in it; created if missing.
            purge_step: TensorBoard hides what earlier files hold from this environment step on.
        """
        from tensorboardX.proto.event_pb2 import Event, SessionLog
        from tensorboardX.proto.summary_pb2 import Summary
        from tensorboardX.record_writer import masked_crc32c

        self._event, self._summary, self._crc = Event, Summary, masked_crc32c
        folder.mkdir(parents=True, exist_ok=True)
        # Two runs may start within one second: the nanoseconds give their files different names.
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{time.time_ns()}"
        self._file = (folder / name).open("ab", buffering=0)
        self._write(Event(wall_time=time.time(), file_version="brain.Event:2"))
        if purge_step is not None:
            start = SessionLog(status=SessionLog.START)
            self._write(Event(wall_time=time.time(), step=purge_step, session_log=start))

    def add(self, scalars: Mapping[str, float], env_steps: int, unix_s: float) -> None:
        """Write scalars at an environment step."""
        values = [self._summary.Value(tag=name, simple_value=value) for name, value in scalars.items()]
        self._write(self._event(wall_time=unix_s, step=env_steps, summary=self._summary(value=values)))

    def close(self) -> None:
        """Close the file."""
        self._file.close()

    def _write(self, event: Any) -> None:
        """Append a TFRecord: length, checksum of the length, data, checksum of the data."""
        data = event.SerializeToString()
        length = struct.pack("<Q", len(data))
        self._file.write(b"".join((length, self._checksum(length), data, self._checksum(data))))

    def _checksum(self, data: bytes) -> bytes:
        return struct.pack("<I", self._crc(data))
