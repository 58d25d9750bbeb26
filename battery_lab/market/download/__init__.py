"""Download: prices and forecasts of operators, through gridstatus and NEMOSIS, into a folder that a reader reads."""
