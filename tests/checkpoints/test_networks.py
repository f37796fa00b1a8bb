"""Networks are found wherever a training script put them, and what lies beside them is no reason to refuse a file."""

from __future__ import annotations

import argparse
import collections
import datetime
import decimal
import enum
import json
import pathlib
import uuid
from pathlib import Path

import numpy as np
import pytest
import torch
from _pytest.mark import ParameterSet
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support.families import families
from tests.support.golden import Golden
from tests.support.marks import mostly_long
from tests.support.wrappings import CONTAINERS, OPENINGS, PACKS, WRAPPINGS, adam, below, dcgan, opens, read
from zoo import CheckpointError, Layout
from zoo.checkpoints import detect_network
from zoo.checkpoints.wrappers import without_wrappers
from zoo.cli import run

CASES = {name: wrap for wrappings in WRAPPINGS.values() for name, wrap in wrappings.items()}


def cells() -> list[ParameterSet]:
    """The table's cells: one of each row, of another column each, where packs are few; the others take long."""
    found, quick = [], sorted(PACKS.keys() - {"biggan-deep", "studiogan"})
    for index, row in enumerate([*WRAPPINGS, *CONTAINERS]):
        for family in PACKS:
            tried = family == quick[index % len(quick)]
            found.append(pytest.param(family, row, marks=() if tried else pytest.mark.long))
    return found


@pytest.mark.parametrize(("family", "row"), cells())
def test_what_opens_is_what_the_documentation_says(family: str, row: str, tmp_path: Path) -> None:
    """On a difference that is meant: ``python -m tests.support.wrappings && python docs/generate.py``."""
    documented = json.loads(OPENINGS.read_text(encoding="utf-8"))[row][family]
    assert all(opens(row, pack, tmp_path) for pack in PACKS[family]) == documented


def test_the_documentation_has_every_row_and_every_architecture() -> None:
    table = json.loads(OPENINGS.read_text(encoding="utf-8"))
    assert list(table) == [*WRAPPINGS, *CONTAINERS]
    assert all(list(row) == sorted(families()) == list(PACKS) for row in table.values())
    assert [row for row, cells in table.items() if not all(cells.values())] == list(CONTAINERS)[-1:]


PREFIXES = ["main.", "model.", "net.", "gen.", "layers.", "self.model.", ""]
EACH_WRAPPED = [(wrapping, PREFIXES[index % len(PREFIXES)]) for index, wrapping in enumerate(CASES)]


@pytest.mark.parametrize(
    ("wrapping", "prefix"),
    mostly_long([(wrapping, prefix) for prefix in PREFIXES for wrapping in CASES], EACH_WRAPPED),
)
def test_a_sequential_network_has_any_name(wrapping: str, prefix: str, tmp_path: Path) -> None:
    found = read(CASES[wrapping](dcgan(prefix)), tmp_path)
    plain = read(dcgan("main."), tmp_path)
    assert found.family == "dcgan"
    assert all(torch.equal(found.state[key], tensor) for key, tensor in plain.state.items())


def test_what_was_taken_is_said(tmp_path: Path) -> None:
    state = Golden.read("stylegan2_ada").state
    assert read({"G": state, "G_ema": state}, tmp_path).averaged == "yes: G_ema, not G"
    assert read({"G": state}, tmp_path).averaged == "no: the file holds G only"
    assert read({"state_dict": state}, tmp_path).averaged == "not said: the file holds one network, state_dict"
    assert read(state, tmp_path).averaged == "not said: the file holds one network without a name"


def test_of_two_networks_one_is_chosen(tmp_path: Path) -> None:
    state = Golden.read("pggan").state
    other = {key: tensor + 1 for key, tensor in state.items()}
    content = {"netG_A": state, "nets": {"netG_B": other}}
    with pytest.raises(
        CheckpointError, match=r"2 networks, netG_A and nets\.netG_B: choose one with -o network=netG_A$"
    ):
        read(content, tmp_path)
    with pytest.raises(CheckpointError, match=r"no network called netG_C: it holds netG_A and nets\.netG_B"):
        read(content, tmp_path, "netG_C")
    assert torch.equal(read(content, tmp_path, "netG_A").state["start.bias"], read(state, tmp_path).state["start.bias"])
    for name in ("netG_B", "nets.netG_B"):
        found = read(content, tmp_path, name)
        assert torch.equal(found.state["start.bias"], read(other, tmp_path).state["start.bias"])


def test_a_network_is_chosen_by_any_name_on_the_way_to_it(tmp_path: Path) -> None:
    state = dcgan("main.")
    other = {key: 2 * tensor for key, tensor in state.items()}
    content = {"netA": state, "nets": {"netB": other}}
    for name in ("netB", "nets", "nets.netB", "netB.main", "nets.netB.main"):
        found, wanted = read(content, tmp_path, name).state, read(other, tmp_path).state
        assert all(torch.equal(tensor, found[key]) for key, tensor in wanted.items())
    with pytest.raises(CheckpointError, match=r"2 networks, netA\.main and nets\.netB\.main: choose one"):
        read(content, tmp_path, "main")


