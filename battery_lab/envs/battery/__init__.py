"""A battery on a wholesale power market."""
