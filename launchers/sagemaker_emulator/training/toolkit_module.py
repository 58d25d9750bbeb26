"""What the sagemaker-training toolkit runs in place of its default, so that an entry point's error gets told.

By default the toolkit leaves out of ``/opt/ml/output/failure`` what the entry point wrote on its standard error, and
FailureReason would say no more than the exit code. Images bring such a module of their own; this one is used where the
job's Environment names none (``SAGEMAKER_TRAINING_MODULE``).
"""

from __future__ import annotations

from sagemaker_training import entry_point, environment


def main() -> None:
    """Run the entry point of the job."""
    env = environment.Environment()
    arguments, variables = env.to_cmd_args(), env.to_env_vars()
    entry_point.run(env.module_dir, env.user_entry_point, arguments, variables, capture_error=True)
