"""The sample plugin, built and installed, and the command line with it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import zoo
from tests.support import fork_server
from tests.support.once import made_once
from tests.support.plugins import Zoo, environment, python
from zoo import Model
from zoo.plugins import Plugins, load_plugins

SAMPLE = Path(__file__).parents[1] / "third_party" / "zoo-sample-adapter"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sample plugin's wheel in a copy of its source, and install it into a folder of its own."""

    def build(base: Path) -> None:
        source, site = base / "source", base / "site"
        shutil.copytree(SAMPLE, source, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
        weights = source / "zoo_sample_adapter" / "pebbles32.safetensors"
        python("-m", "zoo_sample_adapter.make", weights, site=source, cwd=base)
        python("-m", "hatchling", "build", "-t", "wheel", site=source, cwd=source)
        [wheel] = (source / "dist").glob("*.whl")
        pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
        python(*pip, "--target", site, wheel, site=source, cwd=base)

    return made_once(tmp_path_factory, "sample-plugin", build) / "site"


@pytest.fixture
def run_zoo(tmp_path: Path) -> Zoo:
    """Run the installed command in an empty folder, with folders of plugins and further environment variables."""

    def run(*arguments: str | Path, site: tuple[Path, ...] = (), **further: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [fork_server.zoo(), *map(str, arguments)],
            cwd=tmp_path,
            env=environment(*site, **further),
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def sample_zoo(run_zoo: Zoo, installed: Path) -> Zoo:
    """Run the command with the sample plugin, and require that it succeeds."""

    def run(*arguments: str | Path, **further: str) -> subprocess.CompletedProcess[str]:
        done = run_zoo(*arguments, site=(installed,), **further)
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def plugins(installed: Path) -> Iterator[Plugins]:
    """The plugins with the sample installed; its modules are removed from this process afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(installed)
        yield load_plugins()
    for name in [name for name in sys.modules if name.partition(".")[0] == "zoo_sample_adapter"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def mosaic(plugins: Plugins) -> Model:
    """The model that the sample ships."""
    return zoo.load("mosaic", device="cpu")
