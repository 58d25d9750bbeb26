"""`python -m battery_lab`: the same program as `battery-lab`."""

from battery_lab.cli.main import main

if __name__ == "__main__":
    main()
