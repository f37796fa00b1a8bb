"""Training the network of words, for some steps on few avatars."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from recipes import scorer, two_towers
from recipes.avatars import read
from recipes.captions import vocabulary

DATA = Path(__file__).parents[1] / "data" / "avatars"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    folder = tmp_path / "avatars"
    shutil.copytree(DATA, folder)
    shutil.copy(DATA / "val-000.npz", folder / "train-000.npz")
    return folder


def test_a_training_that_was_interrupted_ends_as_if_it_had_not_been(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(two_towers, "BATCH_SIZE", 16)
    monkeypatch.setattr(two_towers, "CAPTIONS", 8)
    save_state = scorer.save_state

    def interrupted(*given: object) -> None:
        save_state(*given)  # type: ignore[arg-type]
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(two_towers, "save_state", interrupted)
        two_towers.main([str(data), "--epochs", "2", "--out", str(tmp_path / "out")])
    assert [path.suffix for path in (tmp_path / "out").iterdir()] == [".pt"]
    two_towers.main([str(data), "--epochs", "2", "--out", str(tmp_path / "out")])
    assert '"accuracy"' in capsys.readouterr().out
    card = two_towers.train(data, tmp_path / "again", epochs=2, seed=0)
    first, second = ((tmp_path / name / "towers.safetensors").read_bytes() for name in ("out", "again"))
    assert first == second
    assert json.loads((tmp_path / "out" / "towers.json").read_text()) == card
    assert card["words"] == vocabulary() and set(card["accuracy"]) == set(read(data, "test").attributes)


def test_larger_images_are_averaged() -> None:
    images = torch.arange(4 * 64 * 64 * 3).view(4, 64, 64, 3).remainder(251).to(torch.uint8)
    reduced = two_towers.reduce(images)
    assert reduced.shape == (4, 32, 32, 3)
    assert abs(int(reduced[1, 3, 5, 2]) - float(images[1, 6:8, 10:12, 2].float().mean())) <= 0.5
