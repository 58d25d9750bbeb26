"""Submission of training jobs: requests, uploads and payloads of trials."""
