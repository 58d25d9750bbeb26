"""Environment runners: RLlib's, extended to whole arrays and exact resumption."""
