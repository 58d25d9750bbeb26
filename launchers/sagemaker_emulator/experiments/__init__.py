"""SageMaker Experiments and Search."""
