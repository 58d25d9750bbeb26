"""Training jobs: operations, rules, life cycle, hosts, logs and transfers to S3."""
