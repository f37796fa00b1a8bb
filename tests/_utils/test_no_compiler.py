"""Neither opening a file nor a derivative imports torch's compiler, and torch is left as it was."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
import torch

from zoo._utils.no_compiler import _ATTRIBUTE, _wrapped_functions, without_compiler

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
from zoo.testing import draw

for packs in PACKS.values():
    for pack in packs:
        found = read(network(pack), Path())
        families()[found.family].load(found.state, found.config)
        assert "torch._dynamo" not in sys.modules, f"{pack} is opened"
seen = []
for name, family in families().items():
    adapter = family.tiny(0)
    operator = RegionJacobian(adapter, draw(adapter, 1, 0), parse_region("center", adapter.resolution))
    operator.vjp(operator.jvp(torch.eye(adapter.space.dim)[:2]))
    MemoryModel(lambda size: operator.jvp(torch.eye(adapter.space.dim)[:size]))
    assert "torch._dynamo" not in sys.modules, name
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
