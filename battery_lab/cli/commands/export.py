"""battery-lab export: export the policy of a run to ONNX, for use without the lab.

    battery-lab export run=outputs/runs/<run>
    battery-lab export run=outputs/runs/<run> to=<folder>

Writes model.onnx, a graph from observations to actions for any ONNX runtime, and model.json, which describes its inputs
and outputs; by default into <run>/model. The export checks that the graph acts as the network does.
`battery-lab serve model=<run>` serves it.
"""

from __future__ import annotations

import shlex
from pathlib import Path

from battery_lab.cli.subcommand_arguments import folder, key_values, run_folder
from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder
from battery_lab.config.build import algo_name, build_part, resolve
from battery_lab.config.quiet_imports import quiet_imports
from battery_lab.config.stored_trial import trial


def main(arguments: list[str]) -> Path:
    """Export the policy of a run and return its folder.

    Raises:
        LabError: there is no such run, it has no policy yet, or the policy cannot be exported.
    """
    chosen = key_values(arguments, ("run", "to"))
    run = run_folder(chosen)
    target = folder(chosen["to"]) if "to" in chosen else RunFolder(run).model
    if chosen.get("to") == "" or (target.exists() and not target.is_dir()):
        raise ConfigError(f"to={chosen.get('to')} must name a folder, which is made if missing: choose another")
    config = trial(run, [])
    resolve(config)
    with quiet_imports():
        from battery_lab.policies.onnx_export import export_policy

        network, env = build_part(config, "network"), build_part(config, "env")
        about = export_policy(RunFolder(run).policy, network, env, algo_name(config) or "policy", target)
    print(
        f"exported to {target}: {len(about.observation)} numbers in, {about.kind} actions out; "
        f"serve it with: battery-lab serve model={shlex.quote(str(target if 'to' in chosen else run))}"
    )
    return target
