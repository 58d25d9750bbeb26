"""Sweeps: the journal, the identity of trials, the scheduler and the commands. Independent of Hydra."""
