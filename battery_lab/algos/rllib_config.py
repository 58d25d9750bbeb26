"""RLlib configuration: the part that all algorithms on RLlib share."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.core.rl_module.default_model_config import DefaultModelConfig
from ray.rllib.core.rl_module.rl_module import RLModule, RLModuleSpec
from torch import nn

from battery_lab.algos.interfaces import Setup
from battery_lab.algos.rllib_encoder import NETWORK
from battery_lab.algos.rllib_options import RLlibOptions, SeveralLearnersOptions, check_gpus
from battery_lab.rllib.backend_parts import Parts
from battery_lab.rllib.runners.checkpointed_runner import EnvPlaceholder
from battery_lab.rllib.runners.environment_log import EnvironmentLog


def base_config(
    config: AlgorithmConfig,
    setup: Setup,
    algo: RLlibOptions,
    *,
    module: type[RLModule],
    catalog: type,
    model: dict[str, Any],
    iteration_steps: int,
    fragment: int | None = None,
    gradient_steps: float = 0,
) -> AlgorithmConfig:
    """Add the settings that all algorithms share to an RLlib configuration.

    Args:
        config: RLlib configuration with the algorithm's own settings.
        setup: the trial.
        algo: options of the algorithm.
        module: RLlib module class of the algorithm.
        catalog: RLlib catalog class that builds the module from the lab's network.
        model: additional entries of the model configuration.
        iteration_steps: minimum environment steps per iteration.
        fragment: steps per environment and sample. None: the algorithm's option.
        gradient_steps: number of gradient steps in the budget; decides whether compiling them pays off.

    Raises:
        ConfigError: this machine has fewer GPUs than requested.
    """
    parts = setup.rollout.parts(config.algo_class, gradient_steps)
    config.algo_class = parts.algorithm or config.algo_class
    model_config = asdict(DefaultModelConfig()) | {"head_fcnet_hiddens": [], NETWORK: (setup.network, setup.layout)}
    spec = RLModuleSpec(module_class=module, catalog_class=catalog, model_config=model_config | model)
    return (
        config.framework("torch")
        .environment(EnvPlaceholder, env_config={"make_env": setup.make_env, "seed": setup.seed})
        .env_runners(**_runner_settings(algo, parts, fragment or algo.fragment))
        .learners(**_learner_settings(algo, parts))
        .rl_module(rl_module_spec=spec)
        .callbacks(EnvironmentLog)
        # Iterations are measured in steps, not in time, so that runs are reproducible.
        .reporting(min_time_s_per_iteration=0, min_sample_timesteps_per_iteration=iteration_steps)
        .debugging(seed=setup.seed, log_level="ERROR")
    )


def _runner_settings(algo: RLlibOptions, parts: Parts, fragment: int) -> dict[str, Any]:
    return {
        "env_runner_cls": parts.runner,
        "num_env_runners": algo.num_env_runners,
        "num_envs_per_env_runner": algo.num_envs,
        "gym_env_vectorize_mode": "vector_entry_point",
        "rollout_fragment_length": fragment,
        # Wait for late runners: which samples are learned from must not depend on the machine's load.
        "sample_timeout_s": 3600,
    }


def _learner_settings(algo: RLlibOptions, parts: Parts) -> dict[str, Any]:
    num_learners = algo.num_learners if isinstance(algo, SeveralLearnersOptions) else 0
    gpus_per_learner = algo.gpus_per_learner if isinstance(algo, SeveralLearnersOptions) else 0
    check_gpus(num_learners, gpus_per_learner)
    settings = {
        "num_learners": num_learners,
        "num_gpus_per_learner": gpus_per_learner,
        "learner_config_dict": dict(parts.options),
    }
    return settings | ({"learner_class": parts.learner} if parts.learner else {})


def linear_schedule(first: float, last: float, steps: int) -> list[list[float]] | float:
    """Return an RLlib schedule that is linear from ``first`` to ``last`` over ``steps``, or a constant."""
    return first if first == last else [[0, first], [steps, last]]


def only_linear(head: nn.Module) -> nn.Linear:
    """Return the only linear layer of a head."""
    layers = [layer for layer in head.modules() if isinstance(layer, nn.Linear)]
    if len(layers) != 1:
        raise TypeError(f"the head must have exactly one linear layer, got {head}")
    return layers[0]


def mean_head(head: nn.Linear) -> nn.Linear:
    """Return the half of a Gaussian head that outputs the means; the other half outputs the log standard deviations."""
    means = nn.Linear(head.in_features, head.out_features // 2)
    means.weight.data, means.bias.data = head.weight.data[: means.out_features], head.bias.data[: means.out_features]
    return means
