"""Data check: finds the market and the options that read a file, and reports on the quality of its prices."""
