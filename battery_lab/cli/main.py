"""The entry of `battery-lab`: it finds the subcommands in `commands` and runs the one that is named.

A subcommand is one file in ``commands``. Its docstring is its help, and its function ``main`` takes the arguments as
they were typed. The file is imported only when the subcommand runs, so that help is quick. A folder in ``commands`` is
a subcommand with subcommands.
"""

from __future__ import annotations

import ast
import difflib
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import click

from battery_lab.cli import shell_completion
from battery_lab.cli.exit_on_error import exit_with_message
from battery_lab.cli.subcommand_arguments import check_credentials, check_digits
from battery_lab.cli.train_help import train_help
from battery_lab.common.errors import ConfigError
from battery_lab.common.garbage_collection import exit_without_collection, postponed_collection

NAME, DEFAULT = "battery-lab", "train"
COMMANDS, MODULE = Path(__file__).with_name("commands"), "battery_lab.cli.commands"
HELP = (["--help"], ["-h"])


class FileCommand(click.Command):
    """A subcommand that is a file: its docstring is its help, and its ``main`` reads the arguments."""

    def __init__(self, path: Path, module: str) -> None:
        help_text = read_help(path)
        super().__init__(path.stem, help=help_text, short_help=summary(help_text), add_help_option=False)
        self.module = module

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ctx.args = args
        return args

    def invoke(self, ctx: click.Context) -> None:
        # Hydra shows the help of train if something is chosen, as the options depend on it.
        if self.name == DEFAULT and ctx.args in HELP:
            click.echo(train_help())
            return
        if self.name != DEFAULT and (not ctx.args or {"-h", "--help"} & set(ctx.args)):
            click.echo(self.help, err=not ctx.args)
            ctx.exit(0 if ctx.args else 2)
        check_credentials(ctx.args)
        check_digits(ctx.args)
        with postponed_collection():
            command = import_module(self.module)
        command.main(ctx.args)


class FolderGroup(click.Group):
    """A subcommand that is a folder: its files are subcommands, and the docstring of the folder is its help."""

    def __init__(self, folder: Path, module: str, default: str | None = None) -> None:
        help_text = read_help(folder / "__init__.py")
        super().__init__(folder.name, help=help_text, short_help=summary(help_text))
        self.folder, self.module, self.default = folder, module, default
        self.context_settings = {"help_option_names": ["-h", "--help"], "max_content_width": 120}

    def list_commands(self, ctx: click.Context | None = None) -> list[str]:
        files = (path.stem for path in self.folder.glob("*.py") if path.stem != "__init__")
        return sorted([*files, *(path.parent.name for path in self.folder.glob("*/__init__.py"))])

    def subcommands(self, name: str) -> list[str]:
        """Return the subcommands of a subcommand that is a folder; none for a file."""
        folder = self.folder / name
        return FolderGroup(folder, f"{self.module}.{name}").list_commands() if folder.is_dir() else []

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in self.list_commands():
            return None
        module = f"{self.module}.{cmd_name}"
        path = self.folder / f"{cmd_name}.py"
        return FileCommand(path, module) if path.is_file() else FolderGroup(self.folder / cmd_name, module)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if self.default is None and not args:
            click.echo(ctx.get_help(), err=True)
            ctx.exit(2)
        return super().parse_args(ctx, self._with_command(ctx.command_path, args))

    def _with_command(self, path: str, args: list[str]) -> list[str]:
        """Return arguments that start with a subcommand or ask for help."""
        names = self.list_commands()
        if args in HELP or (args and args[0] in names):
            return args
        if self.default is None and {"-h", "--help"} & set(args):
            return ["--help"]
        if self.default is None or (args and is_word(args[0])):
            close = difflib.get_close_matches(args[0], names, n=1)
            hint = f"; did you mean {path} {close[0]}?" if close else "."
            form = " Overrides are written as key=value." if self.default else ""
            raise ConfigError(f"{args[0]!r} is not a command: {path} has {', '.join(names)}{hint}{form}")
        return [self.default, *args]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        formatter.write(f"{self.help}\n")
        self.format_commands(ctx, formatter)


def program() -> None:
    """Run `battery-lab` as the program of this process, which ends afterwards."""
    exit_without_collection()
    main()


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a command of `battery-lab`.

    Args:
        arguments: None: those of the process.
    """
    args = list(sys.argv[1:] if arguments is None else arguments)
    group = FolderGroup(COMMANDS, MODULE, DEFAULT)
    with exit_with_message():
        if shell_completion.is_query(args):
            commands = {name: group.subcommands(name) for name in group.list_commands()}
            if not shell_completion.complete_commands(commands, args):
                return
        try:
            with group.make_context(NAME, args) as context:
                group.invoke(context)
        except click.exceptions.Exit as end:
            if end.exit_code:
                sys.exit(end.exit_code)


def is_word(argument: str) -> bool:
    """Return whether an argument is neither a flag nor an override."""
    return "=" not in argument and argument[:1] not in "-+~"


def read_help(path: Path) -> str:
    """Return the docstring of a file, which is not imported."""
    return (ast.get_docstring(ast.parse(path.read_text()), clean=False) or "").strip().replace("`", "")


def summary(help_text: str) -> str:
    """Return what the first line of a help text says after the name of the command."""
    return help_text.partition("\n")[0].partition(": ")[2]
