"""AWS access: clients, errors, S3 layout, logs, job names, Experiments."""
