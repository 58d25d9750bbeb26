"""Look-ahead audit: shows that the decisions of a stored policy, or of another program, use known values only."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console

from battery_lab import report
from battery_lab.common.atomic_write import atomic_write
from battery_lab.common.errors import ConfigError
from battery_lab.common.run_folder import RunFolder, finite_or_null
from battery_lab.envs.audit_interface import AuditableWorld, AuditCheck, Decide
from battery_lab.envs.interfaces import Environment, World, known_when
from battery_lab.experiment.experiment import Experiment
from battery_lab.experiment.policy_metrics import table, with_shares
from battery_lab.experiment.reevaluate import open_stored_policy


@dataclass(frozen=True, kw_only=True)
class Audit:
    """What was compared, and what came of it.

    Attributes:
        policy: what was audited: the name of a policy, or of a function.
        period: ``validation`` or ``test``.
        moments: number of random moments that were requested.
        seed: seed of the moments and of the changed values.
        known: what was known when a decision was made; empty if the environment does not say.
        checks: the comparisons.
        data: hash of the data and of their split by time.
        env_steps: environment steps of the policy's training, which tell whether the run has trained on since; None
            for a function.
        metrics: metrics of a function in the period; empty for a policy, as they would be a use of the test period.
    """

    policy: str
    period: str
    moments: int
    seed: int
    known: str
    checks: Sequence[AuditCheck]
    data: str
    env_steps: int | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    @property
    def passed(self) -> bool:
        """Whether all checks passed."""
        return all(check.passed for check in self.checks)

    @property
    def text(self) -> str:
        """The result in a few lines."""
        head = f"{self.policy} in the {self.period} period{f', {self.known}' if self.known else ''}"
        return "\n".join([head, *(_in_words(check) for check in self.checks), "passed" if self.passed else "failed"])

    def write(self, folder: Path, choices: Mapping[str, str]) -> Path:
        """Write ``audit.json``.

        Args:
            folder: the run folder, or another one, which is created if missing.
            choices: the overrides of the audit.
        """
        content = {
            **asdict(self),
            "passed": self.passed,
            "checks": [_as_json(check) for check in self.checks],
            "metrics": finite_or_null(self.metrics),
            "choices": dict(choices),
            "time": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        folder.mkdir(parents=True, exist_ok=True)
        atomic_write(RunFolder(folder).audit, json.dumps(content, indent=1))
        return RunFolder(folder).audit


def audit_policy(experiment: Experiment, run: Path, period: str, moments: int, seed: int, console: Console) -> Audit:
    """Audit the policy of a run.

    Args:
        experiment: the experiment of the run, or one with other data or another environment of the same shape.
        run: the run folder.
        period: ``validation`` or ``test``.
        moments: number of random moments.
        seed: seed of the moments and of the changed values.
        console: shows what takes time.

    Raises:
        LabError: the policy does not fit the environment, the data are invalid, or the environment has no audit.
    """
    with console.status("loading the data"):
        world, policy = open_stored_policy(experiment, run)
    with console.status(f"deciding again before {moments} moments"):
        checks = _auditable(world).audit(policy, period, moments=moments, seed=seed)
    return Audit(
        policy=experiment.name,
        period=period,
        moments=moments,
        seed=seed,
        known=known_when(world)[0],
        checks=checks,
        data=world.digest,
        env_steps=policy.env_steps,
    )


def audit_function(
    env: Environment, make: Callable[[], Decide], name: str, period: str, moments: int, seed: int, console: Console
) -> Audit:
    """Run another program's decisions through a period of an environment, print their metrics and audit them.

    Args:
        env: the environment.
        make: returns the function, in its first state.
        name: its name in the table.
        period: ``validation`` or ``test``.
        moments: number of random moments.
        seed: seed of the moments and of the changed values.
        console: prints the table.

    Raises:
        LabError: the function fails, the data are invalid, or the environment has no audit.
    """
    with console.status("loading the data"):
        world = env.open(env.offers[0])
    # No spinner: its thread must not run while the audit copies this process.
    if console.is_terminal:
        console.print(f"deciding every interval of the {period} period, and again before {moments} moments")
    evaluations, checks = _auditable(world).audit_function(make, name, period, moments=moments, seed=seed)
    shares = with_shares(world, evaluations)
    console.print(report.render_table(table(shares, world.score), world, period))
    return Audit(
        policy=name,
        period=period,
        moments=moments,
        seed=seed,
        known=known_when(world)[0],
        checks=checks,
        data=world.digest,
        metrics=shares[name],
    )


def _auditable(world: World) -> AuditableWorld:
    if not isinstance(world, AuditableWorld):
        raise ConfigError(
            f"env must be one that can be audited, and {type(world).__name__} cannot: implement AuditableWorld of "
            "battery_lab/envs/audit_interface.py"
        )
    return world


def _as_json(check: AuditCheck) -> dict[str, Any]:
    content = {**asdict(check), "passed": check.passed}
    return {key: value for key, value in content.items() if key != "finding" or not check.passed}


def _in_words(check: AuditCheck) -> str:
    """Return one line about a check, and one about what it found if it failed."""
    moved = f"{check.moved:,} moved" if check.moved else "none moved"
    may = f" (up to {check.tolerated:.0%} may)" if check.tolerated else ""
    first = f", first at {', '.join(check.first)}" if check.first else ""
    compared = f"{check.decisions:,} decisions compared, {moved}{may}{first}"
    line = f"- {check.change}: {compared if check.decisions else 'no decision to compare'}"
    if check.passed:
        return line
    return f"{line}\n  {check.finding}{f' ({check.error})' if check.error else ''}"
