"""How the random numbers of codes are drawn, the same on every machine."""

from __future__ import annotations

import hashlib

import torch
from torch import Tensor


def derived_generator(seed: int, what: str) -> torch.Generator:
    """Make a generator for further random numbers of a seed, independent of those of any other seed.

    Args:
        seed: the user's seed.
        what: what the numbers are for; each purpose has its own stream.

    Returns:
        A CPU generator, seeded with a hash of both.

    """
    digest = hashlib.sha256(f"{what} of seed {seed}".encode()).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest[:4]))


def draw_normal(count: int, dim: int, generator: torch.Generator) -> Tensor:
    """Draw standard normal codes on the CPU, code by code.

    Drawing code by code makes the first codes of a seed the same for every count; torch fills larger tensors in
    another order.

    Args:
        count: the number of codes.
        dim: the dimension of each.
        generator: a CPU generator.

    Returns:
        (count, dim), float32.

    """
    return torch.stack([torch.randn(dim, generator=generator) for _ in range(count)])


def draw_labels(count: int, dim: int, classes: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Draw standard normal codes and uniform class indices on the CPU, code by code.

    The codes are the same whether or not the caller replaces the labels, and do not depend on the count.

    Args:
        count: the number of codes.
        dim: the dimension of each.
        classes: the number of classes.
        generator: a CPU generator.

    Returns:
        (count, dim) codes, float32, and (count,) labels, int64.

    """
    drawn = [
        (torch.randn(dim, generator=generator), torch.randint(classes, (), generator=generator)) for _ in range(count)
    ]
    return torch.stack([latents for latents, _ in drawn]), torch.stack([label for _, label in drawn])


def truncated(normal: Tensor, bound: float) -> Tensor:
    """Map standard normal numbers to the normal distribution truncated to [-bound, bound], quantile to quantile.

    Args:
        normal: standard normal numbers, of any shape.
        bound: the bound, above 0.

    Returns:
        Numbers of the same shape and dtype within ± `bound`.

    """
    # With Φ the normal distribution function and h = Φ(bound) - 1/2, the truncated quantile of u is
    # Φ⁻¹(1/2 + 2h (u - 1/2)), here with u = Φ(normal).
    half = torch.special.ndtr(torch.tensor(bound, dtype=torch.float64)) - 0.5
    quantiles = 0.5 + 2 * half * (torch.special.ndtr(normal.double()) - 0.5)
    numbers: Tensor = torch.special.ndtri(quantiles)
    return numbers.to(normal.dtype)
