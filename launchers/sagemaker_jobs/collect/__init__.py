"""What comes back from a job: results, outcome, records."""
