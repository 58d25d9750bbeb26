"""Command line of the emulator: ``sagemaker-emulator --work DIR`` or ``python -m sagemaker_emulator --work DIR``."""

from __future__ import annotations

import argparse
from pathlib import Path

import sagemaker_emulator
from sagemaker_emulator.options_and_credentials import Options
from sagemaker_emulator.server import serve
from sagemaker_emulator.training.host import namespaces_work


def main() -> None:
    """Run the emulator."""
    parser = _parser()
    arguments = vars(parser.parse_args())
    work, port, with_parent = arguments.pop("work"), arguments.pop("port"), arguments.pop("with_parent")
    if arguments["isolation"] == "namespaces" and (reason := namespaces_work()):
        parser.error(f"--isolation namespaces: {reason}")
    for name, convert in (("quota", int), ("rates", float)):
        arguments[name] = {key: convert(number) for key, number in arguments[name]}
    if not arguments["rates"]:
        del arguments["rates"]
    serve(Options(**arguments), work, port, with_parent=with_parent)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sagemaker_emulator",
        description="Amazon SageMaker training jobs on this machine, for tests.",
        epilog=sagemaker_emulator.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Options()
    add = parser.add_argument
    add("--work", type=Path, required=True, metavar="DIR", help="folder of the emulator, with its address.json")
    add("--port", type=int, default=0, help="port on 127.0.0.1; 0, the default, takes any free port")
    add("--region", default=default.region, help="region of clients that name none (%(default)s)")
    add("--isolation", choices=["plain", "namespaces"], default=default.isolation, help=_ISOLATION)
    add("--quota", nargs="+", type=_pair, default=[], metavar="TYPE=INSTANCES", help="limits of running instances")
    add("--spot-discount", type=float, default=default.spot_discount, help="fraction that spot saves (%(default)s)")
    add("--rates", nargs="+", type=_pair, default=[], metavar="OPERATION=PER_SECOND", help="(ListTrainingJobs=2)")
    add("--idle", type=float, metavar="SECONDS", help="exit after this time without jobs and requests (never)")
    add("--upload-every", type=float, default=default.upload_every, help="seconds, for checkpoints (%(default)s)")
    add("--grace", type=float, default=default.grace, help="seconds from SIGTERM to SIGKILL (%(default)s)")
    add("--with-parent", action="store_true", help="exit at the end of standard input")
    return parser


_ISOLATION = "of hosts: by folders (plain, one host per job), or by namespaces with a real /opt/ml and host names"


def _pair(text: str) -> tuple[str, str]:
    name, equals, number = text.rpartition("=")
    if not equals or not name:
        raise argparse.ArgumentTypeError(f"must be NAME=NUMBER, not {text!r}")
    try:
        float(number)
    except ValueError:
        raise argparse.ArgumentTypeError(f"must be NAME=NUMBER, not {text!r}") from None
    return name, number


if __name__ == "__main__":
    main()
