"""SageMaker Experiments: what moto lacks of them, and Search."""
