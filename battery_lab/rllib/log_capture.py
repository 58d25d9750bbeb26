"""What is warned of in a process whose log nobody sees."""

from __future__ import annotations

import logging
from collections import deque

MOST = 20  # lines that are kept until somebody asks for them; of more, the last
PACKAGE = "battery_lab"


class Said(logging.Handler):
    """Keeps the lab's warnings, from its making on."""

    def __init__(self) -> None:
        """Listen to all of the lab."""
        super().__init__(logging.WARNING)
        self._lines: deque[str] = deque(maxlen=MOST)
        logging.getLogger(PACKAGE).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a line."""
        self._lines.append(record.getMessage())

    def take(self) -> list[str]:
        """Return what was kept, and keep it no longer."""
        lines = list(self._lines)
        self._lines.clear()
        return lines
