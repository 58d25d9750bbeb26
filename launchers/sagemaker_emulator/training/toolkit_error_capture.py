"""Error capture of the sagemaker-training toolkit: a training module with which it reports errors of entry points.

The toolkit's default does not write the entry point's standard error to ``/opt/ml/output/failure``, so that the failure
reason would be the exit code only. Images bring a module of their own; this one is used unless the job's Environment
names another (``SAGEMAKER_TRAINING_MODULE``).
"""

from __future__ import annotations

import sys

from sagemaker_training import entry_point, environment


def main() -> None:
    """Run the entry point of the job."""
    # The toolkit would import TensorFlow, if it is installed, for the names of its exceptions, which takes seconds.
    sys.modules["tensorflow"] = None  # type: ignore[assignment]
    env = environment.Environment()
    arguments, variables = env.to_cmd_args(), env.to_env_vars()
    entry_point.run(env.module_dir, env.user_entry_point, arguments, variables, capture_error=True)
