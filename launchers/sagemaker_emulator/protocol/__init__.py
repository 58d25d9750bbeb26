"""Protocol of AWS requests: parsing, validation, faults and responses."""
