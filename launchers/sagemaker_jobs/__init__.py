"""Trials as SageMaker training jobs: options, requests, polling, and the way home of what came out."""
