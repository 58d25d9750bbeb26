"""RLlib's sampling, extended where the lab needs more: state that resumes exactly, and logs from the environment."""

from battery_lab.common.old_names import install

# Checkpoints are pickles, which RLlib reads here and in processes of its own.
install()