def test_the_option_chooses_from_python_and_stays_with_the_model(tmp_path: Path) -> None:
    torch.save(
        {"a": dcgan("main."), "b": {key: tensor * 2 for key, tensor in dcgan("main.").items()}}, tmp_path / "x.pt"
    )
    with pytest.raises(CheckpointError, match="choose one with -o network="):
        zoo.load(tmp_path / "x.pt", device="cpu")
    first, second = (
        zoo.load(tmp_path / "x.pt", device="cpu", options={"network": name}) for name in ("a.main", "b.main")
    )
    assert second.opening.options == {"network": "b.main"}
    assert run(["info", str(tmp_path / "x.pt")]) == 2
    assert run(["info", str(tmp_path / "x.pt"), "-o", "network=b.main"]) == 0
    assert run(["info", "dcgan", "-o", "network=b.main"]) == 2
    codes = first.sample(1)
    assert not torch.equal(first.adapter.synthesize(codes), second.adapter.synthesize(codes))
    run([*("analyze", str(tmp_path / "x.pt"), "-o", "network=b.main", "-o", "k=2", "--out", str(tmp_path / "run"))])
    record = zoo.Directions.load(tmp_path / "run").metadata()
    assert "network=b.main" in str(record["command"])
    assert run(["convert", str(tmp_path / "x.pt"), "-o", str(tmp_path / "b.safetensors")]) == 2
    assert run(["convert", str(tmp_path / "x.pt"), "-o", "network=b.main", "-o", str(tmp_path / "b.safetensors")]) == 0
    converted = zoo.load(tmp_path / "b.safetensors", device="cpu")
    assert torch.equal(second.adapter.synthesize(codes), converted.adapter.synthesize(codes))


@pytest.mark.parametrize("prefix", ["", "netG."])
def test_of_two_architectures_that_read_the_same_tensors_one_is_chosen(prefix: str) -> None:
    """Whether the other one looks for the network or for what holds it; further networks beside it change nothing."""
    state = {f"{prefix}{key}": tensor for key, tensor in dcgan("main.").items()}
    other = Layout("theirs", lambda state, meta: (state, {}), required_keys=(f"{prefix}main.0.weight",))
    adapters = {"dcgan": DCGAN, "their-dcgan": type("Theirs", (DCGAN,), {"layouts": (other,)})}
    layouts = r"architectures, (dcgan/\S+ and their-dcgan/theirs|their-dcgan/theirs and dcgan/\S+)"
    with pytest.raises(CheckpointError, match=rf"{layouts}: choose one with -o adapter=(their-)?dcgan$"):
        detect_network(adapters, state, {})
    for name, adapter in adapters.items():
        assert detect_network({name: adapter}, state, {}).family == name


def test_an_architecture_is_chosen_by_its_name(tmp_path: Path) -> None:
    torch.save(dcgan("main."), tmp_path / "x.pt")
    model = zoo.load(tmp_path / "x.pt", device="cpu", options={"adapter": "dcgan"})
    assert model.opening.options == {"adapter": "dcgan"}
    with pytest.raises(zoo.UnknownNameError, match="no adapter is called 'dcgann'"):
        zoo.load(tmp_path / "x.pt", device="cpu", options={"adapter": "dcgann"})
    with pytest.raises(CheckpointError, match="fits no known layout"):
        zoo.load(tmp_path / "x.pt", device="cpu", options={"adapter": "biggan"})
    with pytest.raises(zoo.OptionError, match=r"-o adapter=biggan: dcgan\.digiface64 is a dcgan, as its card says"):
        zoo.load("dcgan.digiface64", device="cpu", options={"adapter": "biggan"})


@pytest.mark.parametrize("kind", [list, tuple])
def test_a_network_in_a_list_is_found(kind: type, tmp_path: Path) -> None:
    state = Golden.read("pggan").state
    found = read(kind([{"epoch": 3}, {"generator": state}]), tmp_path)
    assert (found.family, found.averaged) == ("pggan", "no: the file holds 1.generator only")
    with pytest.raises(CheckpointError, match=r"it holds a (list|tuple), not a dictionary of weights"):
        read(kind([torch.ones(3), 3]), tmp_path)


def test_keys_that_would_collide_keep_their_wrappers() -> None:
    assert without_wrappers({"module.a": 1, "a": 2}) == {"module.a": 1, "a": 2}
    assert without_wrappers({"x.module.a": 1, "b": 2}) == {"x.a": 1, "b": 2}


def test_what_lies_right_beside_a_wrapped_network_is_not_its(tmp_path: Path) -> None:
    state = Golden.read("stylegan3_t").state
    beside = {
        "optimizer": {"state": {0: torch.ones(2)}},
        "other.weight": torch.ones(3),
        "random": torch.get_rng_state(),
    }
    for wrapper in ("module.", "_orig_mod.", "_orig_mod.module."):
        found = read({**below(wrapper)(state), **beside}, tmp_path)
        assert found.averaged == "not said: the file holds one network without a name"
        assert torch.equal(found.state["input.phases"], state["synthesis.input.phases"])


