"""The wheel: what is in it, and that it works by itself, away from the checkout."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path, PurePosixPath

import pytest
import torch
from safetensors.torch import save_file

from tests.support.once import made_once
from zoo._version import __version__
from zoo.plugins import load_plugins

ROOT = Path(__file__).parents[1]
SHELVES = {
    "zoo": "zoo",
    "zoo_adapters": "adapters/zoo_adapters",
    "zoo_analyzers": "analyzers/zoo_analyzers",
    "zoo_scorers": "scorers/zoo_scorers",
}

pytestmark = pytest.mark.skipif(not (ROOT / ".git").exists(), reason="a checkout is needed to build from")


def call(command: list[str], cwd: Path, **variables: str) -> str:
    """Run a command without the ZOO_ and PYTHON variables of this process; it must succeed silently."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ZOO_", "PYTHON"))}
    done = subprocess.run(command, cwd=cwd, env={**kept, **variables}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def files_of_the_checkout() -> list[PurePosixPath]:
    """Every file that git tracks, or would if it were added."""
    listed = call(["git", "ls-files", "--cached", "--others", "--exclude-standard"], ROOT)
    return [PurePosixPath(line) for line in sorted(set(listed.splitlines())) if (ROOT / line).is_file()]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel from a copy, so that the checkout stays as it is."""

    def build(source: Path) -> None:
        for name in files_of_the_checkout():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, source / name)
        call([sys.executable, "-m", "hatchling", "build", "-t", "wheel"], source)

    [built] = (made_once(tmp_path_factory, "checkout", build) / "dist").glob("*.whl")
    return built


@pytest.fixture(scope="module")
def members(wheel: Path) -> list[str]:
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the wheel alone into a folder."""

    def install(folder: Path) -> None:
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
        call([*pip, "--disable-pip-version-check", "--target", str(folder), str(wheel)], folder)

    return made_once(tmp_path_factory, "site-of-the-wheel", install)


def test_the_packages_and_nothing_else(wheel: Path, members: list[str]) -> None:
    assert wheel.name == f"latent_zoo-{__version__}-py3-none-any.whl"
    assert {name.partition("/")[0] for name in members} == {*SHELVES, f"latent_zoo-{__version__}.dist-info"}
    assert len(set(members)) == len(members)
    code = [name for name in members if not name.startswith(("zoo/plugins/new/", "zoo/report/templates/"))]
    assert not [name for name in code if "test_" in name or "/tests/" in name or "__pycache__" in name]


def test_every_file_of_the_packages(members: list[str]) -> None:
    """The wheel holds the files of the packages, `registry.yaml` inside zoo, and what describes it."""
    wanted = {
        f"{package}/{name.relative_to(shelf)}"
        for name in files_of_the_checkout()
        for package, shelf in SHELVES.items()
        if name.is_relative_to(shelf)
    }
    assert {name for name in members if ".dist-info/" not in name} == wanted | {"zoo/registry.yaml"}


@pytest.mark.parametrize(
    "name",
    [
        "zoo/registry.yaml",
        "zoo/report/templates/report.html.j2",
        "zoo/py.typed",
        "zoo_adapters/py.typed",
        "zoo_analyzers/py.typed",
        "zoo_scorers/py.typed",
        "zoo_scorers/avatars/card.json",
        "zoo_scorers/avatars/weights.safetensors",
        f"latent_zoo-{__version__}.dist-info/licenses/LICENSE",
    ],
)
def test_what_is_no_python(members: list[str], name: str) -> None:
    assert name in members


def test_the_command_is_declared(wheel: Path) -> None:
    parser = configparser.ConfigParser()
    with zipfile.ZipFile(wheel) as archive:
        parser.read_string(archive.read(f"latent_zoo-{__version__}.dist-info/entry_points.txt").decode())
        registry = archive.read("zoo/registry.yaml")
    assert {name: dict(parser[name]) for name in parser.sections()} == {"console_scripts": {"zoo": "zoo.cli:main"}}
    assert registry == (ROOT / "registry.yaml").read_bytes()


def test_the_packages_come_from_the_wheel(site: Path, tmp_path: Path) -> None:
    code = (
        "import json, zoo, zoo_adapters, zoo_analyzers, zoo_scorers, zoo.registry.card_files as r\n"
        "print(json.dumps([zoo.__file__, zoo_adapters.__file__, zoo_analyzers.__file__, zoo_scorers.__file__,"
        " str(r.built_in_file())]))"
    )
    found = json.loads(call([sys.executable, "-c", code], tmp_path, PYTHONPATH=str(site)))
    assert found == [str(site / package / "__init__.py") for package in SHELVES] + [str(site / "zoo" / "registry.yaml")]


def test_listing(site: Path, tmp_path: Path) -> None:
    listed = call([str(site / "bin" / "zoo"), "list", "--json"], tmp_path, PYTHONPATH=str(site))
    cards = [line for line in (ROOT / "registry.yaml").read_text("utf-8").splitlines() if line.startswith("  - name: ")]
    assert len(json.loads(listed)) == len(cards) > 0
    assert call([str(site / "bin" / "zoo"), "--version"], tmp_path, PYTHONPATH=str(site)) == f"zoo {__version__}\n"


def test_python_dash_m(site: Path, tmp_path: Path) -> None:
    """Where the script is not on the PATH, the package itself can be run."""
    assert "dcgan" in call([sys.executable, "-m", "zoo", "list"], tmp_path, PYTHONPATH=str(site))


@pytest.mark.long
def test_analysis(site: Path, tmp_path: Path) -> None:
    """A tiny network is analysed, and everything that zoo loads for it comes from the wheel."""
    write_tiny(tmp_path / "tiny.safetensors")
    arguments = ["analyze", "./tiny.safetensors", "-a", "lowrank", "--region", "center", "--device", "cpu"]
    code = (
        "import sys\nfrom zoo.cli import run\n"
        f"assert run({[*arguments, '--out', 'run']!r}) == 0\n"
        "ours = [m.__file__ for n, m in sys.modules.items() if n.partition('.')[0] in "
        f"{sorted(SHELVES)!r} and m.__file__]\n"
        f"strangers = [file for file in ours if not file.startswith({str(site)!r})]\n"
        "assert not strangers, strangers\n"
    )
    call([sys.executable, "-c", code], tmp_path, PYTHONPATH=str(site))
    assert {path.name for path in (tmp_path / "run").iterdir()} == {
        "sheet.png",
        "report.html",
        "directions.safetensors",
        "codes.safetensors",
        ".zoo-run.json",
    }
    assert "<html" in (tmp_path / "run" / "report.html").read_text(encoding="utf-8")


def write_tiny(path: Path) -> None:
    """Write DCGAN's tiny network in one of its public file formats."""
    state = load_plugins().adapter("dcgan").resolve().tiny(0).network.state_dict()
    renamed: dict[str, torch.Tensor] = {}
    for key, tensor in state.items():
        kind, number, rest = key.split(".", 2)
        renamed[f"{'convTr' if kind == 'convs' else 'batchNorm'}{int(number) + 1}.{rest}"] = tensor
    save_file(renamed, path)
