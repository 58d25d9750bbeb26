"""Bid curves: exact policy gradients for a price taker that bids, without sampled actions and without RLlib.

A network maps market features to bid and offer prices at knots over the state of charge. Prices do not depend on
actions, so dynamic programming along the training prices gives the exact gradient of the expected reward. This is
hindsight learning (Sinclair et al. 2022, arXiv 2207.06272) by hindsight-differentiable policy optimization (Alvo et al.
2023, arXiv 2306.11246) for an exogenous input process (Mao et al. 2019, arXiv 1807.02264). The curves are storage value
curves in the sense of Zheng et al. (2022, arXiv 2211.07797), but learned by what they earn.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

from pydantic import Field

from battery_lab.algos.bid_curve_learner import BidCurveLearner
from battery_lab.algos.interfaces import Setup
from battery_lab.common.errors import require
from battery_lab.common.validated_options import MOST_STEPS, Highest, Int, Rule, Unit, options


@options("algo")
class BidCurves:
    """The option ``algo=bid_curves``.

    Attributes:
        gamma: discount per interval; 1, as dynamic programming along a price path needs no discount.
        knots: knots of a curve over the state of charge.
        levels: levels of stored energy of the dynamic programme.
        slice_intervals: length of the slices that the training period is cut into, at most.
        batch_slices: slices per gradient step.
        sharpness: sharpness of the softened dispatch at the start, per standard deviation of the scaled prices.
        sharpness_end: sharpness at the end of the budget; geometric in between.
        uniform_share: share of a uniform occupancy in the gradient, so that states that the policy rarely visits
            also learn.
        lr: learning rate of AdamW at the start.
        lr_end: learning rate at the end of the budget; linear in between.
        weight_decay: weight decay of AdamW.
        grad_clip: largest norm of the gradient.
        num_workers: threads that share the slices of a gradient step. Another number rounds sums differently.
    """

    gamma: Annotated[float, Field(ge=1, le=1), Rule("1, as exact gradients need no discount")]
    knots: Annotated[Int, Field(ge=2, le=100)]
    levels: Annotated[Int, Field(ge=2, le=2000)]
    slice_intervals: Annotated[Int, Field(ge=2), Highest(10_000_000), Unit("intervals")]
    batch_slices: Annotated[Int, Field(ge=1), Highest(100_000), Unit("slices")]
    sharpness: Annotated[float, Field(gt=0), Highest(1_000_000)]
    sharpness_end: Annotated[float, Field(gt=0), Highest(1_000_000)]
    uniform_share: Annotated[float, Field(ge=0, le=1)]
    lr: Annotated[float, Field(gt=0), Highest(1000)]
    lr_end: Annotated[float, Field(ge=0), Highest(1000)]
    weight_decay: Annotated[float, Field(ge=0), Highest(1000)]
    grad_clip: Annotated[float, Field(gt=0), Highest(MOST_STEPS)]
    num_workers: Annotated[Int, Field(ge=1, le=1024), Unit("threads")]

    def __post_init__(self) -> None:
        rule = f"must be at most algo.batch_slices = {self.batch_slices}, as each worker needs a slice"
        require(self.num_workers <= self.batch_slices, "algo.num_workers", rule, self.num_workers)

    @property
    def action_kinds(self) -> Sequence[str]:
        """Discrete and continuous: a known price makes a direction of a bid curve; bids are continuous."""
        return ("discrete", "continuous")

    def learner(self, setup: Setup) -> BidCurveLearner:
        """Return a learner that is ready to train.

        Raises:
            ConfigError: the environment is no price taker's.
        """
        return BidCurveLearner(self, setup)
