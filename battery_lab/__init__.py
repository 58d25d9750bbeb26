"""A laboratory for battery dispatch with reinforcement learning."""

from battery_lab.compiled import keep_compiled_code

__version__ = "0.1.0"

# Before anything imports numba, which reads where to keep its code once.
keep_compiled_code()
