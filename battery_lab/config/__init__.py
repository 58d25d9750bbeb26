"""Hydra and OmegaConf: compose a configuration, validate it, build its parts, store it with a run."""
