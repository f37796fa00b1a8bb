"""Strange but honest files are neither refused nor misread: each one's picture is that of the plain file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support import strange
from tests.support.golden import Golden
from tests.support.marks import mostly_long
from tests.support.toys import sequential

PACKS = {
    "pggan": "pggan",
    "pggan_fused": "pggan",
    "stylegan1": "stylegan",
    "stylegan2": "stylegan2",
    "stylegan2_ada": "stylegan2",
    "stylegan2_rosinality": "stylegan2",
    "stylegan3_t": "stylegan3",
    "stylegan3_r": "stylegan3",
    "stylegan3 of margin 6": "stylegan3",
    "stylegan_xl_superres": "stylegan-xl",
    "biggan_ajbrock": "biggan",
    "biggan_deep": "biggan-deep",
    "r3gan": "r3gan",
    "studiogan_sngan": "studiogan",
    "studiogan_biggan": "studiogan",
    "dcgan": "dcgan",
}
_FEW, _MANY = 1, 8


def tensors(pack: str, data: Path) -> dict[str, Tensor]:
    if pack == "dcgan":
        return sequential(DCGAN.tiny(3).network.state_dict(), "main.")
    if pack.startswith("stylegan3 of"):
        recorded, prefix = load_file(data / "stylegan3_settings.safetensors"), "margin_size=6/state/"
        return {key.removeprefix(prefix): t for key, t in recorded.items() if key.startswith(prefix)}
    return Golden.read(pack).state


def picture(path: Path) -> Tensor:
    model = zoo.load(path.absolute(), device="cpu")
    codes = model.sample(1, label=0 if model.adapter.classes else None)
    return model.adapter.synthesize(codes)


def check(pack: str, seed: int, data: Path, folder: Path) -> None:
    state = tensors(pack, data)
    torch.save(state, folder / "plain.pt")
    file = strange.make(state, PACKS[pack], seed, folder)
    try:
        deviation = float((picture(file.path) - picture(folder / "plain.pt")).abs().max())
    except zoo.ZooError as error:
        pytest.fail(f"{pack}, {seed}: {file.path.name}: {'; '.join(file.description)}: {error}")
    assert deviation < 1e-4, file.description


@pytest.mark.parametrize("pack", mostly_long(PACKS, ("pggan", "stylegan2", "dcgan")))
@pytest.mark.parametrize("seed", mostly_long(range(_FEW), (0,)))
def test_a_strange_file_is_drawn_as_the_plain_one(pack: str, seed: int, data: Path, tmp_path: Path) -> None:
    check(pack, seed, data, tmp_path)


@pytest.mark.long
@pytest.mark.parametrize("pack", PACKS)
@pytest.mark.parametrize("seed", range(_FEW, _MANY))
def test_many_strange_files_are_drawn_as_the_plain_ones(pack: str, seed: int, data: Path, tmp_path: Path) -> None:
    check(pack, seed, data, tmp_path)
