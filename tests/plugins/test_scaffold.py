"""New packages are built and installed as they were written; they can be analysed, and pass their own checks."""

from __future__ import annotations

import hashlib
import re
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from tests.support import fork_server
from tests.support.once import made_once
from tests.support.plugins import environment
from zoo._version import CONTRACT
from zoo.cli import run
from zoo.errors import OptionError, OutputError, UnknownNameError, ZooError
from zoo.plugins import load_plugins
from zoo.plugins.scaffold import KINDS, new_package

ROOT = Path(__file__).parents[2]
LONGEST = "abcdefghij-abcdefghij-abcdefgh"
NAMES = {"adapter": LONGEST, "analyzer": "q", "projector": "my-encoder"}
PLUGINS = load_plugins()


def call(*command: str | Path, cwd: Path, site: Path) -> str:
    """Run a tool of this environment with a folder on the search path, and require that it succeeds."""
    done = subprocess.run(
        [fork_server.python(), "-m", *map(str, command)],
        cwd=cwd,
        env=environment(site, ROOT, ROOT / "adapters", ROOT / "analyzers"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """An adapter with the longest name that is allowed, an analyzer with the shortest, and a projector."""
    base = tmp_path_factory.mktemp("new")
    return {kind: new_package(kind, name, base / kind, plugins=PLUGINS) for kind, name in NAMES.items()}


@pytest.fixture(scope="module")
def site(packages: dict[str, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheels, and install them into a folder."""

    def build(folder: Path) -> None:
        wheels: list[Path] = []
        for package in packages.values():
            call("hatchling", "build", "-t", "wheel", cwd=package, site=folder)
            wheels += (package / "dist").glob("*.whl")
        pip = ("pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check", "--target")
        call(*pip, folder, *wheels, cwd=folder, site=folder)

    return made_once(tmp_path_factory, "scaffolds", build)


@pytest.mark.long
@pytest.mark.parametrize("families", ["dcgan", "all"])
def test_their_own_tests_pass(packages: dict[str, Path], site: Path, tmp_path: Path, families: str) -> None:
    """The tests run in another folder, so they import the installed packages. Some try all architectures."""
    others = [name for name in PLUGINS.adapters if name != families] if families != "all" else []
    folders = [package / "tests" for package in packages.values()]
    output = call(
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--import-mode=importlib",
        "-W",
        "error",
        "-k",
        " and ".join(f"not {name}" for name in others),
        *folders,
        cwd=tmp_path,
        site=site,
    )
    assert " passed" in output
    # Where an architecture needs a library that is not installed, the tests of the analyzer and the projector skip it.
    skipped = re.search(r"(\d+) skipped", output)
    assert (int(skipped[1]) if skipped else 0) == (0 if others or find_spec("diffusers") else 2)


def test_the_demo_can_be_analysed(site: Path, tmp_path: Path) -> None:
    arguments = ("analyze", f"{LONGEST}.demo", "--analyzer", "q", "--region", "middle", "--show", "1", "--out", "run")
    call("zoo", *arguments, cwd=tmp_path, site=site)
    assert (tmp_path / "run" / "report.html").is_file()
    listed = call("zoo", "plugins", cwd=tmp_path, site=site)
    for name in (f"zoo-{LONGEST}", "zoo-q", "zoo-my-encoder"):
        [line] = [line for line in listed.splitlines() if name in line.split("\t")]
        assert f"{CONTRACT[0]}.0" in line.split("\t")  # what it was written for


def test_a_picture_of_the_demo_can_be_projected(site: Path, tmp_path: Path) -> None:
    demo = f"{LONGEST}.demo"
    call("zoo", "sample", demo, "--seeds", "1,2", "--each", "--out", "own", cwd=tmp_path, site=site)
    pictures = ("own/seed-0001.png", "own/seed-0002.png")
    asked = ("--projector", "my-encoder", "-o", "samples=50", "--out", "run")
    assert "my-encoder: a linear encoder" in call("zoo", "project", demo, *pictures, *asked, cwd=tmp_path, site=site)
    assert "my-encoder" in call("zoo", "list", "--projectors", cwd=tmp_path, site=site)
    assert "--projector my-encoder" in call("zoo", "info", "my-encoder", cwd=tmp_path, site=site)


def test_the_card_has_the_hash_of_the_weights(packages: dict[str, Path]) -> None:
    [registry] = packages["adapter"].glob("zoo_*/registry.yaml")
    [card] = yaml.safe_load(registry.read_text("utf-8"))["models"]
    weights = (registry.parent / "bundled" / "demo.safetensors").read_bytes()
    assert card["weights"]["sha256"] == hashlib.sha256(weights).hexdigest()
    assert card["weights"]["size"] == len(weights)


def test_the_files_of_a_package(packages: dict[str, Path]) -> None:
    shared = {".gitignore", ".github/workflows/test.yml", "LICENSE", "README.md", "pyproject.toml"}
    for kind, package in packages.items():
        module = f"zoo_{NAMES[kind].replace('-', '_')}"
        found = {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}
        made = ("dist/", ".mypy_cache/", ".pytest_cache/", "__pycache__/")  # by the other tests
        found = {name for name in found if not any(word in name for word in made)}
        assert shared | {f"{module}/__init__.py", f"{module}/py.typed", "tests/test_conformance.py"} <= found
        assert not [name for name in found if "MODULE" in name or name.endswith(".j2")]
        for name in found - {f"{module}/bundled/demo.safetensors"}:
            assert "{{" not in (package / name).read_text("utf-8").replace("${{ matrix.python }}", "")


# What is refused


@pytest.mark.parametrize(
    "name", ["", "Mine", "1st", "my_gan", "my--gan", "-gan", "gan-", "my gan", "a/b", "é", "a" * 31]
)
@pytest.mark.parametrize("kind", KINDS)
def test_names_that_are_not_allowed(kind: str, name: str, tmp_path: Path) -> None:
    refused(OptionError, "lower-case letters", tmp_path, kind, name)


def test_names_that_are_taken(tmp_path: Path) -> None:
    refused(OptionError, "there is an adapter dcgan already", tmp_path, "adapter", "dcgan")
    refused(OptionError, "there is an analyzer sefa already", tmp_path, "analyzer", "sefa")
    refused(OptionError, "there is a module zoo_scorers already", tmp_path, "projector", "scorers")
    refused(OptionError, "there is a module zoo_adapters already", tmp_path, "analyzer", "adapters")


def test_an_unknown_kind(tmp_path: Path) -> None:
    refused(UnknownNameError, "did you mean adapter", tmp_path, "adaptor", "mine")


def refused(error: type[ZooError], words: str, folder: Path, kind: str, name: str) -> None:
    with pytest.raises(error, match=words):
        new_package(kind, name, folder / "new", plugins=PLUGINS)
    assert not list(folder.iterdir())


def test_an_existing_folder_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "zoo-mine").mkdir()
    (tmp_path / "zoo-mine" / "thesis.txt").write_text("precious")
    with pytest.raises(OutputError, match="exists: name another folder"):
        new_package("analyzer", "mine", tmp_path / "zoo-mine", plugins=PLUGINS)
    assert [path.name for path in (tmp_path / "zoo-mine").iterdir()] == ["thesis.txt"]


def test_a_failure_leaves_no_partial_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> subprocess.CompletedProcess[str]:
        return subprocess.CompletedProcess([], 1, "", "Traceback\nOSError: no room")

    monkeypatch.setattr("zoo.plugins.scaffold.subprocess.run", fail)
    with pytest.raises(ZooError, match="could not make the weights of the demo: OSError: no room"):
        new_package("adapter", "mine", tmp_path / "deep" / "new", plugins=PLUGINS)
    assert not list(tmp_path.iterdir())


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["new", "analyzer", "mine"]) == 0
    assert capsys.readouterr().out == "zoo-mine: pip install -e './zoo-mine[dev]'\n"
    assert [path.name for path in tmp_path.iterdir()] == ["zoo-mine"]
