"""The one step: how a scheduler of diffusers makes an image of what the network predicts.

All of the schedulers end a single step at the posterior mean x̂0 = c_skip x + c_out F(c_in x, t), for a noisy input x
at the timestep t (Karras et al., NeurIPS 2022, equation 7). Their own `step` methods round to float32.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from zoo import CheckpointError, OptionError
from zoo_adapters.diffusers.libraries import class_of

_EULER = ("EulerDiscreteScheduler", "EulerAncestralDiscreteScheduler")
_LCM = "LCMScheduler"
_CONSISTENCY = "CMStochasticIterativeScheduler"
# Schedulers of many steps, of which only the noise levels are read.
_OTHERS = ("DDIMScheduler", "DDPMScheduler", "PNDMScheduler", "DPMSolverMultistepScheduler", "UniPCMultistepScheduler")
SCHEDULERS = (*_EULER, _LCM, _CONSISTENCY, *_OTHERS)

_MOST_TIMESTEPS = 10**5
_SIGMA_DATA_LCM = 0.5


@dataclass(frozen=True, eq=False)
class OneStep:
    """What turns a code into the network's input, and its output into the posterior mean.

    Attributes:
        timestep: t, as the network reads it.
        scale: the standard deviation of the noisy input x; a code is drawn with 1.
        c_in: the factor of x before the network.
        c_skip: the factor of x in the mean.
        c_out: the factor of the network's output in the mean.
        alphas: the ᾱ of all timesteps, from which DDIM takes its steps; None where there are none.
        prediction: what the network predicts: "epsilon", "v_prediction" or "sample".
    """

    timestep: float
    scale: float
    c_in: float
    c_skip: float
    c_out: float
    alphas: Tensor | None = None
    prediction: str = "epsilon"

    def at(self, timestep: int) -> OneStep:
        """Return the mean at another timestep, where noise and image are mixed as in training.

        Args:
            timestep: t, for which there is an ᾱ.

        Returns:
            The step: x = √ᾱ x0 + √(1 − ᾱ) ε.
        """
        assert self.alphas is not None
        alpha = float(self.alphas[timestep])
        signal, noise = alpha**0.5, (1 - alpha) ** 0.5
        c_skip, c_out = {
            "epsilon": (1 / signal, -noise / signal),
            "v_prediction": (signal, -noise),
            "sample": (0.0, 1.0),
        }[self.prediction]
        return OneStep(timestep, 1.0, 1.0, c_skip, c_out, self.alphas, self.prediction)


def one_step(config: Mapping[str, Any], timestep: int | None) -> OneStep:
    """Read the step of a scheduler's configuration.

    Args:
        config: the configuration, with `_class_name`.
        timestep: the timestep that the user chose; None for the first of the scheduler's one step.

    Returns:
        The step.

    Raises:
        CheckpointError: for a scheduler, a prediction or a noise level that zoo does not know.
        OptionError: for a timestep that there is not.
    """
    name = config.get("_class_name")
    kind = class_of("diffusers", SCHEDULERS, name, "the scheduler")
    count = config.get("num_train_timesteps", 1000)
    if not isinstance(count, int) or not 1 <= count <= _MOST_TIMESTEPS:
        raise CheckpointError(f"the scheduler has num_train_timesteps={count!r:.40}, no number of timesteps")
    scheduler = kind.from_config(dict(config))
    if name == _CONSISTENCY:
        return _consistency(scheduler, timestep)
    if timestep is not None and timestep >= count:
        raise OptionError(f"option timestep={timestep}: the scheduler has timesteps 0 to {count - 1}")
    prediction = str(config.get("prediction_type", "epsilon"))
    if prediction not in {"epsilon", "v_prediction", "sample"}:
        raise CheckpointError(
            f"the scheduler has prediction_type={prediction:.40}: zoo knows epsilon, v_prediction, sample"
        )
    plain = OneStep(0, 1, 1, 1, 1, scheduler.alphas_cumprod.double(), prediction)
    if name in _EULER and timestep is None:
        return _euler(scheduler, plain)
    if name == _LCM:
        return _lcm(scheduler, plain, timestep)
    return plain.at(count - 1 if timestep is None else timestep)


def _euler(scheduler: Any, plain: OneStep) -> OneStep:
    """One Euler step from the largest σ to 0: x has the scale of σ, and the network reads x / √(σ² + 1)."""
    scheduler.set_timesteps(1)
    sigma = float(scheduler.sigmas[0])
    root = (sigma**2 + 1) ** 0.5
    c_skip, c_out = {
        "epsilon": (1.0, -sigma),
        "v_prediction": (1 / root**2, -sigma / root),
        "sample": (0.0, 1.0),
    }[plain.prediction]
    first, scale = float(scheduler.timesteps[0]), float(scheduler.init_noise_sigma)
    return OneStep(first, scale, 1 / root, c_skip, c_out, plain.alphas, plain.prediction)


def _lcm(scheduler: Any, plain: OneStep, timestep: int | None) -> OneStep:
    """The mean, weighted beside x so that it is x at timestep 0 (Luo et al. 2023, arXiv 2310.04378, appendix D)."""
    if timestep is None:
        scheduler.set_timesteps(1)
        timestep = int(scheduler.timesteps[0])
    mean = plain.at(timestep)
    scaled = timestep * float(scheduler.config.timestep_scaling)
    square = scaled**2 + _SIGMA_DATA_LCM**2
    of_x, of_mean = _SIGMA_DATA_LCM**2 / square, scaled / square**0.5
    c_skip, c_out = of_mean * mean.c_skip + of_x, of_mean * mean.c_out
    return OneStep(timestep, 1.0, 1.0, c_skip, c_out, plain.alphas, plain.prediction)


def _consistency(scheduler: Any, timestep: int | None) -> OneStep:
    """The consistency function at the largest σ (Song et al., ICML 2023, arXiv 2303.01469, appendix C)."""
    if timestep is not None:
        raise OptionError("option timestep: a consistency model is drawn at its largest noise, and at no other")
    scheduler.set_timesteps(1)
    config = scheduler.config
    sigma, data, least = float(scheduler.sigmas[0]), float(config.sigma_data), float(config.sigma_min)
    root = (sigma**2 + data**2) ** 0.5
    c_skip = data**2 / ((sigma - least) ** 2 + data**2)
    c_out = (sigma - least) * data / root
    scale = float(scheduler.init_noise_sigma)
    return OneStep(float(scheduler.timesteps[0]), scale, 1 / root, c_skip, c_out)


def brought_by_ddim(noise: Tensor, steps: int, step: OneStep, mean_at: Any) -> Tensor:
    """Bring noise from the last timestep to a step's own, by DDIM without noise (Song et al., ICLR 2021, equation 12).

    Args:
        noise: x at the last timestep, (n, channels, height, width).
        steps: how many steps.
        step: the step whose timestep is the last.
        mean_at: computes the posterior mean of x at a step: `mean_at(x, step)`.

    Returns:
        x at that timestep.
    """
    assert step.alphas is not None
    last = len(step.alphas) - 1
    times = torch.linspace(last, step.timestep, steps + 1).round().long().tolist()
    x = noise
    for time, following in pairwise(times):
        if time == following:
            continue
        mean = mean_at(x, step.at(time))
        now, then = float(step.alphas[time]), float(step.alphas[following])
        epsilon = (x - now**0.5 * mean) / (1 - now) ** 0.5
        x = then**0.5 * mean + (1 - then) ** 0.5 * epsilon
    return x