def test_layers_that_the_network_does_not_have_are_not_passed_over(tmp_path: Path) -> None:
    torch.save({**dcgan("main."), "main.3.extra.weight": torch.zeros(2)}, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match=r"left over: \(3\.extra\.weight\)"):
        zoo.load(tmp_path / "x.pt", device="cpu")


class Mode(enum.Enum):
    TRAIN = 1


BESIDE = {
    "a namespace with a path": argparse.Namespace(data=pathlib.PurePosixPath("/data")),
    "a path": {"data": pathlib.PurePosixPath("/data")},
    "a date": datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
    "a time zone": datetime.UTC,
    "losses": collections.deque([1.0], 100),
    "a counter": collections.Counter("ab"),
    "a random state": np.random.get_state(),
    "a generator": np.random.default_rng(0),
    "bytes": b"abc",
    "a bytearray": bytearray(b"abc"),
    "a slice": slice(1, 2),
    "a range": range(3),
    "a complex number": 1j,
    "texts": np.array(["cat", "dog"]),
    "objects": np.array([None, "dog"], dtype=object),
    "unsigned numbers": torch.ones(2).to(torch.uint16),
    "a decimal": decimal.Decimal("0.1"),
    "an id": uuid.UUID(int=3),
    "an enum": Mode.TRAIN,
    "keys that are pairs": {(1, 2): 3.0, Mode.TRAIN: 4},
    "a sparse tensor": torch.eye(2).to_sparse(),
    "a scalar of numpy": np.float64(0.5),
    "a dtype": torch.float16,
    "a long log": [index / 7 for index in range(450_000)],
    "a long log by step": {index: index / 7 for index in range(200_000)},
}


@pytest.mark.parametrize("what", mostly_long(BESIDE, {*BESIDE} - {"a long log", "a long log by step"}))
def test_what_lies_beside_the_weights_is_left_out(what: str, tmp_path: Path) -> None:
    found = read({"netG": dcgan("main."), "extra": BESIDE[what], "nested": [{"deep": BESIDE[what]}]}, tmp_path)
    assert found.family == "dcgan"
    assert torch.equal(found.state["convs.0.weight"], DCGAN.tiny(0).network.state_dict()["convs.0.weight"])


def test_what_cannot_be_read_inside_a_network_is_refused(tmp_path: Path) -> None:
    state = {**dcgan("main."), "main.7.weight": torch.ones(2).to(torch.uint16)}
    with pytest.raises(CheckpointError, match=r"zoo does not read .* belongs to the network netG\.main"):
        read({"netG": state}, tmp_path)


def test_counters_and_means_may_be_missing(tmp_path: Path) -> None:
    counted = {key: tensor for key, tensor in dcgan("main.").items() if not key.endswith("num_batches_tracked")}
    torch.save(counted, tmp_path / "old.pt")
    codes = DCGAN.tiny(0).sample(2, torch.Generator().manual_seed(0))
    model = zoo.load(tmp_path / "old.pt", device="cpu")
    assert torch.allclose(model.adapter.synthesize(codes), DCGAN.tiny(0).synthesize(codes), atol=1e-6)
    for pack, mean in (("stylegan2_ada", "mapping.w_avg"), ("stylegan1", "truncation.w_avg")):
        state = Golden.read(pack).state
        assert mean in state
        torch.save({key: tensor for key, tensor in state.items() if key != mean}, tmp_path / "no-mean.pt")
        assert zoo.load(tmp_path / "no-mean.pt", device="cpu").sample(1).latents.isfinite().all()


def test_noise_that_rosinality_did_not_store_is_drawn(tmp_path: Path) -> None:
    state = Golden.read("stylegan2_rosinality").state
    bare = {key: tensor for key, tensor in state.items() if not key.startswith("noises.")}
    assert len(bare) < len(state)
    torch.save({"g_ema": bare}, tmp_path / "bare.pt")
    first, again = (zoo.load(tmp_path / "bare.pt", device="cpu") for _ in range(2))
    codes = first.sample(1)
    assert torch.equal(first.adapter.synthesize(codes), again.adapter.synthesize(codes))


def test_the_mean_of_e4e_stands_beside_the_decoder(tmp_path: Path) -> None:
    state = Golden.read("stylegan2_rosinality").state
    mean = torch.arange(state["style.1.weight"].shape[0], dtype=torch.float32)
    encoder = {f"encoder.body.0.res_layer.{index}.weight": torch.ones(3, 3, 3, 3) for index in (1, 3)}
    beside = {"opts": {"output_size": 32, "device": "cuda:0"}, "global_step": 3, "optimizer": adam(state)}
    content = {"state_dict": {**below("decoder.")(state), **encoder}, **beside}
    assert "mapping.mean" not in read({**content, "latent_avg": None}, tmp_path).state
    for stored in (mean, mean[None], mean.expand(8, -1).clone()):
        found = read({**content, "latent_avg": stored}, tmp_path)
        assert torch.equal(found.state["mapping.mean"], mean)
