"""Values: numbers, texts and Hydra's syntax, of the type that an option has or of another one."""

from __future__ import annotations

from random import Random
from typing import Any

EXTREME_NUMBERS = (
    *("0", "-0.0", "-1", "1", "2", "3", "0.5", "1e99", "-1e99", "1e308", "-1e308", "1e-320", "5e-324", "1e18", "1e12"),
    *("nan", "inf", "-inf", ".nan", ".inf", "1e400", "10**30", f"1{'0' * 30}", f"-1{'0' * 30}", "9" * 400, "9" * 5000),
    *("2147483648", "4294967296", "9223372036854775807", "9223372036854775808", "18446744073709551616"),
    *("1_000", "0x10", "0b1", "1e9", "1000000", "99999", "1e5", "0.1", "1e-9", "+5", "1,5", "1.000.000", "٣"),
)
OTHER_TYPES = (
    *("true", "false", "True", "yes", "null", "None", "~", "''", '""', '"1"', "'nan'", "abc", "[]", "{}", "[[]]"),
    *("[1,2]", "[1,-1]", "[1e99]", "[null]", "[a,b]", "[0.1,'x']", "{a:1}", "{a:{b:[1]}}", "{_target_:x}", "{1:2}"),
    *(
        "[nan]",
        "[inf,1]",
        "[true]",
        "[0]",
        "[-1]",
        f"[{','.join(['1'] * 300)}]",
        "[1,1,1,1]",
        "[99999999999999999999]",
    ),
)
SYNTAX = (
    *("a,b", "1,2,3", "range(1,3)", "range(1,1e9)", "choice(a,b)", "interval(0,1)", "glob(*)", "glob(*,exclude=p*)"),
    *(
        "sort(3,1)",
        "shuffle(1,2)",
        "tag(a,1)",
        "int(3.2)",
        "float(1)",
        "str(1)",
        "bool(2)",
        "json_str({a:1})",
        "extend_list(1)",
    ),
    *("${seed}", "${battery.power_mw}", "${battery}", "${nothing}", "${oc.env:NOT_THERE}", "${oc.select:nothing,1}"),
    *(
        "${short_id:}",
        "${now:%Y}",
        "${hydra:job.num}",
        "${sweep_name:[]}",
        "${",
        "${}",
        "$",
        "${a:",
        "\\${seed}",
        "???",
    ),
    *(
        "'",
        '"',
        "'a",
        '"a',
        "[1",
        "1]",
        "{a",
        "a}",
        "(",
        ")",
        "a b",
        " ",
        "\t",
        "a\nb",
        "\\",
        "\\\\",
        "a:b",
        "a=b",
        "==",
        "@",
    ),
)
TEXTS = (
    *(
        "é",
        "日本語",
        "x" * 300,
        "x" * 5000,
        "../..",
        "nowhere/x.csv",
        ".",
        "/dev/null",
        "/dev/null/x",
        "~nobody/x",
        "~",
    ),
    *(
        "*",
        "**/*",
        "[a-",
        "file://x",
        "s3://x/y",
        "http://[",
        "http://x:99999",
        "sqlite:///",
        "sqlite:///x/y",
        "\x7f",
        "\u200b",
    ),
    *(
        "os.system",
        "builtins.dict",
        "battery_lab",
        "battery_lab.nothing",
        "battery_lab.algos.ppo.PPO",
        ".",
        "..x",
        "a.b.c",
    ),
    *(
        "battery_lab.envs.battery.physics.Battery",
        "-",
        "--",
        "-x",
        "#",
        "%",
        "%s",
        "{0}",
        "a/b",
        "C:\\x",
        "Europe/Berlin",
        "EUR",
    ),
)


def any_value(random: Random, default: Any) -> str:
    """Return a value as it is typed: near the default, extreme, of another type, or of Hydra's syntax."""
    kind = random.random()
    if kind < 0.3:
        return near(random, default)
    if kind < 0.6:
        return random.choice(EXTREME_NUMBERS)
    return random.choice(random.choice((OTHER_TYPES, OTHER_TYPES, SYNTAX, TEXTS)))


def near(random: Random, default: Any) -> str:
    """Return a value of the default's type."""
    if isinstance(default, bool):
        return random.choice(("true", "false"))
    if isinstance(default, int | float):
        factor = random.choice((-1, 0, 0.001, 0.5, 0.9, 1, 1.1, 2, 10, 1000, 1e6))
        value = default * factor + random.choice((0, 0, 0, 1, -1, 1e-9))
        return str(int(value)) if isinstance(default, int) and random.random() < 0.8 else repr(float(value))
    if isinstance(default, list):
        items = [near(random, item) for item in default] or ["1"]
        random.shuffle(items)
        return f"[{','.join(items[: random.choice((0, 1, 2, len(items)))])}]"
    if isinstance(default, dict):
        return f"{{{','.join(f'{key}:{near(random, value)}' for key, value in default.items())}}}"
    text = str(default) if default is not None else random.choice(("VIC1", "x", "5", "null"))
    return misspelt(random, text) if random.random() < 0.5 else text


def misspelt(random: Random, word: str) -> str:
    """Return a word with one error of typing."""
    if not word:
        return "x"
    place = random.randrange(len(word))
    before, letter, after = word[:place], word[place], word[place + 1 :]
    return random.choice(
        (
            before + after,
            before + letter * 2 + after,
            before + letter.swapcase() + after,
            before + random.choice("abcxyz019_.-/:@ ") + after,
            before + after[:1] + letter + after[1:],
        )
    )
