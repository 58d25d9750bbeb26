"""Options of training jobs and the service's rules for them."""
