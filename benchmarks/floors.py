"""How much longer do images and derivatives take than their convolutions and matrix products alone? Prints a table.

    python -m benchmarks.floors [MODEL …] [--images 4] [--tangents 8] [--rounds 3]

A model is a name, or one of the files of the published sizes (`benchmarks.files`), which is then written with random
weights. *Image*: the forward pass of one image, of a batch of ``--images``. *Tangent*: the derivative of the whole
image along one direction, of ``--tangents`` at a time. *x products*: their time over that of the convolutions and
matrix products that they take, on tensors that lie in memory alike. All four take turns in one process, in one thread;
seconds of processor time, the least of the rounds.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from functools import partial

import torch

from benchmarks.files import open_model
from benchmarks.products import compute_all, memory_for, products_of
from benchmarks.turns import fastest_in_turns
from zoo.jacobian.operator import RegionJacobian
from zoo.models.model import Model

MODELS = (
    *("dcgan.celeba64", "pggan-256", "stylegan-256", "stylegan2-256", "stylegan3-t-128", "stylegan-xl-imagenet32"),
    *("biggan-128", "biggan-deep-128", "studiogan-sngan-128", "studiogan-sagan-128", "studiogan-biggan-128"),
    *("r3gan-256", "fastgan-256", "lightweight-gan-256", "styleswin-256"),
)


def measure(model: Model, images: int, tangents: int, rounds: int) -> tuple[float, float, float, float]:
    """Measure a model.

    Args:
        model: The model.
        images: How many images are rendered together.
        tangents: How many tangents are computed together.
        rounds: How often each work is done.

    Returns:
        Seconds of an image, and of its products; of a tangent, and of its products.
    """
    codes = model.sample(images, seed=0)
    jacobian = RegionJacobian(model.adapter, codes[0], model.region("all"))
    directions = torch.randn(tangents, model.adapter.space.dim, generator=torch.Generator().manual_seed(0))
    works: list[Callable[[], object]] = []
    whole: tuple[Callable[[], object], ...]
    whole = (partial(model.adapter.synthesize, codes), partial(jacobian.jvp, directions.to(model.adapter.dtype)))
    for work in whole:
        products = products_of(work)
        works += [work, partial(compute_all, products, memory_for(products, codes.latents))]
    with torch.no_grad():
        image, image_products, tangent, tangent_products = fastest_in_turns(works, rounds, time.process_time)
    return image / images, image_products / images, tangent / tangents, tangent_products / tangents


def main(arguments: Sequence[str] | None = None) -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="*", default=MODELS, metavar="MODEL")
    parser.add_argument("--images", type=int, default=4)
    parser.add_argument("--tangents", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    print("| model | image | x products | tangent | x products | tangents, x images |")
    print("| --- | ---: | ---: | ---: | ---: | ---: |")
    for name in options.models:
        image, its, tangent, theirs = measure(open_model(name), options.images, options.tangents, options.rounds)
        figures = (
            f"{image:.2g} s | {image / its:.2f} | {tangent:.2g} s | {tangent / theirs:.2f} | {tangent / image:.2f}"
        )
        print(f"| `{name}` | {figures} |", flush=True)


if __name__ == "__main__":
    main()
