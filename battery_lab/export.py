"""`python -m battery_lab.export run=<folder>`: export the policy of a run, to be used without what trained it.

    python -m battery_lab.export run=outputs/runs/<run>
    python -m battery_lab.export run=outputs/runs/<run> to=<folder>

Writes model.onnx, a graph from observations to actions that any runtime of ONNX can run, and model.json, which says
what their numbers mean; into <run>/model if not told otherwise. That the graph acts as the network does is checked.
`python -m battery_lab.serve model=<run>` serves it.
"""

from __future__ import annotations

from pathlib import Path

from battery_lab.command import command, folder_in, keyed
from battery_lab.compose import build_part, resolve
from battery_lab.errors import ConfigError
from battery_lab.stored import trial
from battery_lab.targets import check_targets, quiet

MODEL = "model"


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    command(export, __doc__, arguments)


def export(arguments: list[str]) -> Path:
    """Export the policy of a run and return where it is.

    Raises:
        LabError: there is no such run, it has no policy yet, or its network cannot be exported.
    """
    chosen = keyed(arguments, ("run", "to"))
    if not chosen.get("run"):
        raise ConfigError("run=<folder> must name the folder of a run, for instance run=outputs/runs/<run>")
    run = folder_in(chosen["run"])
    folder = folder_in(chosen["to"]) if chosen.get("to") else run / MODEL
    config = trial(run, [])
    plain = resolve(config)
    check_targets({"network": plain["network"]})
    network, name = build_part(config, "network"), plain["algo"]["_target_"].rpartition(".")[2].lower()
    with quiet():
        from battery_lab.serving.export import export_policy

        about = export_policy(run / "policy", network, name, folder)
    print(
        f"exported to {folder}: {len(about.observation)} numbers in, {about.kind} actions out; "
        f"serve it with: python -m battery_lab.serve model={folder}"
    )
    return folder


if __name__ == "__main__":
    main()
