"""Bid and audit world: a battery world that also makes bid sheets, and audits what decisions depend on."""

from __future__ import annotations

from collections.abc import Callable

from battery_lab.envs.audit_interface import AuditCheck, Decide
from battery_lab.envs.battery.battery_world import BatteryWorld
from battery_lab.envs.battery.bid_sheet import BidDesk
from battery_lab.envs.battery.cycle_caps import shares_before
from battery_lab.envs.battery.dispatch_result import Dispatch
from battery_lab.envs.battery.function_audit import FunctionAudit
from battery_lab.envs.battery.parallel_stretches import run_policy
from battery_lab.envs.battery.policy_audit import PolicyAudit
from battery_lab.envs.bidding_interface import BidRequest, BidSheet
from battery_lab.envs.interfaces import Actor, Evaluation


class BidAndAuditWorld(BatteryWorld):
    """A ``BatteryWorld`` that is a ``BiddingWorld`` and an ``AuditableWorld``."""

    def bid_sheet(self, actor: Actor, request: BidRequest) -> BidSheet:
        """Return a policy's bid and offer for one interval; see ``BiddingWorld``."""
        desk = BidDesk(
            series=self._series,
            battery=self._option.battery,
            observation=self._option.observation,
            scaling=self._scaling,
            actions=self._actions,
            price_lag=self._lag,
            history=self._warm_up,
        )
        return desk.sheet(actor, request)

    def audit(self, actor: Actor, period: str, *, moments: int, seed: int) -> list[AuditCheck]:
        """Check that a policy uses only what is known; see ``AuditableWorld``."""
        problem = self.problem(period)
        requests, _ = run_policy(problem, actor, self._observer, self._actions)
        done = Dispatch.replay(problem, requests).transition
        audit = PolicyAudit(
            problem=problem,
            actor=actor,
            actions=self._actions,
            observer_of=lambda piece: self._observer if piece is self._series else self._build_observer(piece),
            look_back=self._warm_up,
            energy_mwh=done.energy_mwh,
            left=shares_before(done.power_mw * done.interval_h, problem.allowance, problem.elapsed),
        )
        return [audit.check(moments, seed)]

    def audit_function(
        self, make: Callable[[], Decide], name: str, period: str, *, moments: int, seed: int
    ) -> tuple[dict[str, Evaluation], list[AuditCheck]]:
        """Run another program's decisions through a period and check them; see ``AuditableWorld``."""
        problem = self.problem(period)
        audit = FunctionAudit(problem=problem, make=make)
        run = audit.run()
        dispatch = Dispatch.replay(problem, run.request_mw, name)
        evaluation = Evaluation(metrics=dispatch.metrics(), frame=dispatch.frame())
        checks = audit.check(run, dispatch.transition.energy_mwh, moments, seed)
        return {name: evaluation} | self.baselines(period, (self.optimum, self.rule)), checks
