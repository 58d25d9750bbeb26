"""Remote learner warnings: keeps the lab's warnings in a learner process, for the run's process to log."""

from __future__ import annotations

import logging
from collections import deque

MAX_MESSAGES = 20  # older messages are dropped
PACKAGE = "battery_lab"


class WarningCapture(logging.Handler):
    """Keeps the lab's warnings until they are taken."""

    def __init__(self) -> None:
        """Attach to the lab's root logger."""
        super().__init__(logging.WARNING)
        self._messages: deque[str] = deque(maxlen=MAX_MESSAGES)
        logging.getLogger(PACKAGE).addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a message."""
        self._messages.append(record.getMessage())

    def take(self) -> list[str]:
        """Return the messages since the last call."""
        messages = list(self._messages)
        self._messages.clear()
        return messages
