"""Files: finds the files of a market and reads them as rows of text."""
