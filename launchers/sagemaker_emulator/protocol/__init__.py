"""AWS request and response formats, validation, faults."""
