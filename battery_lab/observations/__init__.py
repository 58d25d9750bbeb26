"""What a policy sees: features by source, put together to observation sets in YAML."""
