"""Bid curve learner: minibatches of slices of the training period, exact gradients, AdamW."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from battery_lab.algos import bid_curve_checkpoint
from battery_lab.algos.annealing import Annealing
from battery_lab.algos.functional_adamw import AdamWState, adamw_step
from battery_lab.algos.interfaces import Iteration, Setup
from battery_lab.common.errors import ConfigError, diverged
from battery_lab.common.memory_limit import refuse_beyond_memory
from battery_lab.envs.bidding_interface import SliceGradient
from battery_lab.policies.bid_curve_network import BidCurveNetwork, CurveSpec
from battery_lab.policies.policy import Policy

if TYPE_CHECKING:
    from battery_lab.algos.bid_curves import BidCurves

NUMBERS_PER_LEVEL = 7  # of each interval of a slice: rewards of three moves, their probabilities and a value
BATCHES_PER_PASS = 4  # at least, by shorter slices


class _Share(NamedTuple):
    """What a worker computed for its slices of a batch."""

    gradients: tuple[Tensor, ...]
    solutions: list[SliceGradient]


class BidCurveLearner:
    """Trains bid curves; see ``Learner`` in ``algos/interfaces.py``.

    The training period is cut into slices. A gradient step takes a random batch of them, each slice once per pass. The
    value at the end of a slice is that at the start of the next slice, and its first occupancy that at the end of the
    one before, both from the last time that these were solved. No slice contains a gap of the series.
    """

    def __init__(self, options: BidCurves, setup: Setup) -> None:
        """Build the network and cut the training period into slices.

        Raises:
            ConfigError: the environment is no price taker's, or its bids are discrete.
        """
        if setup.bidding_problem is None:
            raise ConfigError("algo=bid_curves needs an environment whose prices do not depend on actions: env=battery")
        self._options, self._setup = options, setup
        self.problem = setup.bidding_problem(options.levels, options.knots)
        if self.problem.price_number is None and setup.actions != "continuous":
            raise ConfigError("algo=bid_curves cannot choose among discrete bids: let env offer continuous ones")
        missing = np.diff(self.problem.rows) - 1
        cuts = (np.flatnonzero(missing) + 1).tolist()
        self._parts = slices(len(self.problem.rows), options.slice_intervals, options.batch_slices, cuts)
        longest = max(part.stop - part.start for part in self._parts)
        needed = NUMBERS_PER_LEVEL * 8.0 * longest * options.levels * options.num_workers
        content = f"a slice of {longest:,} intervals for each of algo.num_workers = {options.num_workers}"
        refuse_beyond_memory("algo.levels", options.levels, needed, content)
        # The length of the gap before each slice.
        self.gaps = [0, *(int(missing[part.start - 1]) for part in self._parts[1:])]
        self._price_mean = float(self.problem.scaled_price.mean())
        self._price_std = max(float(self.problem.scaled_price.std()), 1e-9)
        spec = CurveSpec(
            knots=options.knots,
            state_numbers=self.problem.state_numbers,
            price_number=self.problem.price_number,
            planned_number=self.problem.planned.first if self.problem.planned else None,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(setup.seed)
            encoder = setup.network.encoder(setup.layout)
            self.network = BidCurveNetwork(encoder, setup.network.out_features, spec)
        self._start()
        self._parameters = list(self.network.parameters())
        self.optimizer = AdamWState.zero(self._parameters)
        self.random = np.random.default_rng(setup.seed)
        value, occupancy = self.problem.first_values()
        self.value_end, self.occupancy_start = (np.tile(x, (len(self._parts), 1)) for x in (value, occupancy))
        self.env_steps, self.waiting = 0, np.empty(0, np.int64)
        self.annealed = {
            "lr": Annealing.over(setup.env_steps, options.lr, options.lr_end),
            "sharpness": Annealing.over(setup.env_steps, options.sharpness, options.sharpness_end, is_geometric=True),
        }
        self._pool = ThreadPoolExecutor(options.num_workers) if options.num_workers > 1 else None

    def _start(self) -> None:
        """Start with the bids of the plan, or with flat curves: the bid below and the offer above the mean price."""
        knots, head, planned = self._options.knots, self.network.head, self.problem.planned
        with torch.no_grad():
            head.weight.mul_(0.1)
            head.bias[:knots], head.bias[knots:] = -0.3, 0.3
            if planned:
                head.weight.mul_(0.1)
                head.bias.zero_()
                scale, shift = planned.scale / self._price_std, (planned.shift - self._price_mean) / self._price_std
                self.network.get_buffer("planned_scale").copy_(torch.from_numpy(scale))
                self.network.get_buffer("planned_shift").copy_(torch.from_numpy(shift))

    def is_waiting(self) -> bool:
        """Return False: nothing runs in the background."""
        return False

    def train(self) -> Iteration:
        """Take one gradient step."""
        options = self._options
        sharpness, lr = (self.annealed[name].at(self.env_steps) for name in ("sharpness", "lr"))
        batch = self._next_batch()
        shares = [share.tolist() for share in np.array_split(batch, options.num_workers) if len(share)]

        def solve(number: int) -> _Share:
            return self._solve(shares[number], sharpness / self._price_std)

        numbers = range(len(shares))
        results = list(self._pool.map(solve, numbers) if self._pool else map(solve, numbers))
        norm = self._step(results, sum(len(self._rows(k)) for k in batch), lr)
        reward, rows = self._carry_over(batch, [solution for share in results for solution in share.solutions])
        self.env_steps += rows
        metrics = {"train/reward_mean": reward / rows, "learner/gradient_norm": norm, "learner/sharpness": sharpness}
        return Iteration(self.env_steps, metrics)

    def _next_batch(self) -> NDArray[np.int64]:
        """Return the next slices in the random order of this pass."""
        if len(self.waiting) == 0:
            self.waiting = self.random.permutation(len(self._parts))
        batch, self.waiting = np.split(self.waiting, [self._options.batch_slices])
        return batch

    def _rows(self, place: int) -> NDArray[np.int64]:
        return self.problem.rows[self._parts[place]]

    def _solve(self, places: Sequence[int], sharpness: float) -> _Share:
        """Return the gradient of the loss of some slices: minus the reward per day, summed over their intervals."""
        rows = np.concatenate([self._rows(place) for place in places])
        out = self._scaled_curves(torch.from_numpy(self.problem.observations(rows)))
        curves = out.detach().numpy().astype(np.float64)
        if not np.isfinite(curves).all():
            raise diverged("its bid curves", "algo.lr")
        ends = np.cumsum([len(self._rows(place)) for place in places])
        towards, solutions = np.empty_like(curves), []
        for place, end in zip(places, ends, strict=True):
            own = slice(end - len(self._rows(place)), end)
            solution = self.problem.gradient(
                self._parts[place],
                curves[own, 0],
                curves[own, 1],
                sharpness=sharpness,
                value_end=self.value_end[place],
                occupancy_start=self.occupancy_start[place],
                uniform_share=self._options.uniform_share,
            )
            towards[own, 0], towards[own, 1] = solution.bid_gradient, solution.offer_gradient
            solutions.append(solution)
        # The sum has the gradient of the loss. (Without it, autograd.grad would import sympy, which takes 3 s.)
        loss = (out * torch.from_numpy((-self.problem.intervals_per_day * towards).astype(np.float32))).sum()
        return _Share(torch.autograd.grad(loss, self._parameters), solutions)

    def _scaled_curves(self, observation: Tensor) -> Tensor:
        """Return (N, 2, M) bids and offers on the scale of the problem's prices."""
        return self.network.curves(observation) * self._price_std + self._price_mean

    def _step(self, shares: Sequence[_Share], rows: int, lr: float) -> float:
        """Take a gradient step, and return the norm of the gradient."""
        options = self._options
        parts = zip(*(share.gradients for share in shares), strict=True)
        gradients = [torch.stack(part).sum(dim=0) / rows for part in parts]
        norm = float(torch.nn.utils.get_total_norm(gradients))
        gradients = [gradient * min(options.grad_clip / (norm + 1e-6), 1.0) for gradient in gradients]
        adamw_step(self._parameters, gradients, self.optimizer, lr=lr, weight_decay=options.weight_decay)
        return norm

    def _carry_over(self, batch: NDArray[np.int64], solutions: Sequence[SliceGradient]) -> tuple[float, int]:
        """Hand values to the slices before and occupancies to the slices after; return the reward and the rows."""
        reward, rows = 0.0, 0
        # First the reward of all, as it is relative to the values that they were solved with.
        for place, solution in zip(batch, solutions, strict=True):
            reward += solution.value - float(solution.occupancy_end @ self.value_end[place])
            rows += len(self._rows(place))
        for place, solution in zip(batch, solutions, strict=True):
            if place > 0:
                gap, value = self.gaps[place], solution.value_start
                value = self.problem.value_over_gap(value, gap) if gap else value
                # Only differences matter; a year's value in each number would cost precision.
                self.value_end[place - 1] = value - value.mean()
            if place + 1 < len(self._parts):
                gap, occupancy = self.gaps[place + 1], solution.occupancy_end
                self.occupancy_start[place + 1] = self.problem.occupancy_over_gap(occupancy, gap) if gap else occupancy
        return reward, rows

    def policy(self, env_steps: int) -> Policy:
        """Return a copy of the policy, whose curves are on the scale of the prices."""
        setup = self._setup
        network = BidCurveNetwork(setup.network.encoder(setup.layout), setup.network.out_features, self.network.spec)
        network.load_state_dict(self.network.state_dict())
        with torch.no_grad():
            network.head.weight.mul_(self._price_std)
            network.head.bias.mul_(self._price_std).add_(self._price_mean)
            if network.spec.planned_number is not None:
                network.get_buffer("planned_scale").mul_(self._price_std)
                network.get_buffer("planned_shift").mul_(self._price_std)
        return Policy(
            network=network.eval(),
            decision="clipped_mean" if self.problem.price_number is None else "cleared",
            actions=setup.actions,
            layout=setup.layout,
            action=setup.action,
            observation_state=setup.observation_state,
            env_steps=env_steps,
        )

    def save(self, folder: Path, previous: Path | None) -> None:
        """Write network, optimizer, values, occupancies and random state, without pickle."""
        bid_curve_checkpoint.save(self, folder)

    def restore(self, folder: Path) -> None:
        """Restore what ``save`` wrote."""
        bid_curve_checkpoint.restore(self, folder)

    def stop(self) -> None:
        """End the threads."""
        if self._pool:
            self._pool.shutdown()


def slices(rows: int, longest: int, batch: int, cuts: Sequence[int] = ()) -> list[slice]:
    """Cut ``rows`` intervals into slices, at most ``longest`` and enough for several batches.

    Args:
        rows: number of intervals.
        longest: largest length of a slice.
        batch: slices per gradient step.
        cuts: rising numbers of intervals that must be the first ones of a slice. Between two cuts, slices have almost
            equal length.
    """
    wanted, parts = min(BATCHES_PER_PASS * batch, rows // 2), []
    for first, end in pairwise([0, *cuts, rows]):
        length = end - first
        count = max(-(-length // longest), min(-(-wanted * length // rows), length // 2))
        edges = np.linspace(first, end, count + 1).round().astype(int).tolist()
        parts += [slice(*edge) for edge in pairwise(edges)]
    return parts
