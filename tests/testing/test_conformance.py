"""The conformance suite: valid plugins and cards pass, and each fault fails exactly the check that is about it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from tests.support import broken
from tests.support.families import families
from tests.support.hostile import eyes_state
from tests.support.marks import mostly_long
from tests.support.plugins import write_plugin
from tests.support.toys import sequential
from zoo.cli import run
from zoo.conformance import CONTRACTS, Check, checks_of
from zoo.errors import ContractError, UnknownNameError
from zoo.registry.registry import Installation, load_installation
from zoo.testing import (
    analyzer_checks,
    architecture_checks,
    card_checks,
    network_checks,
    option_checks,
    projection_checks,
    projector_checks,
    scorer_checks,
)
from zoo.testing import (
    subject as subject_module,
)
from zoo.testing.assertions import leaves_no_trace
from zoo.testing.subject import Subject, require_torch_free

ROOT = Path(__file__).parents[2]
INSTALLATION = load_installation()
ANALYZERS = INSTALLATION.plugins.analyzers
BROKEN: dict[str, dict[str, Any]] = {
    "adapter": broken.ADAPTERS,
    "analyzer": broken.ANALYZERS,
    "scorer": broken.SCORERS,
    "projector": broken.PROJECTORS,
}
VALID = {
    "adapter": broken.adapter_entry(),
    "analyzer": broken.analyzer_entry(),
    "scorer": broken.scorer_entry(),
    "projector": broken.projector_entry(),
}
FAULTS = [(kind, check) for kind, faults in BROKEN.items() for check in faults]


def failures(kind: str, item: Any, installation: Installation = INSTALLATION) -> dict[str, str]:
    """Run the checks of a kind but "import", and return the messages of those that fail."""
    messages = {}
    subject = Subject(kind, item, installation)
    for name in CONTRACTS[kind]:
        try:
            if name != "import":
                Check(kind, name, subject)()
        except ContractError as error:
            messages[name] = str(error)
    return messages


# The table of checks

MODULES = (
    analyzer_checks,
    architecture_checks,
    card_checks,
    network_checks,
    option_checks,
    projection_checks,
    projector_checks,
    scorer_checks,
    subject_module,
)
HELPERS = {"check_derivatives", "check_forward_at", "check_reverse_at"}  # parts of "forward" and "reverse"


def test_the_table_lists_every_check() -> None:
    """A check that is not in the table would never run."""
    listed = [contract.resolve() for contracts in CONTRACTS.values() for contract in contracts.values()]
    defined = {
        function
        for module in MODULES
        for name, function in vars(module).items()
        if name.startswith("check_") and name not in HELPERS and function.__module__ == module.__name__
    }
    assert set(listed) == defined
    assert len(set(listed)) == len(listed) - 4  # "import" is one function for four kinds, "options" for two


# What holds


@pytest.mark.parametrize("kind", VALID)
def test_valid_plugins_pass(kind: str) -> None:
    assert failures(kind, VALID[kind]) == {}


OF_ARCHITECTURES = [name for name, contract in CONTRACTS["adapter"].items() if contract.takes != "network"]


BUILT_IN = [card.name for card in INSTALLATION.registry.cards.values()]


@pytest.mark.parametrize("check", OF_ARCHITECTURES)
def test_the_built_in_architectures(check: str) -> None:
    """Their networks are checked in tests/adapters, and all their imports at once in test_startup.py."""
    for name in list(families())[: 1 if check == "import" else None]:
        {str(each): each for each in checks_of("adapter", name, INSTALLATION)}[check]()


@pytest.mark.parametrize("analyzer", mostly_long(ANALYZERS, ("sefa", "nullspace")))
def test_the_built_in_analyses(analyzer: str) -> None:
    for check in checks_of("analyzer", analyzer, INSTALLATION):
        check()


@pytest.mark.parametrize("scorer", INSTALLATION.plugins.scorers)
def test_the_built_in_scorers(scorer: str) -> None:
    assert failures("scorer", INSTALLATION.plugins.scorer(scorer)) == {}


@pytest.mark.parametrize("card", mostly_long(BUILT_IN, BUILT_IN[::8]))
def test_the_built_in_cards(card: str) -> None:
    """Only the checks that need no weights."""
    for check in checks_of("card", card, INSTALLATION):
        if check.name in {"card", "licence", "regions"}:
            check()


@pytest.mark.real
def test_a_card_with_weights(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "card", "dcgan.digiface64"]) == 0
    assert capsys.readouterr().out.count("✓") == len(CONTRACTS["card"])


# What does not hold


@pytest.mark.parametrize(("kind", "check"), mostly_long(FAULTS, FAULTS[::3]))
def test_a_fault_fails_only_its_check(kind: str, check: str) -> None:
    entry, words = BROKEN[kind][check]
    with torch.random.fork_rng():
        messages = failures(kind, entry)
    assert set(messages) == {check}, messages
    assert words in messages[check]
    assert messages[check].startswith("the contract is: ")
    assert messages[check].endswith(f"; read docs/contract.md#{kind}-{check}")


def test_every_check_has_a_fault() -> None:
    for kind, faults in {**BROKEN, "card": CARDS}.items():
        assert set(faults) == set(CONTRACTS[kind]) - {"import"}, kind


@pytest.mark.parametrize("fault", broken.STEPS)
def test_projections_that_the_network_does_not_compute(fault: str) -> None:
    entry, words = broken.STEPS[fault]
    messages = failures("adapter", entry)
    assert set(messages) == {"first-steps"}
    assert words in messages["first-steps"]


@pytest.mark.parametrize(
    ("fault", "check", "words"),
    [
        ({"parts": "light"}, "parts", "parts are 'light', but a list or tuple of different names"),
        ({"parts": ("light", "light")}, "parts", "parts are ('light', 'light'), but"),
        ({"parts": ("light", "")}, "parts", "parts are ('light', ''), but"),
        ({"parts": 2}, "parts", "parts are 2, but"),
        ({"parts": ()}, "parts", "a scorer that defines masks names the parts"),
        ({"parts": ("light",)}, "masks", "masks are bool on cpu of shape (3, 2, 64, 64), but bools of shape (3, 1, 64"),
        ({"masks": lambda self, images: images[:, :2]}, "masks", "masks are float32 on cpu of shape"),
        ({"masks": lambda self, images: (images[:, :2] > 0).to("meta")}, "masks", "masks are bool on meta"),
        ({"masks": lambda self, images: (images[:, :2] > 0).numpy()}, "masks", "masks are a ndarray, but a tensor"),
        ({"masks": lambda self, images: images[:, :2, :9] > 0}, "masks", "of shape (3, 2, 9, 64), but bools"),
        ({"masks": lambda self, images: torch.rand(len(images), 2, 64, 64) > 0.5}, "masks", "the same masks"),
        ({"masks": lambda self, images: images.mul_(0)[:, :2] > 0}, "traces", "images stay unchanged"),
    ],
)
def test_parts_that_zoo_could_not_use(fault: dict[str, Any], check: str, words: str) -> None:
    with torch.random.fork_rng():
        assert words in failures("scorer", broken.scorer_entry(**fault))[check]


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        ({"channels": 2}, r"channels is 1 (grey), 3 (RGB) or 4 (RGBA); seen: 2"),
        ({"channels": 4}, "images of (3, 4, 8, 8); seen: (3, 3, 8, 8)"),
    ],
)
def test_channels_that_are_not_drawn(fault: dict[str, Any], words: str) -> None:
    assert words in failures("adapter", broken.adapter_entry(**fault))["images"]


def test_an_adapter_without_channels_draws_rgb_and_one_with_them_may_draw_grey() -> None:
    assert not failures("adapter", VALID["adapter"])
    grey = broken.adapter_entry(channels=1, synthesize=lambda self, codes: self.network(codes.latents)[:, :1])
    assert not failures("adapter", grey)


def test_an_entry_that_imports_torch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the process that is asked, it is the only plugin, so it is not blamed for the imports of another."""
    code = "from zoo import AdapterPlugin, hookimpl\n@hookimpl\ndef zoo_adapters():\n"
    code += "    return [AdapterPlugin(name='NAME', summary='', load=list, provides=frozenset())]\n"
    write_plugin(tmp_path, "a-light-plugin", code.replace("NAME", "light"))
    write_plugin(tmp_path, "a-heavy-plugin", "import torch\n" + code.replace("NAME", "heavy"))
    (tmp_path / "torch.py").write_text("")  # the new process finds this one, which is imported sooner
    monkeypatch.syspath_prepend(tmp_path)
    require_torch_free("adapter", "light", "a-light-plugin 1.2")
    with pytest.raises(ContractError, match="they import torch"):
        require_torch_free("adapter", "heavy", "a-heavy-plugin 1.2")


