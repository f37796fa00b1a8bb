"""What zoo says of a file that fits no layout is true: it names what is missing, and never shapes that are right."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor

from tests.support.families import families
from tests.support.golden import Golden
from tests.support.marks import mostly_long
from zoo import CheckpointError
from zoo.checkpoints import detect_checkpoint
from zoo.checkpoints.layouts import detect_network

State = dict[str, Tensor]

PACKS = {
    "pggan": "pggan/genforce",
    "stylegan1": "stylegan/genforce",
    "hammer_stylegan1": "stylegan/hammer",
    "stylegan2": "stylegan2/genforce",
    "hammer_stylegan2": "stylegan2/hammer",
    "stylegan2_ada": "stylegan2/nvidia",
    "stylegan2_rosinality": "stylegan2/rosinality",
    "stylegan3_t": "stylegan3/nvidia",
    "hammer_stylegan3_t": "stylegan3/hammer",
    "biggan_ajbrock": "biggan/ajbrock",
    "biggan_deep": "biggan-deep/huggingface",
    "r3gan": "r3gan/r3gan",
    "studiogan_sngan": "studiogan/resnet",
    "studiogan_biggan": "studiogan/big-resnet",
    "studiogan_bigdeep_studiogan": "studiogan/big-resnet-deep-studiogan",
}


def refusal(state: State) -> str:
    with pytest.raises(CheckpointError) as caught:
        detect_network(families(), state, {})
    return str(caught.value)


def layouts_of(family: str) -> set[str]:
    return {f"{family}/{layout.name}" for layout in families()[family].layouts}


@pytest.mark.parametrize("prefix", mostly_long(["", "netG.", "models.generator_smooth."], ("netG.",)))
@pytest.mark.parametrize("pack", PACKS)
def test_a_missing_required_key_is_named_with_its_prefix(pack: str, prefix: str) -> None:
    state = {prefix + key: tensor for key, tensor in Golden.read(pack).state.items()}
    network = detect_network(families(), state, {})
    family = PACKS[pack].partition("/")[0]
    for key in network.layout.required_keys:
        missing = network.prefix + key
        rest = {name: tensor for name, tensor in state.items() if name != missing}
        if pack == "studiogan_bigdeep_studiogan" and key in {"blocks.0.0.conv2d0.bias", "blocks.0.0.conv2d4.bias"}:
            assert detect_network(families(), rest, {}).layout.name in {"big-resnet-deep-legacy", "big-resnet"}
            continue
        message = refusal(rest)
        assert "shapes" not in message, (key, message)
        nearest = message.partition("the nearest is ")[2].partition(",")[0]
        if f"which also has {missing}" in message:
            assert nearest in layouts_of(family), (key, message)
        else:  # several layouts of a family may have this key: another is as near
            assert nearest in layouts_of(family) or "known are files of" in message, (key, message)


@pytest.mark.parametrize("pack", mostly_long(PACKS, ("stylegan2_ada", "hammer_stylegan3_t")))
def test_shapes_are_named_only_where_they_differ(pack: str, tmp_path: Path) -> None:
    state = Golden.read(pack).state
    for key in list(state)[::7]:
        torch.save({name: tensor for name, tensor in state.items() if name != key}, tmp_path / "x.pt")
        try:
            detect_checkpoint(tmp_path / "x.pt", families())
        except CheckpointError as error:
            assert "other shapes" not in str(error), (key, error)


def test_keys_of_several_networks_are_not_put_together() -> None:
    """One network has the first key, another one the second: no network has both."""
    state = {"a.0.weight": torch.ones(2), "b.1.running_mean": torch.ones(2), "c.4.weight": torch.ones(2)}
    assert refusal(state).endswith("known are files of " + ", ".join(sorted(families())))


def test_a_network_that_a_layout_refused_is_said_to_have_other_layers() -> None:
    state = {"net.layer0.weight": torch.ones(3, 3, 3, 3), "net.output0.weight": torch.ones(3)}
    assert refusal(state).endswith("it has the keys of pggan/genforce under net, but other layers or shapes")


def test_the_first_keys_and_the_families_are_listed() -> None:
    message = refusal({f"layers.{index}.attn.qkv.weight": torch.ones(2) for index in range(9)})
    assert "its keys begin layers.0.attn.qkv.weight, layers.1.attn.qkv.weight" in message
    assert "known are files of biggan, biggan-deep, dcgan" in message
