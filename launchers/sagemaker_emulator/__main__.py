"""The command: ``python -m sagemaker_emulator --work DIR``."""

from __future__ import annotations

import argparse
from pathlib import Path

import sagemaker_emulator
from sagemaker_emulator.server import serve
from sagemaker_emulator.training.host import namespaces_work
from sagemaker_emulator.training.machine import Options


def main() -> None:
    """Start the emulator as the command line says."""
    parser = _parser()
    given = vars(parser.parse_args())
    work, port, with_parent = given.pop("work"), given.pop("port"), given.pop("with_parent")
    if given["isolation"] == "namespaces" and (reason := namespaces_work()):
        parser.error(f"--isolation namespaces: {reason}")
    for name, convert in (("quota", int), ("rates", float)):
        given[name] = {key: convert(number) for key, number in given[name]}
    if not given["rates"]:
        del given["rates"]
    serve(Options(**given), work, port, with_parent=with_parent)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sagemaker_emulator",
        description="Amazon SageMaker's training on this machine, for tests.",
        epilog=sagemaker_emulator.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    default = Options()
    add = parser.add_argument
    add("--work", type=Path, required=True, metavar="DIR", help="its folder; address.json there says where it is")
    add("--port", type=int, default=0, help="of 127.0.0.1; 0, the default: any that is free")
    add("--region", default=default.region, help="of those who name none (%(default)s)")
    add("--isolation", choices=["plain", "namespaces"], default=default.isolation, help=_ISOLATION)
    add("--quota", nargs="+", type=_pair, default=[], metavar="TYPE=INSTANCES", help="instances at once, by type")
    add("--spot-discount", type=float, default=default.spot_discount, help="fraction that spot saves (%(default)s)")
    add("--rates", nargs="+", type=_pair, default=[], metavar="OPERATION=PER_SECOND", help="(ListTrainingJobs=2)")
    add("--idle", type=float, metavar="SECONDS", help="end after so long without a job or a request (never)")
    add("--upload-every", type=float, default=default.upload_every, help="seconds, for checkpoints (%(default)s)")
    add("--grace", type=float, default=default.grace, help="seconds from SIGTERM to SIGKILL (%(default)s)")
    add("--with-parent", action="store_true", help="end at the end of standard input")
    return parser


_ISOLATION = (
    "of hosts: folders of their own (plain, one host a job), or a real /opt/ml, names and processes (namespaces)"
)


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
