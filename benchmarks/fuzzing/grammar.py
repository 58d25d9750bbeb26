"""Grammar of commands: overrides, groups, flags, subcommands and files, right and wrong.

Every draw comes from one ``Random``, so that a seed repeats a command, and Hypothesis can shrink one.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from random import Random

from benchmarks.fuzzing.files import Places
from benchmarks.fuzzing.option_paths import OptionPath, groups, option_paths
from benchmarks.fuzzing.typed_words import DEFAULTS, FLAGS, HYDRA, RUN_COMMANDS, SWEEPING, TINY, TINY_ALGOS
from benchmarks.fuzzing.values import EXTREME_NUMBERS, OTHER_TYPES, SYNTAX, TEXTS, any_value, misspelt, near


class Depth(Enum):
    """How far a command goes: ``BUILD`` its parts, ``OPEN`` its prices and its learner, ``RUN`` it as typed."""

    BUILD = "build"
    OPEN = "open"
    RUN = "run"


@dataclass(frozen=True)
class Command:
    """A command.

    Attributes:
        arguments: what follows ``battery-lab``.
        depth: how far it goes.
    """

    arguments: tuple[str, ...]
    depth: Depth


def draw_command(random: Random, places: Places) -> Command:
    """Return a command; it may write a damaged file or run folder that it names."""
    kinds = (
        _default_values,
        _values,
        _choices,
        _flags,
        _sweep_of_trials,
        _file,
        _run_command,
        draw_subcommand,
        _opened,
        _trained,
    )
    kind = random.choices(kinds, weights=(32, 20, 11, 5, 1.5, 7, 7, 12, 4, 0.5))[0]
    return kind(random, places)


def draw_values(random: Random) -> Command:
    """Return values of the default trial alone: one composition serves them all."""
    defaults = [option for option in option_paths() if set(option.choices) <= DEFAULTS]
    chosen = random.sample(defaults, random.choice((1, 1, 2)))
    return _guarded([_override(random, option) for option in chosen], Depth.BUILD)


def _default_values(random: Random, places: Places) -> Command:
    return draw_values(random)


def _values(random: Random, places: Places) -> Command:
    chosen = [_option(random) for _ in range(random.choice((1, 1, 1, 2, 3)))]
    arguments = [choice for option in chosen for choice in option.choices]
    arguments += [_override(random, option) for option in chosen]
    return _guarded(arguments, Depth.BUILD)


def _option(random: Random) -> OptionPath:
    return random.choice(option_paths())


def _override(random: Random, option: OptionPath) -> str:
    path, value = option.path, any_value(random, option.default)
    if random.random() < 0.2:
        return _damaged_override(random, path, value)
    return f"{path}={value}"


def _damaged_override(random: Random, path: str, value: str) -> str:
    forms = (
        f"+{path}={value}",
        f"++{path}={value}",
        f"~{path}",
        f"~{path}={value}",
        f"{misspelt(random, path)}={value}",
        f"{path}.x={value}",
        f"{path}.x.y=1",
        f"{path}[0]={value}",
        f"{path}@x={value}",
        f"{path}:{value}",
        f"{path} = {value}",
        f"={value}",
        f".{path}={value}",
        f"{path}.={value}",
        f"{path.replace('.', '..')}={value}",
        f"{path.replace('.', '/')}={value}",
        f"{path.rpartition('.')[0]}={value}",
        f"{path.partition('.')[0]}={value}",
        f"+{path}.{random.choice(('_target_', '_convert_', '_args_', 'new'))}={value}",
        f"{path.upper()}={value}",
        path,
    )
    return random.choice(forms)


def _choices(random: Random, places: Places) -> Command:
    """Return choices of options, right and wrong."""
    arguments = []
    for _ in range(random.choice((1, 1, 2, 3))):
        group = random.choice(sorted(groups()))
        option = random.choice(groups()[group] or ["x"])
        odd = random.choice(
            (misspelt(random, option), *random.sample(OTHER_TYPES + SYNTAX + TEXTS + EXTREME_NUMBERS, 2))
        )
        name = option if random.random() < 0.5 else odd
        forms = (
            *[f"{group}={name}"] * 6,
            f"+{group}={name}",
            f"~{group}",
            f"~{group}={name}",
            f"{group}@x={name}",
            f"+{group}@env.x={name}",
            f"+{group}@_global_={name}",
            f"{group}=[{name},{option}]",
            f"{group}.{name}=1",
            f"{misspelt(random, group)}={name}",
            f"{group}={group}/{name}",
            f"+baseline@env.baselines.{misspelt(random, 'own')}={name}",
        )
        arguments.append(random.choice(forms))
    if random.random() < 0.3:
        arguments.append(_override(random, _option(random)))
    return _guarded(arguments, Depth.BUILD)


def _flags(random: Random, places: Places) -> Command:
    arguments = [*random.choice(FLAGS)]
    if random.random() < 0.5:
        arguments = []
    for _ in range(random.choice((0, 1, 1, 2))):
        option = _option(random)
        arguments += [*option.choices, _override(random, option)]
    if not arguments or random.random() < 0.4:
        arguments.append(random.choice(HYDRA))
    if random.random() < 0.2:
        arguments.insert(0, "train")
    return _guarded(arguments, Depth.BUILD)


def _sweep_of_trials(random: Random, places: Places) -> Command:
    arguments = ["--multirun"]
    for _ in range(random.choice((1, 2))):
        option = _option(random)
        values = [any_value(random, option.default) for _ in range(random.choice((1, 2, 3)))]
        arguments += [*option.choices, f"{option.path}={','.join(values)}"]
    return _guarded(arguments, Depth.BUILD)


def _file(random: Random, places: Places) -> Command:
    """Return a trial on a damaged file of prices."""
    market, path = places.damaged_prices(random)
    arguments = [f"market={market}", f"market.path={path}", *_tiny(random)]
    if market == "table":
        arguments += ["market.time_zone=Etc/GMT-10", "market.currency=EUR"]
    options = [option for option in option_paths() if option.choices == (f"market={market}",)]
    if random.random() < 0.4:
        arguments.append(_override(random, random.choice(options)))
    return _guarded(arguments, Depth.OPEN)


def _tiny(random: Random, algo: str | None = None) -> list[str]:
    name = algo or random.choices(("bid_curves", "ppo", "dqn", "sac"), weights=(6, 2, 1, 1))[0]
    return [f"algo={name}", *TINY, *TINY_ALGOS[name], "reward=degradation"]


def _opened(random: Random, places: Places) -> Command:
    """Return a tiny trial whose prices are opened and whose learner is built, with some values changed."""
    option = _option(random)
    while option.path.startswith(("hydra", "sweep", "algo.num_", "algo.gpus", "tracking", "rollout")):
        option = _option(random)
    algo = next((choice[5:] for choice in option.choices if choice.startswith("algo=")), None)
    others = [choice for choice in option.choices if not choice.startswith(("algo=", "market="))]
    arguments = [*_tiny(random, algo), *others, *places.sound_market(random)]
    if option.choices == ("market=synthetic",):
        arguments = [*_tiny(random), "market.years=1", *places.in_home()]
    return _guarded([*arguments, _override(random, option)], Depth.OPEN)


def _trained(random: Random, places: Places) -> Command:
    """Return a tiny trial that trains, with some values changed a little."""
    options = [option for option in option_paths() if option.path.startswith(("battery.", "env.", "algo.", "reward."))]
    option = random.choice([option for option in options if not option.path.startswith(("algo.num_", "algo.gpus"))])
    algo = next((choice[5:] for choice in option.choices if choice.startswith("algo=")), None)
    others = [choice for choice in option.choices if not choice.startswith("algo=")]
    value = near(random, option.default) if random.random() < 0.7 else any_value(random, option.default)
    arguments = [*_tiny(random, algo), *places.sound_market(random), *others, f"{option.path}={value}"]
    return _guarded(arguments, Depth.RUN)


def _run_command(random: Random, places: Places) -> Command:
    """Return a command on a stored run, which may be damaged."""
    run = places.damaged_run(random) if random.random() < 0.6 else places.stored_run
    name = random.choice(RUN_COMMANDS)
    own = {
        "evaluate": ("outputs=x",),
        "audit": ("moments=2", "seed=x", "period=x", "moments=1e9", "decide=x:y", "period=validation moments=1"),
        "bids": (
            "soc=0.5",
            "soc=nan",
            "soc=2",
            "soc=0.5 at=x",
            "soc=0.5 to=bid.csv",
            "soc=0.5 floor=inf cap=1",
            "so=1",
        ),
        "export": ("to=x", "to=/dev/null/x", "to="),
        "sync": ("tracking.uri=x", "tracking.experiment=x", "tracking.uri=http://127.0.0.1:1"),
        "resume": ("train.env_steps=1e3",),
        "rerun": ("seed=1",),
    }[name]
    first = [name, f"run={run}"] if name not in ("resume", "rerun") else [f"{name}={run}"]
    rest = random.choice(own).split() if random.random() < 0.7 else []
    if random.random() < 0.5:
        rest.append(_override(random, _option(random)))
    if random.random() < 0.1:
        first[-1] = f"{misspelt(random, first[-1].partition('=')[0])}={run}"
    depth = Depth.RUN if name in ("audit", "bids", "export", "sync", "evaluate") else Depth.BUILD
    return _guarded([*first, *rest], depth)


def draw_subcommand(random: Random, places: Places) -> Command:
    """Return a subcommand with arguments that are few, many or wrong."""
    words = ("train", "evaluate", "audit", "bids", "export", "serve", "sync", "sweep", "sweep status", "sweep collect")
    words += ("sweep logs", "sweep retry", "compare", "")
    first = random.choice(words).split()
    if first and random.random() < 0.2:
        first[-1] = misspelt(random, first[-1])
    arguments = [
        *(
            "run=nowhere",
            "run=",
            "nowhere",
            "model=nowhere",
            f"model={places.home}",
            "port=x",
            "port=70000",
            "-h",
            "--help",
        ),
        *(
            "host=x",
            "port=-1",
            "2",
            "-1",
            "x y",
            "run",
            "=",
            "==",
            "",
            "decide=os:getcwd",
            "decide=x",
            "decide=:",
            "a=b",
        ),
        *(
            f"run={places.home}",
            str(places.home),
            f"run={places.home}/*",
            "tracking.uri=x",
            "moments=0",
            "soc=",
            "soc=x",
        ),
    ]
    return _guarded([*first, *random.choices(arguments, k=random.choice((0, 1, 2, 3)))], Depth.BUILD)


def _guarded(arguments: list[str], depth: Depth) -> Command:
    """Return a command that starts no other process: what could start a sweep only shows it."""
    names = [argument.lstrip("+~").partition("=")[0].partition("@")[0] for argument in arguments]
    if any(name.lower().startswith(SWEEPING) or name in ("-m", "--multirun") for name in names):
        arguments = [argument for argument in arguments if "dry_run" not in argument]
        if arguments[0] not in ("sweep",):
            arguments.append("sweep.dry_run=true")
    return Command(tuple(arguments), depth)
