"""Access to AWS: connection, errors, names, logs, and the layout of files in S3."""
