"""Folders of diffusers: what is read of them, what their hash covers, and what is refused. Needs no diffusers."""

import json
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

import zoo
from zoo.checkpoints.pipelines import read_pipeline
from zoo.errors import CapabilityError, CheckpointError, WeightsError
from zoo.weights.cache import sha256_of

KEYS = ("conv_in.weight", "time_embedding.linear_1.weight")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """The skeleton of a pipeline that draws pixels."""
    (tmp_path / "unet").mkdir()
    parts = {"unet": ["diffusers", "UNet2DModel"], "safety_checker": ["x", "y"], "scheduler": ["diffusers", "S"]}
    (tmp_path / "model_index.json").write_text(json.dumps({"_class_name": "ConsistencyModelPipeline", **parts}))
    (tmp_path / "unet" / "config.json").write_text(json.dumps({"_class_name": "UNet2DModel", "sample_size": 8}))
    save_file({key: torch.ones(2, 2) for key in KEYS}, tmp_path / "unet" / "diffusion_pytorch_model.safetensors")
    return tmp_path


def test_parts_are_read_under_their_names(folder: Path) -> None:
    content = read_pipeline(folder / "model_index.json")
    assert content.state.keys() == {f"unet.{key}" for key in KEYS}
    assert json.loads(content.meta["pipeline.unet"])["sample_size"] == 8
    assert content.container == "folder of diffusers"


def test_the_hash_covers_every_file_that_is_read_and_no_other(folder: Path) -> None:
    index = folder / "model_index.json"
    before = sha256_of(index)
    (folder / "README.md").write_text("about")
    (folder / "unet" / "module.py").write_text("raise SystemExit")
    assert sha256_of(index) == before
    seen = {before}
    for name in ("unet/config.json", "model_index.json"):
        (folder / name).write_text((folder / name).read_text() + "\n")
        seen.add(sha256_of(index))
    save_file({key: torch.zeros(2, 2) for key in KEYS}, folder / "unet" / "diffusion_pytorch_model.safetensors")
    assert len({*seen, sha256_of(index)}) == 4


def test_a_missing_library_is_named_with_the_command_that_installs_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(CapabilityError, match=r"needs diffusers, .*: pip install 'latent-zoo\[diffusers\]'$"):
        zoo.load(str(folder), device="cpu")


@pytest.mark.parametrize("text", ["", "[]", "{", "{" * 10_000, "null"])
def test_an_index_that_is_none_is_refused(text: str, folder: Path) -> None:
    (folder / "model_index.json").write_text(text)
    with pytest.raises((CheckpointError, WeightsError)) as caught:
        zoo.load(str(folder), device="cpu")
    assert "\n" not in str(caught.value)


def test_a_pipeline_without_a_unet_in_one_file_is_refused(folder: Path) -> None:
    weights = folder / "unet" / "diffusion_pytorch_model.safetensors"
    weights.rename(weights.with_name("diffusion_pytorch_model-00001-of-00002.safetensors"))
    with pytest.raises(CheckpointError, match="has no unet with weights"):
        zoo.load(str(folder), device="cpu")
    (folder / "unet" / "diffusion_pytorch_model.safetensors.index.json").write_text("{}")
    with pytest.raises(CheckpointError, match="split into several files"):
        zoo.load(str(folder), device="cpu")
