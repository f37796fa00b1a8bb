"""The command line starts fast: looking things up imports neither torch nor numpy, and takes little time."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import zoo
from tests.support.marks import mostly_long

COMMAND = Path(sys.executable).with_name("zoo")
SLOW = ("torch", "numpy", "timm", "huggingface_hub", "safetensors", "PIL", "imageio_ffmpeg", "jinja2", "matplotlib")
RATIO = 3.5
ROUNDS = 15

LOOKUPS = {
    "help": ["--help"],
    "version": ["--version"],
    "list": ["list"],
    "list json": ["list", "--json"],
    "list pattern": ["list", "dcgan*"],
    "matrix": ["list", "--matrix"],
    "adapters": ["list", "--adapters"],
    "analyzers": ["list", "--analyzers"],
    "scorers": ["list", "--scorers"],
    "plugins": ["plugins"],
    "help of new": ["new", "--help"],
    "help of check": ["check", "--help"],
    "mistaken kind of package": ["new", "adaptor", "mine"],
    "mistaken name of a package": ["new", "adapter", "My GAN"],
    "mistaken check": ["check", "model", "dcgan"],
    "info model": ["info", "dcgan"],
    "info adapter": ["info", "adapter:dcgan"],
    "info analyzer": ["info", "lowrank"],
    "info scorer": ["info", "scorer:avatars"],
    "help of a command": ["analyze", "--help"],
    "list wide": ["list", "--wide"],
    "info json": ["info", "stylegan3", "--json"],
    "plugins json": ["plugins", "--json"],
    "help of an analysis": ["analyze", "-h", "-a", "lowrank", "dcgan"],
    "mistake": ["info", "dcgna"],
    "mistaken option": ["list", "--no-such-option"],
}
# Only these describe options, which are pydantic models.
WITH_PYDANTIC = {"info adapter", "info analyzer", "help of an analysis"}


def loaded_by(code: str) -> list[str]:
    """Run code in a new process, and return the packages that it imported."""
    ending = "\nimport json, sys\nprint(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code + ending], capture_output=True, text=True, check=True)
    found: list[str] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.fixture(scope="session")
def lookups() -> dict[str, list[str]]:
    """The packages that were there after each lookup. They share two processes, of which one may import pydantic."""
    found = {}
    for kinds in (LOOKUPS.keys() - WITH_PYDANTIC, WITH_PYDANTIC):
        code = (
            "import sys\nfrom zoo.cli import run\nloaded = {}\n"
            f"for kind, words in {[(kind, LOOKUPS[kind]) for kind in LOOKUPS if kind in kinds]!r}:\n"
            "    assert run(words) == (2 if 'mistake' in kind else 0), kind\n"
            "    loaded[kind] = sorted({name.partition('.')[0] for name in sys.modules})\n"
            "import json\nprint(json.dumps(loaded))"
        )
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        found.update(json.loads(done.stdout.splitlines()[-1]))
    return found


@pytest.mark.parametrize("kind", LOOKUPS)
def test_lookups_load_nothing_slow(kind: str, lookups: dict[str, list[str]]) -> None:
    assert not set(SLOW) & set(lookups[kind])
    if kind not in WITH_PYDANTIC:
        assert "pydantic" not in lookups[kind]


# A word that nobody knows, a file that is not there, a number out of range: each in every command that takes it.
MISTAKES = [
    *(f"{command} nope" for command in ("analyze", "sample", "bench", "info", "pull", "studio", "convert", "remove")),
    *(f"{command} ./nope.pt" for command in ("analyze", "sample", "bench", "info", "studio", "convert")),
    *(f"{command} nope" for command in ("name", "pick", "edit biggan", "score biggan", "compare nope")),
    *(f"{command} nope.npy:0,2" for command in ("pick", "edit biggan")),
    "add nope.pt --name biggan.mine",
    "analyze biggan,nope -a sefa",
    "analyze biggan -a sefa,nope",
    "bench biggan -a nope:k=2",
    "compare sefa nope --model biggan",
    "compare sefa sefa --model nope",
    "edit nope nope.npy",
    "find nope smile",
    "find biggan smile --scorer nope",
    "project nope picture.png",
    "project biggan nope.png nope.jpg",
    "project biggan nope.png --projector nope",
    "push nope owner/name",
    "score nope nope.npy",
    "sweep nope.yaml",
    *(
        f"sample biggan {option}"
        for option in ("--codes nope", "--tuned nope", "--dtype half", "--samples 0", "--seed -1", "--seeds 3-1")
    ),
    *(f"analyze biggan {option}" for option in ("--truncation 7", "--memory x", "--scorer nope")),
]


@pytest.fixture(scope="session")
def mistakes() -> dict[str, tuple[int, list[str]]]:
    """The exit code of each mistaken call, and what was loaded after it."""
    code = (
        "import sys\nfrom zoo.cli import run\nfound = {}\n"
        f"for line in {MISTAKES!r}:\n"
        "    found[line] = run(line.split()), sorted({name.partition('.')[0] for name in sys.modules})\n"
        "import json\nprint(json.dumps(found))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    found: dict[str, tuple[int, list[str]]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("line", MISTAKES)
def test_mistakes_are_found_before_anything_slow_is_loaded(
    line: str, mistakes: dict[str, tuple[int, list[str]]]
) -> None:
    status, loaded = mistakes[line]
    assert status == 2
    assert not set(SLOW) & set(loaded)


LIGHT = ["zoo", "zoo.cli", "zoo.plugins.entries", "zoo.plugins.hookspecs", "zoo.plugins.discovery"]
LIGHT += ["zoo.plugins.manager", "zoo.registry.registry", "zoo.conformance", "zoo.testing"]


@pytest.mark.parametrize("module", mostly_long(LIGHT, ("zoo.cli", "zoo.registry.registry", "zoo.testing")))
def test_light_modules_load_nothing_slow(module: str) -> None:
    assert not {*SLOW, "pydantic"} & set(loaded_by(f"import {module}"))


def test_importing_zoo_loads_no_command_line() -> None:
    assert not {"typer", "click", "rich"} & set(loaded_by("import zoo"))


@pytest.mark.parametrize("chosen", mostly_long([{}, {"OMP_WAIT_POLICY": "ACTIVE", "THP_MEM_ALLOC_ENABLE": "0"}], ({},)))
def test_settings_of_torch_are_made_before_its_import(chosen: dict[str, str]) -> None:
    """Threads sleep while they wait, and pages of memory are large; values of the user's are kept."""
    defaults = {"OMP_WAIT_POLICY": "PASSIVE", "THP_MEM_ALLOC_ENABLE": "1"}
    code = "from zoo.cli import main\nimport os, sys\nsys.argv = ['zoo', '--version']\ntry: main()\n"
    code += f"finally: print({{name: os.environ[name] for name in {sorted(defaults)}}}, 'torch' in sys.modules)"
    variables = {key: value for key, value in os.environ.items() if key not in defaults} | chosen
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == f"{defaults | chosen} False"


