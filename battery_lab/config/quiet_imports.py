"""Quiet imports: no log lines of other libraries while modules of the lab are imported."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def quiet_imports() -> Iterator[None]:
    """Keep imports from logging; what a user needs to know, the lab itself raises or prints."""
    # RLlib imports TensorFlow if it is installed, which takes 5 s.
    os.environ.setdefault("RLLIB_TEST_NO_TF_IMPORT", "1")
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
        # Ray sets these levels when it is imported.
        for name in ("ray", "ray.rllib"):
            logging.getLogger(name).setLevel(logging.ERROR)
