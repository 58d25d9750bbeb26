"""RLlib, extended to whole arrays, exact resumption and logs from the environment."""

from battery_lab.common.old_module_imports import install

# RLlib unpickles checkpoints in this process and in its worker processes.
install()
