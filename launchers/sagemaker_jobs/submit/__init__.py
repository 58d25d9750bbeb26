"""Build a training job request, upload what it needs, start it."""
