"""battery-lab sweep: show, retry and collect the trials of a sweep, from any shell.

    battery-lab sweep status outputs/sweeps/<sweep>        show the state of each trial
    battery-lab sweep retry outputs/sweeps/<sweep> 2 5     run trials 2 and 5 again, which failed or were stopped
    battery-lab sweep collect outputs/sweeps/<sweep>       write results.csv into the folder
    battery-lab sweep logs outputs/sweeps/<sweep> 2        print the log of trial 2

The sweep may be running, stopped or finished.
"""
