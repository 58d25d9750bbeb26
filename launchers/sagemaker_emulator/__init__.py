"""Emulator of Amazon SageMaker training on this machine, for tests: moto's server, and what moto lacks.

Every AWS client works with it if ``AWS_ENDPOINT_URL`` names it: boto3, the SageMaker SDK, a training job.
docs/sagemaker_emulator.md lists what is modelled and what is not; in short:

- Modelled: training jobs that really run, by the sagemaker-training toolkit's ``train`` command, one process tree per
  host; their life cycle, stops, spot interruptions with checkpoints, failures; validation of requests; logs and
  metrics; lists and searches; Experiments; faults on request. All other services are moto's.
- Not modelled: instances and images (a job runs in the Python environment of the emulator, as the user who started it),
  networks, keys and roles (stored and described, without effect), Pipe and FastFile, warm pools, prices.
"""

from sagemaker_emulator.emulator_client import EmulatorConnection, connect
from sagemaker_emulator.emulator_process import Emulator
from sagemaker_emulator.training.host import namespaces_work

__all__ = ["EmulatorConnection", "Emulator", "connect", "namespaces_work"]
