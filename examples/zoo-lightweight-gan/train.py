"""Train the model of the card lightweight-gan-library.avatars32: ``python train.py PICTURES OUT.pt [--minutes 4]``.

The package's own trainer, networks and losses are used, on the CPU: what the trainer sends to CUDA stays there. The two
attention blocks of the discriminator's branch for 32x32 images are removed, because they take nine tenths of the time
on a CPU. Code, seed and images are fixed, but the number of steps depends on the machine.
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

CHANNELS = 32
LATENT_DIM = 64
IMAGE_SIZE = 32
BATCH_SIZE = 8
LEARNING_RATE = 1e-3
GRADIENT_PENALTY = 1.0


class OnCPU(TorchFunctionMode):
    """Makes calls that ask for CUDA use the CPU."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.Tensor.cuda:
            return args[0]
        options = dict(kwargs or {})
        if options.get("device") is not None and torch.device(options["device"]).type == "cuda":
            options["device"] = "cpu"
        return func(*args, **options)


def train(pictures: Path, out: Path, minutes: float, seed: int = 0) -> None:
    """Train the model, and save it every 50 steps.

    Args:
        pictures: the folder of the images.
        out: the file to write.
        minutes: processor time.
        seed: the seed of weights and batches.

    """
    torch.manual_seed(seed)
    with tempfile.TemporaryDirectory() as folder:
        trainer = load_library().module.Trainer(
            base_dir=folder,
            image_size=IMAGE_SIZE,
            latent_dim=LATENT_DIM,
            fmap_max=CHANNELS,
            batch_size=BATCH_SIZE,
            lr=LEARNING_RATE,
            gp_weight=GRADIENT_PENALTY,
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
        trainer.steps = 1  # the trainer renders sheets of samples at step 0
        end = time.process_time() + 60 * minutes
        while time.process_time() < end:
            trainer.train()
            if trainer.steps % 50 == 0:
                print(trainer.steps, f"D {trainer.d_loss:.2f} G {trainer.g_loss:.2f}", flush=True)
                save(trainer, out)
        save(trainer, out)


def save(trainer: Any, path: Path) -> None:
    """Write the averaged generator, as the trainer writes it but in half precision.

    The trainer averages from step 20,000 on. Before that, its average is a copy of the generator, which
    is renewed here.

    Args:
        trainer: the package's trainer.
        path: the file to write.

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
    arguments = parser.parse_args()
    with OnCPU():
        train(arguments.pictures, arguments.out, arguments.minutes)
