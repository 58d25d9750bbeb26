"""Price series: read an operator's files, check them, make synthetic ones, split them by time."""
