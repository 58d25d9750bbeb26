"""battery-lab data: download and check price files before a trial is trained on them.

battery-lab data fetch market=aemo location=NSW1 period=2024-01-01/2024-03-31 folder=prices/
                                    download an operator's prices or forecasts
battery-lab data check prices/      print how to read the files, what their prices are like, and a command to train
"""
