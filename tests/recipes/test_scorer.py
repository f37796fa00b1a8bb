"""Training the scorer, on pictures so simple that two passes are enough."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from recipes import scorer
from recipes.avatars import read

ATTRIBUTES = {"style": ["light", "dark"], "glasses": ["no", "yes"]}
SIZES = {"train": 512, "val": 64, "test": 64}


def small_network(outputs: int) -> nn.Module:
    head = nn.Sequential(nn.AdaptiveAvgPool2d((4, 1)), nn.Flatten(), nn.Linear(64, outputs))
    return nn.Sequential(nn.Conv2d(3, 16, 4, stride=4), nn.BatchNorm2d(16), nn.ReLU(), head)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train a network that takes milliseconds, sixteen steps in a pass."""
    monkeypatch.setattr(scorer, "BATCH_SIZE", 32)
    monkeypatch.setattr(scorer, "LEARNING_RATE", 0.03)
    monkeypatch.setattr(scorer, "build_network", small_network)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write squares that are light or dark, with a bar or without; every fourth has no label for the bar."""
    folder = tmp_path_factory.mktemp("avatars")
    told = {"size": 32, "styles": ["light", "dark"], "attributes": ATTRIBUTES, "parts": [], "versions": {"drawn": "1"}}
    (folder / "dataset.json").write_text(json.dumps(told))
    random = np.random.default_rng(0)
    for split, count in SIZES.items():
        labels = random.integers(0, 2, (count, 2)).astype(np.uint8)
        images = np.where(labels[:, 0, None, None, None] == 0, 220, 60) * np.ones((count, 32, 32, 3))
        images[labels[:, 1] == 1, 12:16, 6:26] = 140
        labels[::4, 1] = scorer.MISSING
        np.savez(folder / f"{split}-000.npz", images=images.astype(np.uint8), labels=labels, variants=labels)
    return folder


def test_a_killed_training_goes_on_and_ends_as_if_it_had_not_been(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    epochs: list[int] = []
    run_epoch = scorer.run_epoch

    def dying(network: Any, **given: Any) -> None:
        if len(epochs) == 1:
            epochs.clear()
            raise KeyboardInterrupt
        epochs.append(1)
        run_epoch(network, **given)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(scorer, "run_epoch", dying)
        scorer.main([str(data), "--epochs", "2", "--out", str(tmp_path)])
    assert list(tmp_path.iterdir()) == []
    scorer.main([str(data), "--epochs", "2", "--out", str(tmp_path)])
    told = capsys.readouterr()
    assert told.err.count("epoch 1 of 2") == told.err.count("epoch 2 of 2") == 1
    assert "| glasses | 2 | " in told.out
    (data / "scorer-0-2.pt").unlink()
    card = scorer.train(data, tmp_path / "again", epochs=2, seed=0)
    first, second = ((folder / "weights.safetensors").read_bytes() for folder in (tmp_path, tmp_path / "again"))
    assert first == second
    assert json.loads((tmp_path / "card.json").read_text()) == card
    assert card["attributes"] == ATTRIBUTES
    assert card["accuracy"]["style"] > 0.9


def test_labels_that_are_not_there_cost_nothing_and_count_for_nothing(data: Path) -> None:
    logits, labels = torch.zeros(4, 4), torch.tensor([[0, 255], [1, 255], [1, 255], [0, 255]])
    loss = scorer.loss_of(logits, labels, [2, 2])
    assert float(loss) == pytest.approx(np.log(2))
    there = read(data, "test").labels[:, 1] != scorer.MISSING

    class No(nn.Module):
        def forward(self, images: Tensor) -> Tensor:
            return torch.tensor([0.0, 1.0, 1.0, 0.0]).expand(len(images), 4)

    wanted = (read(data, "test").labels[there, 1] == 0).mean()
    assert scorer.accuracy(No(), read(data, "test"))["glasses"] == pytest.approx(wanted)


def test_a_blur_keeps_the_mean_and_a_narrow_one_the_image() -> None:
    images = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(scorer.blur(images, 0.0), images)
    flat = torch.full((1, 3, 8, 8), 0.3)
    torch.testing.assert_close(scorer.blur(flat, 1.0), flat)
    assert float(scorer.blur(images, 1.0).std()) < float(images.std())


def test_perturbations_depend_on_the_generator_alone() -> None:
    images = torch.randn(16, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    first, second = (scorer.perturb(images, torch.Generator().manual_seed(5)) for _ in range(2))
    assert torch.equal(first, second)
    assert first.shape == images.shape
