"""Unsupported options: refuses the configuration and overrides of RLlib that array learners would not follow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from battery_lab.common.errors import ConfigError, require_choice

# Methods that RLlib users override, and that an update on arrays does not call.
UNSUPPORTED_OVERRIDES = (
    *("_update", "compute_losses", "compute_loss_for_module", "compute_gradients", "apply_gradients"),
    *("postprocess_gradients", "postprocess_gradients_for_module"),
)
CLIP_METHODS = ("global_norm", "norm", "value")


def check_learner(learner: type, config: Any) -> None:
    """Check the class of a learner and its RLlib configuration.

    Raises:
        ConfigError: they need a feature that only RLlib's own learners have.
    """
    require_choice("grad_clip_by", config.grad_clip_by, CLIP_METHODS)
    overridden = _overridden_methods(learner, UNSUPPORTED_OVERRIDES)
    for used, feature in (
        (config._learner_connector is not None, "learner connectors"),
        (config._torch_lr_scheduler_classes is not None, "torch's learning rate schedulers"),
        (config._torch_grad_scaler_class is not None, "torch's gradient scalers"),
        (config.policies_to_train is not None, "policies_to_train"),
        (bool(config.algorithm_config_overrides_per_module), "algorithm_config_overrides_per_module"),
        (config.torch_compile_learner, "torch_compile_learner, whose counterpart is rollout.compile"),
        (bool(overridden), f"the learner's own {', '.join(overridden)}"),
    ):
        if used:
            raise ConfigError(f"rollout=array does not support {feature}: use rollout=stock, which does")


def check_module(module: type, unsupported: Sequence[str]) -> None:
    """Check that a module overrides none of the methods that an update does not call.

    Raises:
        ConfigError: it overrides some of them.
    """
    if overridden := _overridden_methods(module, unsupported):
        raise ConfigError(
            f"rollout=array does not call the module's own {', '.join(overridden)}: use rollout=stock, which does"
        )


def _overridden_methods(kind: type, names: Sequence[str]) -> list[str]:
    """Return which of some methods a class overrides outside of RLlib, itself or by a mixin."""
    owners = {name: next((base for base in kind.__mro__ if name in vars(base)), object) for name in names}
    return [name for name, owner in owners.items() if not owner.__module__.startswith(("ray.", "builtins"))]
