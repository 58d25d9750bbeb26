"""A trial: train, pick on validation, evaluate on test, report."""
