"""The memory of a sweep: its journal, who its trials are, and what their folders hold. Knows nothing of Hydra."""
