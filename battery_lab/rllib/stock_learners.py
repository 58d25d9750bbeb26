"""Stock learners: RLlib's own PPO and SAC learners, with full checkpoints."""

from __future__ import annotations

from typing import Any

import torch
from ray.rllib.algorithms.ppo.torch.ppo_torch_learner import PPOTorchLearner
from ray.rllib.algorithms.sac.torch.sac_torch_learner import SACTorchLearner

TEMPERATURE, COEFFICIENTS = "battery_lab_log_alpha", "battery_lab_coefficients"


class CheckpointedPPOLearner(PPOTorchLearner):  # type: ignore[misc]
    """Keeps PPO's entropy and KL coefficients in checkpoints; RLlib (2.60) resets them."""

    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return RLlib's state and the coefficients."""
        state: dict[str, Any] = super().get_state(*args, **kwargs)
        coefficients = {}
        for name in list(self.module.keys()):
            entropy = self.entropy_coeff_schedulers_per_module[name].get_current_value()
            coefficients[name] = (float(entropy), float(self.curr_kl_coeffs_per_module[name]))
        return state | {COEFFICIENTS: coefficients}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore a state that ``get_state`` returned."""
        super().set_state(state)
        for name, (entropy, divergence) in state.get(COEFFICIENTS, {}).items():
            schedule = self.entropy_coeff_schedulers_per_module[name]
            if schedule.use_schedule:
                schedule._curr_value.fill_(entropy)
            self.curr_kl_coeffs_per_module[name].fill_(divergence)


class CheckpointedSACLearner(SACTorchLearner):  # type: ignore[misc]
    """Keeps SAC's temperature in checkpoints; RLlib (2.60) saves its optimizer but not the temperature itself."""

    def get_state(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        """Return RLlib's state and the temperatures."""
        state: dict[str, Any] = super().get_state(*args, **kwargs)
        temperatures = {name: float(value.detach()) for name, value in self.curr_log_alpha.items()}
        return state | {TEMPERATURE: temperatures}

    def set_state(self, state: dict[str, Any]) -> None:
        """Restore a state that ``get_state`` returned."""
        super().set_state(state)
        with torch.no_grad():
            for name, value in state.get(TEMPERATURE, {}).items():
                self.curr_log_alpha[name].fill_(value)
