"""The options of training jobs and the rules they must keep."""
