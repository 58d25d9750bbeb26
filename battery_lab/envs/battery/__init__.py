"""Battery environment: dispatch of a battery on a wholesale power market."""
