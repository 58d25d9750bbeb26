"""A laboratory for battery dispatch with reinforcement learning."""

import os
import sys
from importlib.util import find_spec

from battery_lab.common.numba_cache import keep_compiled_code

__version__ = "0.1.0"

# During `python -m battery_lab`, sys.argv[0] is -m until the module is found. Every command needs Hydra.
if sys.argv[:1] == ["-m"] and find_spec("hydra") is None:
    sys.exit(
        f"error: {sys.executable} lacks the packages of the lab: run `make setup` once, which installs them into "
        ".venv, and then `source .venv/bin/activate`"
    )

# Before numba is imported, which reads its cache folder once.
keep_compiled_code()
# Before Ray is imported. Otherwise a call that needs Ray would start one that listens on all interfaces.
os.environ.setdefault("RAY_ENABLE_AUTO_CONNECT", "0")
# Before RLlib is imported. Otherwise it imports an installed TensorFlow, which takes 5 s.
os.environ.setdefault("RLLIB_TEST_NO_TF_IMPORT", "1")
# Before torch is imported. By default, its threads spin for milliseconds while they wait for one another, and all wait
# when another program uses the core of one. This count is long enough to catch the next matrix product, and short
# enough to free the core.
if "OMP_WAIT_POLICY" not in os.environ:
    os.environ.setdefault("GOMP_SPINCOUNT", "3000")
