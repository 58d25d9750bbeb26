"""RLlib's sampling, extended where the lab needs more: state that resumes exactly, and logs from the environment."""
