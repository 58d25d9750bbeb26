"""Trials as SageMaker training jobs: options, submission, polling and collection of results."""
