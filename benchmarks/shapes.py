"""Generators of the published sizes with random weights, for measuring costs, which do not depend on the weights.

from benchmarks.shapes import biggan, pggan, r3gan, stylegan, stylegan2, stylegan3, stylegan_xl

adapter = stylegan2(128)

`benchmarks/official.py` and `benchmarks/nvidia.py` make whole files, as they are published.
"""

from __future__ import annotations

from itertools import pairwise

from zoo_adapters.biggan.adapter import BigGAN
from zoo_adapters.pggan.adapter import PGGAN
from zoo_adapters.pggan.network import untrained as untrained_pggan
from zoo_adapters.r3gan.adapter import R3GAN
from zoo_adapters.stylegan.adapter import StyleGAN
from zoo_adapters.stylegan.network import untrained as untrained_stylegan
from zoo_adapters.stylegan2.adapter import StyleGAN2
from zoo_adapters.stylegan2.network import untrained as untrained_stylegan2
from zoo_adapters.stylegan3.adapter import StyleGAN3
from zoo_adapters.stylegan3.xl_adapter import StyleGANXL

from benchmarks import pickled
from zoo.checkpoints import detect_network
from zoo.nn import BlockSpec, ResidualGenerator, untrained

_MULTIPLES = {128: (16, 16, 8, 4, 2, 1), 256: (16, 16, 8, 8, 4, 2, 1), 512: (16, 16, 8, 8, 4, 2, 1, 1)}
_CHUNKS = {128: 20, 256: 20, 512: 16}


def pggan(resolution: int = 1024, seed: int = 0) -> PGGAN:
    """Build a PGGAN (512 channels at most, z of 512 numbers), of 8² to 1024²."""
    return PGGAN(untrained_pggan(512, widths(resolution, 16384), seed))


def stylegan(resolution: int = 1024, seed: int = 0) -> StyleGAN:
    """Build a StyleGAN (512 channels at most, w of 512 numbers, 8 mapped layers), of 8² to 1024²."""
    return StyleGAN(
        untrained_stylegan(512, widths(resolution, 16384), seed, depth=8), truncation_cutoff=StyleGAN.truncation_cutoff
    )


def stylegan2(resolution: int = 256, seed: int = 0) -> StyleGAN2:
    """Build a StyleGAN2, configuration F (512 channels at most, w of 512 numbers, 8 mapped layers), of 8² to 1024²."""
    return StyleGAN2(untrained_stylegan2(512, widths(resolution, 32768), seed, depth=8))


def biggan(resolution: int = 128, seed: int = 0) -> BigGAN:
    """Build a BigGAN (96 channels, 1000 classes, attention at 64²) of 128², 256² or 512², codes of 120, 140 or 128."""
    channels = [96 * multiple for multiple in _MULTIPLES[resolution]]
    chunk = _CHUNKS[resolution]
    specs = [BlockSpec(wide, narrow, attention=index == 3) for index, (wide, narrow) in enumerate(pairwise(channels))]
    network = ResidualGenerator(specs, 4, first_dim=chunk, chunk_dim=chunk, classes=1000, embedding_dim=128)
    return BigGAN(untrained(network, seed))


def widths(resolution: int, base: int) -> list[int]:
    """List the channels of a network's maps, from 4x4 pixels on: `base` divided by the resolution, at most 512."""
    return [min(512, base // (4 << level)) for level in range(resolution.bit_length() - 2)]


def stylegan3(config: str = "t", resolution: int = 256, seed: int = 0) -> StyleGAN3:
    """Build a StyleGAN3 of configuration T or R, codes w of 16 x 512 numbers, of 256², 512² or 1024²."""
    network = pickled.stylegan3(config, resolution, seed)
    return StyleGAN3.load(*StyleGAN3.layouts[0].convert(network.state, network.meta))


def stylegan_xl(name: str = "imagenet64", seed: int = 0) -> StyleGANXL:
    """Build a StyleGAN-XL of a thousand classes, codes w of 512 numbers: imagenet16, 32, 64 and so on, to 1024."""
    network = pickled.stylegan_xl(name, seed)
    return StyleGANXL.load(*StyleGANXL.layouts[0].convert(network.state, network.meta))


def r3gan(config: str = "ffhq-256", seed: int = 0) -> R3GAN:
    """Build an R3GAN of a published configuration: cifar10, ffhq-64, ffhq-256, imagenet-32 or imagenet-64."""
    network = pickled.r3gan(config, seed)
    return R3GAN.load(*detect_network({"r3gan": R3GAN}, network.state, network.meta).convert())
