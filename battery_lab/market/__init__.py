"""Markets: price series from operators' files or made from a seed, checked and on an unbroken grid of intervals."""