@pytest.mark.long
@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="no other system tells which pages it was asked for")
@pytest.mark.parametrize("chosen", ["1", "0"])
def test_large_tensors_lie_on_large_pages(chosen: str) -> None:
    """Where a version of torch did not know the variable, nothing else would tell: results are the same."""
    code = (
        "from zoo.cli.app import start\nassert start(['--version']) == 0\nimport pathlib, torch\n"
        "large = torch.ones(16_000_000)\n"
        "flags = [line.split() for line in pathlib.Path('/proc/self/smaps').read_text().splitlines()]\n"
        "print(any(line[0] == 'VmFlags:' and 'hg' in line for line in flags))"
    )
    variables = {**os.environ, "THP_MEM_ALLOC_ENABLE": chosen}
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == str(chosen == "1")


@pytest.mark.long
def test_torch_is_imported_without_the_garbage_collector() -> None:
    """What it made is then left out of all collections, and those of what is made later take place."""
    code = (
        "import gc, sys\nfrom zoo.cli.app import start\nassert start(['--version']) == 0\nfound = []\n"
        "gc.callbacks.append(lambda phase, facts: found.append('torch' in sys.modules))\nimport torch\n"
        "print(len(found) < 3, gc.isenabled(), gc.get_freeze_count() > 100_000, type(sys.meta_path[0]).__name__)\n"
        "import importlib.util\nassert importlib.util.find_spec('torch').origin == torch.__file__"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1].startswith("True True True"), done.stdout
    assert "_Finder" not in done.stdout


def test_built_in_entries_load_nothing_slow() -> None:
    """Importing all entries and all options does not import torch."""
    loaded = loaded_by(
        "from zoo.plugins import load_plugins\n"
        "found = load_plugins()\n"
        "for entry in [*found.adapters.values(), *found.analyzers.values()]: entry.schema()\n"
        "assert found.scorers is not None and found.registries is not None"
    )
    assert not {"torch", "numpy"} & set(loaded)


@pytest.mark.perf
def test_list_takes_little_longer_than_its_libraries(tmp_path: Path) -> None:
    """Listing takes little longer than its imports; compare the fastest of interleaved runs.

    It takes 2.6 times as long on idle cores, and up to 3.1 times where other tests share them.
    """
    listing = [str(COMMAND), "list"]
    libraries = [sys.executable, "-c", "import typer, rich, pluggy, yaml"]
    times: dict[str, list[float]] = {"listing": [], "libraries": []}
    for _ in range(ROUNDS + 1):  # the first round warms the caches of compiled files
        for name, command in (("listing", listing), ("libraries", libraries)):
            times[name].append(_seconds(command, tmp_path))
    fastest = {name: min(found[1:]) for name, found in times.items()}
    assert fastest["listing"] <= RATIO * fastest["libraries"], fastest


def _seconds(command: list[str], folder: Path) -> float:
    variables = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env=variables, check=True, capture_output=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


# The names of the package


def test_unknown_names_are_refused() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        _ = getattr(zoo, "no_such_name")  # noqa: B009
