"""Train the model of the card lightweight-gan.avatars32: ``python train.py PICTURES OUT.pt [--minutes 4]``.

The package's own trainer, networks and losses are used, on a CPU: what its trainer sends to CUDA stays where it is. One
thing is taken out of the discriminator, the two blocks of attention in its branch for pictures of 32 pixels: on a CPU
they take nine tenths of the time. Code, seed and pictures are fixed, but not the number of steps that fit into the
minutes.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode
from zoo_lightweight_gan.library import load_library

WIDTH, CODE, SIDE, BATCH, RATE, PENALTY = 32, 64, 32, 8, 1e-3, 1.0


class OnCPU(TorchFunctionMode):
    """Keep on the CPU what asks for CUDA."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.cuda:
            return args[0]
        asked = dict(kwargs or {})
        if asked.get("device") is not None and torch.device(asked["device"]).type == "cuda":
            asked["device"] = "cpu"
        return func(*args, **asked)


def train(pictures: Path, out: Path, minutes: float, seed: int = 0) -> None:
    """Train for some minutes of a processor; what there is is saved every 50 steps."""
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        trainer = load_library().module.Trainer(
            base_dir=folder,
            image_size=SIDE,
            latent_dim=CODE,
            fmap_max=WIDTH,
            batch_size=BATCH,
            lr=RATE,
            gp_weight=PENALTY,
            aug_prob=0.0,
            num_workers=0,
            use_aim=False,
            save_every=10**9,
            evaluate_every=10**9,
        )
        trainer.set_data_src(str(pictures))
        trainer.init_GAN()
        for block in (1, 3):
            trainer.GAN.D.to_shape_disc_out[block] = nn.Identity()
        trainer.steps = 1  # of step 0, and of every hundredth, the trainer draws sheets
        end = time.process_time() + 60 * minutes
        while time.process_time() < end:
            trainer.train()
            if trainer.steps % 50 == 0:
                print(trainer.steps, f"D {trainer.d_loss:.2f} G {trainer.g_loss:.2f}", flush=True)
                save(trainer, out)
        save(trainer, out)


def save(trainer: Any, path: Path) -> None:
    """Write the averaged generator alone, as the trainer writes checkpoints, its weights in half precision.

    The trainer averages from step 20,000 on; before, its average is a copy of the generator, taken now once more.
    """
    gan = trainer.GAN
    gan.reset_parameter_averaging()
    weights = gan.GE.state_dict().items()
    state = {f"GE.{key}": tensor.half() if tensor.is_floating_point() else tensor for key, tensor in weights}
    torch.save({"GAN": state, "version": load_library().module.__version__}, path)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("pictures", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=4)
    told = parser.parse_args()
    with OnCPU():
        train(told.pictures, told.out, told.minutes)