def test_changed_global_state_is_detected(monkeypatch: pytest.MonkeyPatch) -> None:
    changes: dict[str, Callable[[], object]] = {
        "torch's random state": lambda: torch.rand(1),
        "gradient mode": lambda: torch.set_grad_enabled(not torch.is_grad_enabled()),
        "the default dtype": lambda: torch.set_default_dtype(torch.float64),
        "the environment": lambda: monkeypatch.setenv("ZOO_NEW", "1"),
    }
    for name, change in changes.items():
        try:
            detected = pytest.raises(ContractError, match=f"{name} stays unchanged")
            with torch.random.fork_rng(), detected, leaves_no_trace():
                change()
        finally:
            torch.set_grad_enabled(True)
            torch.set_default_dtype(torch.float32)


# Cards

# For each check of a card: what is changed in a valid one, and words of the message.
CARDS: dict[str, tuple[dict[str, Any], str]] = {
    "card": ({"name": "other.mine"}, "a name that begins with dcgan.; seen: other.mine"),
    "licence": ({"licence": {"weights": "unknown"}}, "licence.weights says the terms"),
    "weights": ({"size": 5}, "a file of 5 bytes, as the card says"),
    "container": ({"file": "tiny.pt"}, "shipped weights are safetensors; seen: torch zip"),
    "model": ({"space": "w"}, "codes w 12; seen: z (12)"),
    "regions": ({"regions": {"far": "box:0,0,99,1"}}, "the region far fits 16x16 pixels; seen: region box:0,0,99,1"),
    "classes": (
        {"file": "eyes.safetensors", "resolution": 8, "dim": 100, "classes": ["cat"] * 8},
        "each class has a name of its own; seen: cat, cat",
    ),
    "samples": ({"file": "flat.safetensors"}, "another code gives another image; seen: the same image"),
}


