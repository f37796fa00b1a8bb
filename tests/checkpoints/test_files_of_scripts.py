"""Files as scripts and frameworks leave them: what they say is built, and what lies beside the weights is left out."""

from __future__ import annotations

import argparse
import enum
import functools
import operator
import re
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from tests.support.golden import Golden
from tests.support.wrappings import dcgan, read
from zoo._utils import showing
from zoo.errors import CheckpointError


def layers(activation: Callable[[], nn.Module] = nn.ReLU, last: nn.Module | None = None) -> list[nn.Module]:
    """Make a DCGAN's layers, with random weights and statistics."""
    torch.manual_seed(0)
    made = [
        *(nn.ConvTranspose2d(12, 16, 4, bias=False), nn.BatchNorm2d(16), activation()),
        *(nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.BatchNorm2d(8), activation(), nn.ConvTranspose2d(8, 3, 4, 2, 1)),
    ]
    for norm in (made[1], made[4]):
        assert isinstance(norm, nn.BatchNorm2d)
        norm.running_mean, norm.running_var = torch.randn(norm.num_features), torch.rand(norm.num_features) + 0.5
    return [*made, *([last] if last else [])]


class Generator(nn.Module):
    """A network as most scripts have it, perhaps with a last layer of its own."""

    def __init__(self, main: list[nn.Module], last: nn.Module | None = None) -> None:
        super().__init__()
        self.main = nn.Sequential(*main)
        if last:
            self.last = last

    def forward(self, inputs: Tensor) -> Tensor:
        return self.last(self.main(inputs)) if "last" in self._modules else self.main(inputs)  # type: ignore[no-any-return]


class Named(nn.Module):
    """A network whose layers have names, and whose code applies them."""

    def __init__(self, activation: nn.Module, last: nn.Module) -> None:
        super().__init__()
        self.convTr1, self.batchNorm1, _, self.convTr2, self.batchNorm2, _, self.convTr3 = layers()
        self.convTr1.bias = self.convTr2.bias = self.convTr3.bias = None  # type: ignore[assignment]
        self.activation, self.last = activation, last

    def forward(self, inputs: Tensor) -> Tensor:
        x = self.activation(self.batchNorm1(self.convTr1(inputs)))
        x = self.convTr3(self.activation(self.batchNorm2(self.convTr2(x))))
        return self.last(x)  # type: ignore[no-any-return]


def leaky() -> nn.Module:
    return nn.LeakyReLU(0.2)


def with_stride(made: list[nn.Module]) -> list[nn.Module]:
    made[0].stride = (2, 2)  # type: ignore[assignment]
    return made


def with_dropout(kind: Callable[[], nn.Module]) -> list[nn.Module]:
    made = layers(last=nn.Tanh())
    return [*made[:3], kind(), *made[3:]]


WHOLE: dict[str, Callable[[], nn.Module]] = {
    "sigmoid": lambda: Generator(layers(last=nn.Sigmoid())),
    "leaky and sigmoid": lambda: Generator(layers(leaky, nn.Sigmoid())),
    "sigmoid beside": lambda: Generator(layers(), nn.Sigmoid()),
    "tanh beside": lambda: Generator(layers(leaky), nn.Tanh()),
    "named": lambda: Named(nn.LeakyReLU(0.3), nn.Sigmoid()),
    "data-parallel": lambda: nn.DataParallel(Generator(layers(leaky, nn.Tanh()))),
    "no last activation": lambda: nn.Sequential(*layers()),
    "no last activation, data-parallel": lambda: nn.DataParallel(nn.Sequential(*layers())),
    "first stride": lambda: Generator(with_stride(layers(last=nn.Tanh()))),
    "alpha dropout": lambda: Generator(with_dropout(nn.AlphaDropout)),
    "synchronised": lambda: nn.SyncBatchNorm.convert_sync_batchnorm(Generator(layers(last=nn.Tanh()))),
}


