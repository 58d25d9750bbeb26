"""`python -m battery_lab`: the same program as `battery-lab`."""

from battery_lab.cli.main import program

if __name__ == "__main__":
    program()
