"""Generators of the published sizes with random weights: what an operation costs does not depend on the weights.

from benchmarks.shapes import biggan, stylegan2

adapter = stylegan2(128)

`benchmarks/official.py` draws whole files, as they are published.
"""

from __future__ import annotations

from itertools import pairwise

from zoo_adapters.biggan.adapter import BigGAN
from zoo_adapters.stylegan2.adapter import StyleGAN2
from zoo_adapters.stylegan2.network import untrained as untrained_stylegan2

from zoo.blocks import Generator, Plan, untrained

_MULTIPLES = {128: (16, 16, 8, 4, 2, 1), 256: (16, 16, 8, 8, 4, 2, 1), 512: (16, 16, 8, 8, 4, 2, 1, 1)}
_CHUNKS = {128: 20, 256: 20, 512: 16}


def stylegan2(resolution: int = 256, seed: int = 0) -> StyleGAN2:
    """Build a StyleGAN2, configuration F (512 channels at most, w of 512 numbers, 8 mapped layers), of 8² to 1024²."""
    sides = [4 << level for level in range(resolution.bit_length() - 2)]
    return StyleGAN2(untrained_stylegan2(512, [min(512, 32768 // side) for side in sides], seed, depth=8))


def biggan(resolution: int = 128, seed: int = 0) -> BigGAN:
    """Build a BigGAN (96 channels, 1000 classes, attention at 64²) of 128², 256² or 512², codes of 120, 140 or 128."""
    channels, chunk = [96 * multiple for multiple in _MULTIPLES[resolution]], _CHUNKS[resolution]
    plans = [Plan(wide, narrow, attends=index == 3) for index, (wide, narrow) in enumerate(pairwise(channels))]
    return BigGAN(untrained(Generator(plans, 4, first=chunk, chunk=chunk, classes=1000, embedding=128), seed))
