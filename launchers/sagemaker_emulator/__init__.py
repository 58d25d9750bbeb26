"""Amazon SageMaker's training on this machine, for tests: moto's server, and what moto lacks.

Any AWS client that is pointed at it (``AWS_ENDPOINT_URL``) works with it: boto3, the SageMaker SDK, a training job.
docs/sagemaker_emulator.md says what is modelled and what isn't; in short:

- Modelled: training jobs that really run, through the sagemaker-training toolkit's ``train`` command, one process tree
  a host; their life, stops, spot interruptions with checkpoints, failures; requests checked as the service checks them;
  logs and metrics; lists and searches; Experiments; faults on request. All other services are moto's.
- Not modelled: instances and images (a job runs in the Python environment of the emulator, as the user who started it),
  networks, keys and roles (kept and told, without effect), Pipe and FastFile, warm pools, prices.
"""

from sagemaker_emulator.client import Connection, Emulator, connect
from sagemaker_emulator.training.host import namespaces_work

__all__ = ["Connection", "Emulator", "connect", "namespaces_work"]
