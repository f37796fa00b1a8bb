"""Measure one-step diffusion at full size: an image, SeFa, and products with the Jacobian, in time and memory.

    python -m benchmarks.diffusion [sd-turbo] [consistency-64]

The networks are built from the published configurations, with random weights: SD-Turbo draws 512 x 512 pixels from
16,384 numbers, a consistency model of ImageNet 64 x 64 pixels from 12,288. Times are processor time, summed over
threads. Memory is the most that the process had by then, beyond what it had once the network was built. A search takes
some hundred products, so that its time is extrapolated from one of each kind.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from zoo_adapters.diffusers.adapter import OneStepDiffusion
from zoo_adapters.diffusers.libraries import library
from zoo_adapters.diffusers.network import DiffusionNetwork
from zoo_adapters.diffusers.scheduling import one_step

from benchmarks.peak_memory import peak
from zoo.core.region import parse_region
from zoo.jacobian import RegionJacobian
from zoo.linalg import fix_signs

_SD_UNET: dict[str, Any] = {
    "sample_size": 64,
    "block_out_channels": (320, 640, 1280, 1280),
    "layers_per_block": 2,
    "down_block_types": (*("CrossAttnDownBlock2D",) * 3, "DownBlock2D"),
    "up_block_types": ("UpBlock2D", *("CrossAttnUpBlock2D",) * 3),
    "cross_attention_dim": 1024,
    "attention_head_dim": (5, 10, 20, 20),
    "use_linear_projection": True,
}
_SD_VAE: dict[str, Any] = {
    "block_out_channels": (128, 256, 512, 512),
    "layers_per_block": 2,
    "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 4,
    "up_block_types": ("UpDecoderBlock2D",) * 4,
    "sample_size": 768,
}
_CONSISTENCY_UNET: dict[str, Any] = {
    "sample_size": 64,
    "block_out_channels": (192, 384, 576, 768),
    "layers_per_block": 3,
    "down_block_types": ("ResnetDownsampleBlock2D", *("AttnDownBlock2D",) * 3),
    "up_block_types": (*("AttnUpBlock2D",) * 3, "ResnetUpsampleBlock2D"),
    "downsample_type": "resnet",
    "upsample_type": "resnet",
    "attention_head_dim": 64,
    "num_class_embeds": 1000,
    "num_train_timesteps": 40,
    "resnet_time_scale_shift": "scale_shift",
}
# Directions that are asked for, and products that a search for them is expected to take.
_RANK = 5
_PRODUCTS = 2 * _RANK + 30


def built(make: Callable[[], nn.Module]) -> nn.Module:
    """Build a network with random weights whose outputs have about the spread of their inputs."""
    with torch.device("meta"):
        network = make()
    network = network.to_empty(device="cpu")
    with torch.no_grad():
        for name, parameter in network.named_parameters():
            spread = parameter[0].numel() ** -0.5 if parameter.ndim > 1 else 0.0
            parameter.normal_(1.0 if parameter.ndim == 1 and name.endswith("weight") else 0.0, spread)
    return network


def sd_turbo(space: str) -> OneStepDiffusion:
    """Make a network with the configuration of SD-Turbo."""
    diffusers = library("diffusers")
    unet = built(lambda: diffusers.UNet2DConditionModel(**_SD_UNET))
    vae = built(lambda: diffusers.AutoencoderKL(**_SD_VAE))
    step = one_step({"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "trailing"}, None)
    return OneStepDiffusion(DiffusionNetwork(unet, vae, torch.randn(1, 77, 1024)), step, space)


def consistency(space: str) -> OneStepDiffusion:
    """Make a network with the configuration of a consistency model of ImageNet, 64 x 64 pixels."""
    unet = built(lambda: library("diffusers").UNet2DModel(**_CONSISTENCY_UNET))
    step = one_step({"_class_name": "CMStochasticIterativeScheduler", "num_train_timesteps": 40}, None)
    classes = tuple(map(str, range(1000)))
    return OneStepDiffusion(DiffusionNetwork(unet, None), step, space, classes)


NETWORKS = {"sd-turbo": sd_turbo, "consistency-64": consistency}


def status(name: str) -> float:
    """Return a number of this process's memory from the system, in GB."""
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{name}:")]
    return int(line.split()[1]) * 1024 / 1e9


def measure(name: str) -> None:
    """Measure a network, and print rows of a table."""
    torch.manual_seed(0)
    adapter = NETWORKS[name]("noise")
    weights = sum(tensor.numel() for tensor in adapter.network.parameters()) * 4 / 1e9
    before = status("VmRSS")
    times: dict[str, float] = {}

    def run(what: str, work: Callable[[], Tensor]) -> Tensor:
        start = time.process_time()
        result = work()
        times[what] = time.process_time() - start
        print(f"| {name} | {what} | {times[what]:.1f} s | {peak() - before:.1f} GB |", flush=True)
        return result

    print(f"{name}: {adapter.space.dim:,} numbers, {adapter.resolution[0]}² pixels, weights of {weights:.1f} GB")
    code = adapter.sample(1, torch.Generator().manual_seed(0))
    with torch.no_grad():
        run("an image", lambda: adapter.synthesize(code))
    jacobian = RegionJacobian(adapter, code, parse_region("center", adapter.resolution), at_a_time=1)
    images = run("jvp of one vector", lambda: jacobian.jvp(torch.randn(1, adapter.space.dim)))
    run("vjp of one vector, the first", lambda: jacobian.vjp(images))
    run("vjp of one vector, a further one", lambda: jacobian.vjp(images))
    each = times["jvp of one vector"] + times["vjp of one vector, a further one"]
    what = f"lowrank, k={_RANK}: {_PRODUCTS} products of each kind"
    print(f"| {name} | {what} | {_PRODUCTS * each:.0f} s, extrapolated | |", flush=True)
    layers = list(adapter.network.time_layers.values())
    run("SeFa of temb", lambda: _sefa(layers))


def _sefa(layers: list[nn.Linear]) -> Tensor:
    weight = torch.cat([layer.weight / layer.weight.norm(dim=1, keepdim=True) for layer in layers]).double()
    return fix_signs(torch.linalg.eigh(weight.T @ weight)[1].T)


def main() -> None:
    """Measure the networks that are named."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(NETWORKS)}")
    for name in parser.parse_args().names or NETWORKS:
        measure(name)


if __name__ == "__main__":
    main()
