"""The packages of examples/, as third parties would write them: built, installed beside zoo, and used."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import zoo
from tests.support import fork_server
from tests.support.once import made_once
from tests.support.toys import write_tiny
from zoo.cli import run
from zoo.plugins import load_plugins

ROOT = Path(__file__).parents[1]
EXAMPLES = sorted(path.parent for path in (ROOT / "examples").glob("*/pyproject.toml"))
MODULES = [example.name.replace("-", "_") for example in EXAMPLES]
PIP = ("-m", "pip", "install", "--quiet", "--no-deps", "--disable-pip-version-check", "--target")
# The requirements of zoo-lightweight-gan, other than those that zoo has too, such as torch and torchvision.
LIBRARY = (
    "lightweight-gan==1.2.1",
    "adabelief-pytorch==0.2.1",
    "colorama==0.4.6",
    "einops==0.8.2",
    "kornia==0.9.0",
    "kornia_rs==0.2.0",
    "tabulate==0.10.0",
)


def python(
    *arguments: str | Path, cwd: Path, site: tuple[Path, ...] = (), executable: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    """Run Python with folders on its search path, and zoo with its default settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith("ZOO_")}
    path = [*map(str, site), *filter(None, kept.get("PYTHONPATH", "").split(os.pathsep))]
    return subprocess.run(
        [executable, *map(str, arguments)],
        cwd=cwd,
        env={**kept, "PYTHONPATH": os.pathsep.join(path)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheels of all examples from copies, and install them into a folder."""

    def build(base: Path) -> None:
        shutil.copytree(ROOT / "examples", base / "source", ignore=shutil.ignore_patterns("__pycache__", "dist"))
        sources = [base / "source" / example.name for example in EXAMPLES]
        done = python(*PIP, base / "site", "--no-index", "--no-build-isolation", *sources, cwd=base)
        assert done.returncode == 0, done.stderr

    return made_once(tmp_path_factory, "examples", build) / "site"


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Download the package lightweight-gan and its requirements; with CI set, that must succeed."""
    base = tmp_path_factory.mktemp("library")
    done = python(*PIP, base, "--only-binary", ":all:", *LIBRARY, cwd=base)
    if done.returncode and not os.environ.get("CI"):
        pytest.skip(f"lightweight-gan cannot be fetched: {done.stderr.strip().splitlines()[-1]}")
    assert done.returncode == 0, done.stderr
    return base


@pytest.fixture
def here(site: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Change to an empty folder, in which the command line can run in this process with the examples installed."""
    monkeypatch.syspath_prepend(site)
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "tiny.safetensors")
    yield tmp_path
    for name in [name for name in sys.modules if name.partition(".")[0] in MODULES]:
        del sys.modules[name]


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example.name)
def test_an_example_is_complete(example: Path, site: Path) -> None:
    [distribution] = site.glob(f"{example.name.replace('-', '_')}-*.dist-info")
    assert (distribution / "licenses" / "LICENSE").read_text().startswith("MIT License")
    assert f"# {example.name}" in (distribution / "METADATA").read_text()
    assert (site / example.name.replace("-", "_") / "py.typed").exists()


def test_listing_the_examples_does_not_import_torch(site: Path, tmp_path: Path) -> None:
    """All are listed without importing torch."""
    code = "import sys\nfrom zoo.cli import run\nassert run(['list', '--matrix', '--json']) == 0\n"
    code += "assert run(['info', 'ganspace']) == 0\nassert 'torch' not in sys.modules"
    done = python("-c", code, cwd=tmp_path, site=(site,))
    assert done.returncode == 0, done.stderr
    rows = json.JSONDecoder().raw_decode(done.stdout)[0]
    fitting = {row["adapter"] for row in rows if row["obstacles"]["ganspace"] is None}
    assert {"dcgan", "stylegan2", "biggan", "lightweight-gan-library"} <= fitting
    assert "draws = 10000" in done.stdout


def pytest_of(*examples: str, cwd: Path, site: tuple[Path, ...]) -> None:
    """Run the tests of examples as their authors do, in a new process."""
    folders = [ROOT / "examples" / name / "tests" for name in examples]
    settings = ROOT / "examples" / examples[0] / "pyproject.toml"
    options = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "-c", settings)
    done = python(*options, *folders, cwd=cwd, site=site, executable=fork_server.python())
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tests_of_the_analyses_pass(site: Path, tmp_path: Path) -> None:
    pytest_of("zoo-ganspace", cwd=tmp_path, site=(site,))


@pytest.mark.long
@pytest.mark.real
def test_the_tests_of_the_architecture_pass(site: Path, library: Path, tmp_path: Path) -> None:
    pytest_of("zoo-lightweight-gan", cwd=tmp_path, site=(site, library))


def test_ganspace_is_used_like_any_analysis(here: Path) -> None:
    assert run(["analyze", "./tiny.safetensors", "-a", "ganspace", "-o", "draws=500", "--out", "run"]) == 0
    found = zoo.Directions.load(here / "run")
    assert found.provenance["components_of"] == "activations"
    assert "ganspace" in (here / "run" / "report.html").read_text(encoding="utf-8")


def test_supervised_boundaries_are_compared_with_unsupervised_directions(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The first table of the SeFa paper: the nearest direction of each attribute, in one command."""
    latents = torch.randn(400, 12, generator=torch.Generator().manual_seed(1))
    sefa = zoo.analyze("./tiny.safetensors", "sefa", device="cpu", k=12)
    scores = {
        f"score/{name}": (latents @ sefa.vectors[row].float()).contiguous() for name, row in (("hat", 4), ("bow", 7))
    }
    save_file({"latents": latents, **scores}, here / "labelled.safetensors")
    question = ["compare", "interfacegan", "sefa", "--model", "./tiny.safetensors", "-o", "k=12"]
    assert run([*question, "-o", "labelled=labelled.safetensors", "-o", "share=0.4", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    names = told["a"]["attributes"]
    assert sorted(names) == ["bow", "hat"]
    nearest = {name: row["nearest"] for name, row in zip(names, told["nearest_of_a"], strict=True)}
    assert nearest == {"hat": 4, "bow": 7}
    assert all(row["cosine"] > 0.9 for row in told["nearest_of_a"])
    assert run([*question, "-o", "labelled=labelled.safetensors", "-o", "share=0.4", "--force"]) == 0
    printed = capsys.readouterr().out
    for name, row in nearest.items():
        assert re.search(rf"^\d {name}\s+{row}\s+0\.0", printed, flags=re.MULTILINE), printed
    assert list(here.glob("runs/compare-interfacegan-sefa*/comparison.png"))


SCORER = """
import torch
from zoo import Scorer, ScorerPlugin, hookimpl

class Light(Scorer):
    attributes = ("light top", "light bottom")

    def fits(self, card):
        return card.adapter == "dcgan"

    def score(self, images):
        return torch.stack([half.mean(dim=(1, 2, 3)) for half in images.chunk(2, dim=2)], dim=1)

@hookimpl
def zoo_scorers():
    return [ScorerPlugin(name="light", summary="test", load=lambda: Light, attributes=Light.attributes)]
"""


def test_boundaries_of_an_installed_scorer_have_the_names_of_its_attributes(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = here / "site" / "light-1.0.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: light\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[zoo]\nlight = light_scorer\n")
    (here / "site" / "light_scorer.py").write_text(SCORER)
    monkeypatch.syspath_prepend(here / "site")
    assert "light" in load_plugins().scorers
    question = ["analyze", "./tiny.safetensors", "-a", "interfacegan", "-o", "draws=400", "-o", "batch=100"]
    assert run([*question, "--out", "run"]) == 0
    sys.modules.pop("light_scorer")
    found = zoo.Directions.load(here / "run")
    assert sorted(found.attributes or ()) == ["light bottom", "light top"]
    assert min(found.provenance["accuracy"].values()) > 0.8
    printed = capsys.readouterr().out
    page = (here / "run" / "report.html").read_text(encoding="utf-8")
    for index, name in enumerate(found.attributes or ()):
        assert f"{index} {name}" in printed
        assert f"Direction {index} {name}" in page


@pytest.mark.long
@pytest.mark.real
def test_the_model_that_lightweight_gan_trained(site: Path, library: Path, tmp_path: Path) -> None:
    """It can be opened by its name and analysed."""
    commands = [
        ["list", "lightweight-gan-library"],
        ["sample", "lightweight-gan-library", "--samples", "2", "--out", "samples"],
        *(
            [
                "analyze",
                "lightweight-gan-library",
                "-a",
                name,
                "--region",
                "eyes",
                "--unseen",
                "0",
                "--show",
                "1",
                "--out",
                name,
            ]
            for name in ("nullspace", "ganspace")
        ),
    ]
    code = f"from zoo.cli import run\nfor command in {commands!r}:\n    assert run(command) == 0, command\n"
    done = python("-W", "error", "-c", code, cwd=tmp_path, site=(site, library), executable=fork_server.python())
    assert done.returncode == 0, done.stderr
    assert "lightweight-gan-library.avatars32" in done.stdout
    assert zoo.Directions.load(tmp_path / "nullspace").space == zoo.LatentSpace("z", 64)
