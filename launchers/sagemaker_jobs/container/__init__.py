"""Code that runs in a job's container: the trial, its channels, its metric lines, and Ray over several hosts."""
