"""Configuration: compose, validate and build trials; Hydra and OmegaConf are used here and in `cli` only."""