@pytest.mark.parametrize("kind", WHOLE)
def test_a_whole_dcgan_is_drawn_as_it_says(kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    network = WHOLE[kind]().eval()
    torch.save({"netG": network, "epoch": 3}, tmp_path / "x.pt")
    latents = torch.randn(2, 12)
    inner = network.module if isinstance(network, nn.DataParallel) else network
    expected = inner(latents[:, :, None, None]).detach()
    if any(isinstance(module, nn.Sigmoid) for module in network.modules()):
        expected = 2 * expected - 1
    model = zoo.load(tmp_path / "x.pt", device="cpu")
    assert torch.allclose(model.adapter.synthesize(zoo.Codes(latents)), expected, atol=1e-5)
    assert not model.assumed
    assert "does not say" not in capsys.readouterr().err


def test_a_layer_with_a_name_among_numbers_is_refused(tmp_path: Path) -> None:
    network = Generator(layers(last=nn.Tanh()))
    network.main.add_module("squash", nn.Sigmoid())
    torch.save(network, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="layer squash is Sigmoid: zoo reads layers that have numbers"):
        zoo.load(tmp_path / "x.pt", device="cpu")


def small_variances(state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {key: tensor * 1e-4 if key.endswith("stored_var") else tensor for key, tensor in state.items()}


IN_DOUBT: dict[str, tuple[Callable[[], Any], str]] = {
    "a plain DCGAN": (lambda: dcgan("main."), ""),
    "StyleGAN2 without a mean": (
        lambda: {k: t for k, t in Golden.read("stylegan2_ada").state.items() if k != "mapping.w_avg"},
        "Assumed: w_avg=the mean of 4,096 codes\n",
    ),
    "StyleGAN2": (lambda: Golden.read("stylegan2_ada").state, ""),
    "BigGAN": (lambda: Golden.read("biggan_ajbrock").state, ""),
    "BigGAN of small variances": (
        lambda: small_variances(Golden.read("biggan_ajbrock").state),
        "Assumed: epsilon=1e-05; choose",
    ),
    "a whole DCGAN whose code has the last activation": (
        lambda: Generator(layers()),
        "Assumed: output_activation=tanh; choose",
    ),
}


@pytest.mark.parametrize("kind", IN_DOUBT)
def test_only_what_is_in_doubt_is_said(
    kind: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(showing, "_shown", set())
    make, said = IN_DOUBT[kind]
    torch.save(make(), tmp_path / "x.pt")
    assert zoo.load(tmp_path / "x.pt", device="cpu").assumed
    errors = capsys.readouterr().err
    assert said in errors if said else "Assumed" not in errors


class Outer:
    """A script's class with a class inside."""

    class Mode(enum.Enum):
        TRAIN = 1


class Node:
    """A tree whose nodes know what holds them."""

    def __init__(self, parent: Node | None = None) -> None:
        self.parent = parent
        self.children = [] if parent else [Node(self), Node(self)]


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": [value]}
    return value


def holding_itself() -> Any:
    namespace = argparse.Namespace(values=[1])
    namespace.me, namespace.both = namespace, {"again": namespace}
    return [namespace, vars(namespace)]


BESIDE: dict[str, Callable[[], Any]] = {
    "an enum inside a class": lambda: {Outer.Mode.TRAIN: Outer.Mode},
    "functions": lambda: [torch.tanh, functools.partial(torch.optim.Adam, lr=0.1), operator.itemgetter(1)],
    "types": lambda: [typing.Optional[int], list[int], re.compile("a")],  # noqa: UP045
    "generators": lambda: [torch.Generator(), np.random.PCG64(1), np.random.SeedSequence(3)],
    "a masked array": lambda: np.ma.array([1, 2], mask=[False, True]),
    "a tree": Node,
    "what holds itself": holding_itself,
    "what is deep": lambda: deep(40),
    "a storage": lambda: torch.ones(3).untyped_storage(),
    "an expanded tensor": lambda: torch.ones(1).expand(4000),
}


@pytest.mark.parametrize("what", BESIDE)
def test_what_a_script_keeps_beside_the_weights_is_left_out(what: str, tmp_path: Path) -> None:
    found = read({"netG": dcgan("main."), "extra": BESIDE[what]()}, tmp_path)
    assert torch.equal(found.state["convs.0.weight"], dcgan("main.")["main.0.weight"])


LOGS: dict[str, Callable[[], Any]] = {
    "dictionaries": lambda: [{"step": i, "g": i / 7, "d": [0.5, i]} for i in range(1_500)],
    "pairs": lambda: [(i, i / 7) for i in range(1_500)],
    "numpy's numbers": lambda: [np.float64(i / 7) for i in range(1_500)],
    "texts": lambda: [f"step {i}" for i in range(2_500)],
    "nothing": lambda: [None] * 2_500,
}


@pytest.mark.parametrize("what", LOGS)
def test_a_log_is_left_out_however_long(what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The limits are a hundredth of the usual ones, and so are the logs."""
    monkeypatch.setattr("zoo.checkpoints.unpickle.limits._MAX_VALUES", 2_000)
    monkeypatch.setattr("zoo.checkpoints.unpickle.limits._MAX_OPCODES", 4_000)
    found = read({"netG": dcgan("main."), "extra": LOGS[what]()}, tmp_path)
    assert torch.equal(found.state["convs.0.weight"], dcgan("main.")["main.0.weight"])


@pytest.mark.parametrize("name", ["Gema", "netGema", "g_running", "g_mavg", "polyak"])
def test_more_names_of_averages(name: str, tmp_path: Path) -> None:
    state = dcgan("main.")
    found = read({name: state, "other": {key: 2 * tensor for key, tensor in state.items()}}, tmp_path)
    assert found.averaged == f"yes: {name}.main, not other.main"


def test_a_network_that_is_stored_twice_needs_no_choice(tmp_path: Path) -> None:
    state = Golden.read("pggan").state
    found = read({"state_dict": state, "best_state_dict": dict(state), "epoch": 3}, tmp_path)
    assert torch.equal(found.state["start.bias"], read(state, tmp_path).state["start.bias"])


def test_variants_of_a_layout_are_no_hint(tmp_path: Path) -> None:
    made = layers()
    network = nn.Sequential(*made[:3], nn.Upsample(scale_factor=2), nn.Conv2d(16, 3, 3), nn.BatchNorm2d(3))
    with pytest.raises(CheckpointError, match=r"has the keys of dcgan/sequential, but other layers or shapes"):
        read(network.state_dict(), tmp_path)
