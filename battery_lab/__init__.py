"""A laboratory for battery dispatch with reinforcement learning."""

import os
import sys
from importlib.util import find_spec

from battery_lab.common.numba_cache import keep_compiled_code

__version__ = "0.1.0"

# Python calls itself -m while it looks for the module of a command, all of which import Hydra first.
if sys.argv[:1] == ["-m"] and find_spec("hydra") is None:
    sys.exit(
        f"error: {sys.executable} lacks the packages that the lab needs: run `make setup` once, which puts "
        "them into .venv, and then `source .venv/bin/activate`"
    )

# Before anything imports numba, which reads where to keep its code once.
keep_compiled_code()
# Before anything imports torch, whose threads wait for one another by spinning for milliseconds otherwise: where
# something else runs on a core that one of them should have, all wait for that. This is long enough to catch the next
# product of matrices, and short enough to make way.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
