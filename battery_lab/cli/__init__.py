"""The command `battery-lab`: the entry, what its subcommands share, and the subcommands in `commands`."""
