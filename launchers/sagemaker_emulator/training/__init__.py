"""Training jobs: operations, lifecycle and hosts."""
