"""Fuzzing of commands: a grammar of commands, damaged files, and the rules that their outcomes must meet."""
