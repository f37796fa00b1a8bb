"""Neither opening a file nor a derivative imports torch's compiler or sympy, and torch is left as it was."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import pytest
import torch

from zoo._utils.no_compiler import (
    _ANSWERS,
    _ATTRIBUTE,
    _SYMBOLIC_SHAPES,
    _StandIn,
    _wrapped_functions,
    without_compiler,
)

ROOT = Path(__file__).parents[2]
HOLDS_FOR = ("2.14",)  # versions of torch whose internals were looked at; with others zoo only starts more slowly
known_torch = pytest.mark.skipif(not torch.__version__.startswith(HOLDS_FOR), reason="torch has other internals")

SCRIPT = """
import os, sys, torch
from pathlib import Path
from tests.support.families import families
from tests.support.wrappings import PACKS, network, read
from zoo.core.region import parse_region
from zoo.jacobian.memory import MemoryModel
from zoo.jacobian.operator import RegionJacobian
from zoo.models.cost import image_cost
from zoo.testing import draw

for packs in PACKS.values():
    for pack in packs:
        found = read(network(pack), Path())
        families()[found.family].load(found.state, found.config)
        assert not {"torch._dynamo", "sympy"} & set(sys.modules), f"{pack} is opened"
seen = []
for name, family in families().items():
    adapter = family.tiny(0)
    operator = RegionJacobian(adapter, draw(adapter, 1, 0), parse_region("center", adapter.resolution))
    operator.vjp(operator.jvp(torch.eye(adapter.space.dim)[:2]))
    MemoryModel(lambda size: operator.jvp(torch.eye(adapter.space.dim)[:size]))
    image_cost(adapter)
    assert not {"torch._dynamo", "sympy"} & set(sys.modules), name
    seen.append(name)
assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ
print(*seen)
"""


@pytest.mark.long
@known_torch
def test_opening_and_differentiating_any_family_do_not_import_the_compiler(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key != "TORCHINDUCTOR_CACHE_DIR"}
    environment["PYTHONPATH"] = os.pathsep.join([str(ROOT), *sys.path])
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], cwd=tmp_path, capture_output=True, text=True, check=False, env=environment
    )
    assert done.returncode == 0, done.stderr
    assert {"dcgan", "pggan", "biggan", "stylegan", "stylegan2", "stylegan3", "r3gan"} <= set(done.stdout.split())


@known_torch
def test_torch_is_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "torch._dynamo", raising=False)
    functions = _wrapped_functions(sys.modules["torch._refs"])
    assert len(functions) > 50
    for function in functions:
        monkeypatch.delattr(function, _ATTRIBUTE, raising=False)  # another test may have imported the compiler
    with pytest.raises(KeyError), without_compiler():
        assert all(getattr(function, _ATTRIBUTE) is function for function in functions)
        with without_compiler():
            pass
        assert all(getattr(function, _ATTRIBUTE) is function for function in functions), "the inner one leaves it"
        raise KeyError
    assert not any(hasattr(function, _ATTRIBUTE) for function in functions)


@pytest.mark.parametrize("references", [None, ModuleType("torch._refs")], ids=["without it", "without wrappers"])
def test_a_torch_with_other_internals_is_left_alone(
    references: ModuleType | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(sys.modules, "torch._dynamo", raising=False)
    monkeypatch.setitem(sys.modules, "torch._refs", references)
    with without_compiler():
        pass
    assert references is None or _wrapped_functions(references) == ()


QUESTIONS = [
    ("expect_true", (True,)),
    ("expect_true", (False,)),
    ("guard_or_false", (True,)),
    ("guard_or_true", (False,)),
    ("guard_size_oblivious", (False,)),
    ("statically_known_true", (True,)),
    ("guarding_hint_or_throw", (7,)),
    ("guarding_hint_or_throw", (True,)),
    ("has_guarding_hint", (7,)),
    ("is_nested_int", (7,)),
    ("sym_and", (True, True, False)),
    ("sym_and", (True,)),
    ("sym_or", (False, True)),
    ("sym_or", (False, False)),
    ("sym_eq", (3, 3)),
    ("sym_eq", (3, 4)),
    ("sym_eq", ((1, 2), [1, 2])),
    ("sym_eq", (torch.Size([1, 2]), (1, 3))),
    ("sym_eq", ((1, 2), (1, 2, 3))),
]


@known_torch
@pytest.mark.filterwarnings("ignore:guard_size_oblivious:FutureWarning")
@pytest.mark.parametrize(("name", "values"), QUESTIONS, ids=str)
def test_questions_about_plain_sizes_have_the_answers_of_torch(name: str, values: tuple[object, ...]) -> None:
    answer, real = _ANSWERS[name](*values), getattr(importlib.import_module(_SYMBOLIC_SHAPES), name)(*values)
    assert (type(answer), answer) == (type(real), real)


def test_every_answer_is_compared_with_that_of_torch() -> None:
    assert {name for name, _ in QUESTIONS} == set(_ANSWERS)


@pytest.fixture
def no_sympy(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a new process; afterwards, what was imported before is back."""
    package = importlib.import_module(_SYMBOLIC_SHAPES.rpartition(".")[0])
    kept = {name: module for name, module in sys.modules.items() if name.partition(".")[0] == "sympy"}
    for name in (*kept, _SYMBOLIC_SHAPES):
        monkeypatch.delitem(sys.modules, name, raising=False)
    monkeypatch.delattr(package, "symbolic_shapes", raising=False)


@pytest.mark.usefixtures("no_sympy")
def test_stand_ins_are_there_as_long_as_they_are_needed() -> None:
    package = sys.modules[_SYMBOLIC_SHAPES.rpartition(".")[0]]
    with without_compiler():
        shapes = sys.modules[_SYMBOLIC_SHAPES]
        assert isinstance(shapes, _StandIn)
        assert package.symbolic_shapes is shapes
        assert shapes.sym_eq(3, 3)
        assert find_spec("sympy") is not None, "other code may ask whether there is one"
        with without_compiler():
            pass
        assert sys.modules[_SYMBOLIC_SHAPES] is shapes, "the inner one leaves it"
    assert not {"sympy", _SYMBOLIC_SHAPES} & set(sys.modules)
    assert not hasattr(package, "symbolic_shapes")


@pytest.mark.usefixtures("no_sympy")
@pytest.mark.parametrize("name", ["sympy", _SYMBOLIC_SHAPES])
def test_a_stand_in_that_is_asked_for_more_makes_room_for_the_real_module(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ModuleType("real")
    real.more = "there"  # type: ignore[attr-defined]
    monkeypatch.setattr("zoo._utils.no_compiler.import_module", lambda asked: sys.modules.setdefault(asked, real))
    with without_compiler():
        stand_in = sys.modules[name]
        assert stand_in.more == "there"
        assert sys.modules[name] is real
        assert stand_in.more == "there", "and whoever holds the stand-in gets there too"
    assert sys.modules[name] is real
    del sys.modules[name]


@pytest.mark.usefixtures("no_sympy")
def test_what_is_no_plain_number_is_asked_of_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    real = ModuleType("real")
    real.sym_eq = lambda left, right: ("torch", left, right)  # type: ignore[attr-defined]
    monkeypatch.setattr("zoo._utils.no_compiler.import_module", lambda asked: real)
    with without_compiler():
        asked = sys.modules[_SYMBOLIC_SHAPES].sym_eq
        assert asked("a symbol", 3) == ("torch", "a symbol", 3)
        assert asked([1, "a symbol"], [1, 2])[0] == "torch"
