"""`battery-lab export run=<folder>`: export the policy of a run, to be used without what trained it.

    battery-lab export run=outputs/runs/<run>
    battery-lab export run=outputs/runs/<run> to=<folder>

Writes model.onnx, a graph from observations to actions that any runtime of ONNX can run, and model.json, which says
what their numbers mean; into <run>/model if not told otherwise. That the graph acts as the network does is checked.
`battery-lab serve model=<run>` serves it.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from battery_lab.cli.runner import command, folder_in, keyed
from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.compose import algo_name, build_part, resolve
from battery_lab.config.stored_trial import trial
from battery_lab.config.validation import check_targets, quiet


def main(arguments: list[str] | None = None) -> None:
    """Run the command."""
    command(export, __doc__, arguments)


def export(arguments: list[str]) -> Path:
    """Export the policy of a run and return where it is.

    Raises:
        LabError: there is no such run, it has no policy yet, or that cannot be exported.
    """
    chosen = keyed(arguments, ("run", "to"))
    if not chosen.get("run"):
        raise ConfigError("run=<folder> must name the folder of a run, for instance run=outputs/runs/<run>")
    run = folder_in(chosen["run"])
    folder = folder_in(chosen["to"]) if "to" in chosen else RunFolder(run).model
    if chosen.get("to") == "" or (folder.exists() and not folder.is_dir()):
        raise ConfigError(f"to={chosen.get('to')} must name a folder, which is made if missing: choose another")
    config = trial(run, [])
    plain = resolve(config)
    check_targets({name: plain[name] for name in ("network", "env")})
    with quiet():
        from battery_lab.policies.onnx_export import export_policy

        network, env = build_part(config, "network"), build_part(config, "env")
        about = export_policy(RunFolder(run).policy, network, env, algo_name(config) or "policy", folder)
    print(
        f"exported to {folder}: {len(about.observation)} numbers in, {about.kind} actions out; "
        f"serve it with: battery-lab serve model={shlex.quote(str(folder if 'to' in chosen else run))}"
    )
    return folder


if __name__ == "__main__":
    main()
