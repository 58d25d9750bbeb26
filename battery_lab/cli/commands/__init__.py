"""battery-lab: train, evaluate and serve policies that dispatch a battery on a market.

    battery-lab reward=degradation algo=ppo        train a policy; the same as battery-lab train ...
    battery-lab --multirun algo=ppo,sac seed=0,1   run a sweep: one trial per combination
    battery-lab evaluate run=outputs/runs/<run>    evaluate a trained policy again
    battery-lab <command> --help                   show the help of a command

Without a command, overrides and flags are those of train: `battery-lab train --help` lists them.
python -m battery_lab is the same program. Shell completion: eval "$(battery-lab train -sc install=bash)"
"""
