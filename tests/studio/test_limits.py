"""How much the studio keeps, and which sessions make room for others."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.support.studio import SESSION, running
from zoo.errors import OptionError
from zoo.studio.kept import limits
from zoo.studio.kept.limits import Limits
from zoo.studio.kept.sessions import write_json

DAY = 86_400


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Five sessions of 1,000 bytes, the oldest first: the second has a star and the fourth a name."""
    monkeypatch.setattr(limits, "MOST_BYTES", 4000)
    for place in range(5):
        folder = tmp_path / "studio" / f"{place:032x}"
        rows = [{"index": 0, "given": "smile" if place == 3 else None, "starred": place == 1}]
        write_json(folder / "results" / "found" / "result.json", {"rows": rows})
        (folder / "upload").write_bytes(b"x" * 900)
        for path in (*folder.rglob("*"), folder):
            os.utime(path, (0, time.time() - DAY * (9 - place)))
    return tmp_path


def kept(runs: Path) -> list[int]:
    return sorted(int(path.name, 16) for path in (runs / "studio").iterdir() if path.is_dir())


def test_the_oldest_make_room_but_not_what_is_open_starred_or_named(runs: Path) -> None:
    Limits(runs).make_room("f" * 32)
    assert kept(runs) == [1, 2, 3, 4]
    left = Limits(runs)
    left.note(f"{4:032x}")
    left.make_room("f" * 32, more=1000)
    assert kept(runs) == [1, 3, 4]
    with pytest.raises(OptionError, match=r"none of them may go.*Delete some of the folders in .*studio"):
        left.make_room("f" * 32, more=3000)
    assert kept(runs) == [1, 3, 4]


def test_a_link_is_neither_followed_nor_counted(runs: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    outside = tmp_path_factory.mktemp("outside")
    (outside / "large").write_bytes(b"x" * 100_000)
    (runs / "studio" / ("e" * 32)).symlink_to(outside)
    folder = runs / "studio" / f"{2:032x}"
    (folder / "link").symlink_to(outside)
    for path in (folder / "link", folder):
        os.utime(path, (0, 0), follow_symlinks=False)
    Limits(runs).make_room("f" * 32, more=2000)
    assert (outside / "large").exists() and 2 not in kept(runs)


def test_an_empty_session_is_one(runs: Path) -> None:
    (runs / "studio" / ("d" * 32)).mkdir()
    Limits(runs).make_room("f" * 32)
    assert kept(runs) == [1, 2, 3, 4, int("d" * 32, 16)]


def test_the_number_of_sessions_is_bounded(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MOST_BYTES", 10**6)
    monkeypatch.setattr(limits, "MOST_SESSIONS", 4)
    with running(runs) as page:
        assert page.ask("PUT", "state", {"saved": 1}).status == 200
        assert kept(runs) == [1, 3, 4, int(SESSION, 16)]
        monkeypatch.setattr(limits, "MOST_BYTES", 0)
        refused = page.ask("POST", "upload", b"x" * 100)
        assert refused.status == 400 and "the studio keeps" in refused.error
