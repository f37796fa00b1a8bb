"""Commands work whatever surrounds them: terminals, half-installed plugins, plugins that print, ``~`` in settings."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import zoo
from tests.support.marks import mostly_long
from zoo._utils.paths import cache_folder, config_folder, expand_home
from zoo.core import LatentSpace
from zoo.registry.card_files import read_cards

COMMAND = Path(sys.executable).with_name("zoo")


def command(*arguments: str, encoding: str = "utf-8", **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **variables}
    environment["PYTHONPATH"] = os.pathsep.join(
        filter(None, [variables.get("PYTHONPATH"), os.environ.get("PYTHONPATH")])
    )
    return subprocess.run(
        [COMMAND, *arguments], env=environment, capture_output=True, encoding=encoding, errors="replace", check=False
    )


def install(folder: Path, name: str, code: str, *, metadata: bool = True) -> None:
    """Write a plugin as pip would install it, or as an interrupted pip leaves it."""
    information = folder / f"{name}-1.0.dist-info"
    information.mkdir()
    (information / "entry_points.txt").write_text(f"[zoo]\n{name} = {name}\n")
    if metadata:
        (information / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
    (folder / f"{name}.py").write_text(code)


@pytest.mark.parametrize("encoding", mostly_long(["ascii", "cp1251", "cp932"], ("ascii",)))
@pytest.mark.parametrize("arguments", [["list"], ["analyze", "--help"]])
def test_signs_that_an_encoding_lacks_are_replaced(arguments: list[str], encoding: str) -> None:
    done = command(*arguments, PYTHONUTF8="0", PYTHONIOENCODING=encoding, encoding=encoding)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout) > 500 and "?" not in done.stdout


@pytest.mark.parametrize("arguments", mostly_long([["--version"], ["plugins"]], (["plugins"],)))
@pytest.mark.parametrize("selection", mostly_long([None, "", "-thing"], (None, "-thing")))
def test_a_distribution_without_a_name_stops_no_command(
    arguments: list[str], selection: str | None, tmp_path: Path
) -> None:
    install(tmp_path, "thing", "", metadata=False)
    variables = {} if selection is None else {"ZOO_PLUGINS": selection}
    done = command(*arguments, PYTHONPATH=str(tmp_path), **variables)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("where", mostly_long(["import", "hook"], ("hook",)))
def test_what_a_plugin_prints_is_not_in_the_json(where: str, tmp_path: Path) -> None:
    hook = "import zoo\n\n@zoo.hookimpl\ndef zoo_registries():\n    print('noisy')\n    return []\n"
    install(tmp_path, "noisy", "print('noisy')\n" if where == "import" else hook)
    done = command("list", "--json", PYTHONPATH=str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)
    assert done.stderr == "noisy\n"


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("ZOO_CACHE", "~/cache")
    monkeypatch.setenv("ZOO_CONFIG", "~/settings")
    assert (cache_folder(), config_folder()) == (tmp_path / "cache", tmp_path / "settings")
    assert expand_home("~/x") == tmp_path / "x" and expand_home("x~") == Path("x~")
    cards = tmp_path / "cards.yaml"
    cards.write_text(
        "models: [{name: dcgan.me, adapter: dcgan, summary: s, resolution: 16, space: z, dim: 12, "
        "weights: {sources: [{url: ~/g.pt}]}, licence: {weights: CC0}}]\n"
    )
    assert read_cards(cards)[0].paths() == [tmp_path / "g.pt"]
    directions = zoo.Directions(LatentSpace("z", 3), torch.eye(3).double(), torch.ones(3))
    directions.save(tmp_path / "d.safetensors")
    assert len(zoo.Directions.load("~/d.safetensors")) == 3
    with pytest.raises(zoo.UnknownNameError, match=str(tmp_path / "none.pt")):
        zoo.load("~/none.pt")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
@pytest.mark.parametrize(
    ("redirected", "expected", "words"),
    [
        ("> /dev/full", 2, "zoo: cannot write to standard output: No space left on device"),
        pytest.param(">&-", 2, "zoo: cannot write to standard output: Bad file descriptor", marks=pytest.mark.long),
        ("2>&-", 0, ""),
        pytest.param("nonsense 2> /dev/full", 2, "", marks=pytest.mark.long),
    ],
)
def test_output_that_nobody_takes(redirected: str, expected: int, words: str) -> None:
    done = subprocess.run(
        f"{COMMAND} {'' if redirected.startswith('nonsense') else 'plugins'} {redirected}",
        shell=True,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr.strip()) == (expected, words)


@pytest.mark.parametrize("arguments", mostly_long(["list", "sample --help"], ("sample --help",)))
def test_a_reader_that_has_gone_away_is_no_error(arguments: str) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([COMMAND, *arguments.split()], stdout=writer, stderr=subprocess.PIPE, check=False)
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("HOME", "ZOO_CACHE", "ZOO_CONFIG", "XDG_CACHE_HOME", "XDG_CONFIG_HOME"):
        monkeypatch.delenv(variable, raising=False)

    def no_home(*_: object, **__: object) -> str:
        raise RuntimeError("could not determine the home directory")

    monkeypatch.setattr("platformdirs.user_cache_dir", no_home)
    monkeypatch.setattr("platformdirs.user_config_dir", lambda *_, **__: "~/.config/latent-zoo")
    for folder in (cache_folder, config_folder):
        with pytest.raises(zoo.OutputError, match="set ZOO_CACHE and ZOO_CONFIG"):
            folder()
