"""Backends: the options of conf/rollout, which move data between environments, replay buffer and learner.

RLlib is imported by the methods: an algorithm without RLlib must not wait seconds for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Protocol

from pydantic import Field

from battery_lab.common.errors import ConfigError
from battery_lab.common.validated_options import MOST_STEPS, Highest, Int, Unit, options

if TYPE_CHECKING:
    from ray.rllib.algorithms.algorithm import Algorithm

    from battery_lab.rllib.backend_parts import Parts

# Compiling pays off in runs of at least this many times the gradient steps before the compiled program takes over.
MIN_COMPILED_RATIO = 1.5


class Backend(Protocol):
    """An option of conf/rollout."""

    def parts(self, algorithm: type[Algorithm], gradient_steps: float) -> Parts:
        """Return the classes for one of RLlib's algorithms that will take ``gradient_steps`` gradient steps."""

    def replay_config(
        self, algorithm: type[Algorithm], *, capacity: int, prioritised: bool, alpha: float, beta: float, seed: int
    ) -> dict[str, Any]:
        """Return RLlib's configuration of the replay buffer of one of its algorithms."""


@options("rollout")
class ArrayBackend:
    """The option ``rollout=array``: whole arrays. Algorithms without an array learner get RLlib's own classes.

    Attributes:
        compile: whether a compiled program computes gradients; needs g++.
        compile_after: gradient steps before the compiled program takes over; it is compiled in the meantime.
        compile_after_off_policy: the same for DQN and SAC, which gain less from it; their compiler runs at low
            priority.
        cache: folder of compiled programs.
    """

    compile: bool
    compile_after: Annotated[Int, Field(ge=0), Highest(MOST_STEPS), Unit("gradient steps")]
    compile_after_off_policy: Annotated[Int, Field(ge=0), Highest(MOST_STEPS), Unit("gradient steps")]
    cache: str

    def parts(self, algorithm: type[Algorithm], gradient_steps: float) -> Parts:
        """Return the lab's runner, learner and algorithm if it has them for this algorithm."""
        from battery_lab.rllib.backend_parts import OFF_POLICY, array_parts

        after = self.compile_after_off_policy if algorithm in OFF_POLICY else self.compile_after
        # A short run would end before the compiled program has paid for its compilation.
        compiles = self.compile and gradient_steps >= MIN_COMPILED_RATIO * after
        options = {
            "compile_cache": self.cache if compiles else None,
            "compile_after": after,
            "compile_urgent": algorithm not in OFF_POLICY,
        }
        return array_parts(algorithm, options)

    def replay_config(
        self, algorithm: type[Algorithm], *, capacity: int, prioritised: bool, alpha: float, beta: float, seed: int
    ) -> dict[str, Any]:
        """Return the options of TransitionReplay.

        Raises:
            ConfigError: the algorithm would get RLlib's buffer of this name, which ignores unknown options.
        """
        from battery_lab.rllib.backend_parts import OFF_POLICY

        if algorithm not in OFF_POLICY:
            raise ConfigError(
                f"rollout=array has replay buffers for DQN and SAC only, got {algorithm.__name__}: use rollout=stock"
            )
        # RLlib validates the type by name, but never creates one: ArrayReplayAlgorithm builds the buffer.
        options = {"capacity": capacity, "prioritised": prioritised, "alpha": alpha, "beta": beta, "seed": seed}
        return {"type": "EpisodeReplayBuffer"} | options


@options("rollout")
class StockBackend:
    """The option ``rollout=stock``: RLlib's own episodes, for comparison and for features that arrays lack."""

    def parts(self, algorithm: type[Algorithm], gradient_steps: float) -> Parts:
        """Return RLlib's classes, with state that RLlib leaves out of checkpoints added."""
        from battery_lab.rllib.backend_parts import stock_parts

        return stock_parts(algorithm)

    def replay_config(
        self, algorithm: type[Algorithm], *, capacity: int, prioritised: bool, alpha: float, beta: float, seed: int
    ) -> dict[str, Any]:
        """Return the options of RLlib's replay buffer."""
        from battery_lab.rllib.stock_replay_algorithms import replay_config

        return replay_config(capacity, prioritised, alpha, beta, seed)
