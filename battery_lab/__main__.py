"""`python -m battery_lab`: the command `battery-lab`."""

from battery_lab.cli.train import main

if __name__ == "__main__":
    main()
