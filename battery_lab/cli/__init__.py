"""The command `battery-lab`: one file per subcommand."""
