"""Where a sweep is kept: what is not there is told from what cannot be read."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NoReturn

import fsspec
import pytest

from zoo.errors import OutputError
from zoo.sweep.places import place_at


def _refuse(*_: object, **__: object) -> NoReturn:
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize("out", ["folder", "memory://places"])
def test_what_is_missing_is_none_and_what_cannot_be_read_an_error(
    out: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = place_at(out)
    place.write("costs/a.json", b"{}")
    names = ["costs/a.json", "costs/b.json"]
    assert list(place.read(names)) == [b"{}", None]
    store: Any = type(fsspec.filesystem("memory"))
    monkeypatch.setattr(store, "cat_file", _refuse)
    monkeypatch.setattr(Path, "read_bytes", _refuse)
    with pytest.raises(OutputError, match=r"cannot read .*: .*Permission denied"):
        list(place.read(names))
