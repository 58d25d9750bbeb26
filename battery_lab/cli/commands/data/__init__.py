"""battery-lab data: check price files before a trial is trained on them.

battery-lab data check prices/      print how to read the files, what their prices are like, and a command to train
"""