def write_card(folder: Path, *, file: str = "tiny.safetensors", size: int | None = None, **fields: Any) -> Path:
    """Write a registry file of one card, and weights in its folder ``bundled``."""
    state = sequential(INSTALLATION.plugins.adapter("dcgan").resolve().tiny(0).network.state_dict())
    if file.startswith("eyes"):
        state = eyes_state()
    weights = folder / "bundled" / file
    weights.parent.mkdir()
    if file.startswith("flat"):
        state["main.6.weight"] = torch.zeros_like(state["main.6.weight"])
    torch.save(state, weights) if weights.suffix == ".pt" else save_file(state, weights)
    valid = {
        "name": "dcgan.mine",
        "adapter": "dcgan",
        "summary": "a test",
        "resolution": 16,
        "space": "z",
        "dim": 12,
        "weights": {
            "sources": [{"url": f"bundled:{file}"}],
            "sha256": hashlib.sha256(weights.read_bytes()).hexdigest(),
            "size": size or weights.stat().st_size,
        },
        "licence": {"weights": "CC0-1.0"},
        "regions": {"spot": "box:2,2,4,4"},
    }
    registry = folder / "cards.yaml"
    registry.write_text(json.dumps({"models": [{**valid, **fields}]}))
    return registry


def test_a_card_with_more_classes_than_its_network_does_not_open(tmp_path: Path) -> None:
    installation = load_installation([write_card(tmp_path, classes=["cat", "dog"])])
    messages = failures("card", installation.registry.cards["dcgan.mine"], installation)
    assert set(messages) == {"model", "samples"}
    assert "its card names 2 classes, but" in messages["model"]


@pytest.mark.parametrize("check", ["", *CARDS])
def test_a_fault_of_a_card_fails_only_its_check(check: str, tmp_path: Path) -> None:
    changed, words = CARDS.get(check, ({}, ""))
    installation = load_installation([write_card(tmp_path, **changed)])
    [card] = [card for card in installation.registry.cards.values() if card.name.endswith(".mine")]
    messages = failures("card", card, installation)
    assert set(messages) == ({check} if check else set()), messages
    assert words in messages.get(check, "")


# The command, and the list


def test_the_command_shows_every_check(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", "analyzer", "sefa"]) == 0
    out = capsys.readouterr().out
    assert [line.split()[:2] for line in out.splitlines()] == [["✓", name] for name in CONTRACTS["analyzer"]]


def test_the_command_fails_where_a_check_does(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The exit code is 1, as for every `ContractError`: a bug in the plugin, not a mistake of the user."""
    registry = write_card(tmp_path, **CARDS["regions"][0])
    assert run(["--registry", str(registry), "check", "card", "dcgan.mine"]) == 1
    out, err = capsys.readouterr()
    [line] = [line for line in out.splitlines() if line.startswith("✗")]
    assert CARDS["regions"][1] in line
    assert err.splitlines()[-1] == "zoo: card dcgan.mine fails 1 of 8 checks: regions"


def test_unknown_names() -> None:
    with pytest.raises(UnknownNameError, match="kind of thing to check is called 'model'"):
        checks_of("model", "dcgan", INSTALLATION)
    with pytest.raises(UnknownNameError, match="did you mean dcgan"):
        checks_of("adapter", "dcgna", INSTALLATION)


def test_every_contract_is_documented() -> None:
    """Every message ends with a link to the documentation, so each link must have its anchor."""
    page = (ROOT / "docs" / "contract.md").read_text("utf-8")
    anchors = set(re.findall(r'<a id="([\w-]+)">', page))
    assert {check.page.partition("#")[2] for check in checks_of("adapter", "dcgan", INSTALLATION)} <= anchors
    assert {f"{kind}-{name}" for kind, checks in CONTRACTS.items() for name in checks} <= anchors
