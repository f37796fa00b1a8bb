"""Files in which one network lies as training scripts and archives leave it, and what of them opens.

    python -m tests.support.wrappings

opens every file with a network of every architecture, and writes what opened to ``docs/openings.json``, from which the
page on files has its table. A test compares that file with what opens.
"""

from __future__ import annotations

import gzip
import io
import json
import shutil
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file
from torch import Tensor
from zoo_adapters.dcgan.adapter import DCGAN

from tests.support.families import families
from tests.support.golden import Golden
from zoo.checkpoints import DetectedCheckpoint, detect_checkpoint
from zoo.errors import CheckpointError

State = dict[str, Tensor]
Wrapping = Callable[[State], dict[str, Any]]
Packing = Callable[[State, Path], Path]

OPENINGS = Path(__file__).parents[2] / "docs" / "openings.json"

# Recorded networks of each architecture, one for each way of naming its tensors; a DCGAN is made here.
PACKS: dict[str, tuple[str, ...]] = {
    "biggan": ("biggan_ajbrock",),
    "biggan-deep": ("biggan_deep",),
    "dcgan": ("dcgan",),
    "fastgan": ("fastgan",),
    "lightweight-gan": ("lightweight_gan",),
    "pggan": ("pggan",),
    "r3gan": ("r3gan",),
    "studiogan": ("studiogan_sngan", "studiogan_biggan", "studiogan_bigdeep_studiogan"),
    "stylegan": ("stylegan1", "hammer_stylegan1"),
    "stylegan-xl": ("stylegan_xl_superres", "stylegan_xl_r"),
    "stylegan2": ("stylegan2", "stylegan2_ada", "stylegan2_rosinality", "hammer_stylegan2"),
    "stylegan3": ("stylegan3_t", "hammer_stylegan3_t"),
    "styleswin": ("styleswin",),
}


def below(prefix: str) -> Wrapping:
    """Put a prefix before all keys."""
    return lambda state: {prefix + key: tensor for key, tensor in state.items()}


def inside(*names: str) -> Wrapping:
    """Put the network into dictionaries, the outermost first."""

    def nested(state: State) -> dict[str, Any]:
        content: dict[str, Any] = state
        for name in reversed(names):
            content = {name: content, "epoch": 3}
        return content

    return nested


def adam(state: State) -> dict[str, Any]:
    """Give the state of an optimizer: two averages for each tensor."""
    averages = {index: {"exp_avg": t, "exp_avg_sq": t * t, "step": 3} for index, t in enumerate(state.values())}
    return {"state": averages, "param_groups": [{"lr": 0.002, "params": list(averages)}]}


def _untrained(state: State) -> State:
    return {key: tensor * 0 for key, tensor in state.items()}


# For each row of the table: files that torch saves, by a short name.
WRAPPINGS: dict[str, dict[str, Wrapping]] = {
    "nothing: the tensors alone": {"plain": inside()},
    "a dictionary, under any name": {
        name: inside(name) for name in ("netG", "generator", "state_dict", "model", "g_ema", "params_ema", "weird-name")
    },
    "dictionaries in dictionaries": {
        "two": inside("models", "generator_smooth"),
        "three": inside("ckpt", "state", "G_ema"),
        "list in a dictionary": lambda state: {"nets": [state, {"epoch": 3}]},
    },
    "`module.`, `_orig_mod.` or both before the keys": {
        f"{prefix}…": below(prefix) for prefix in ("module.", "_orig_mod.", "module._orig_mod.")
    },
    "any other name before the keys": {f"{prefix}…": below(prefix) for prefix in ("decoder.", "net.", "G.")},
    "a checkpoint of Lightning": {
        "Lightning": lambda state: {"state_dict": below("generator.")(state), "hyper_parameters": {"lr": 0.1}}
    },
    "a checkpoint of StudioGAN, with its optimizer": {
        "StudioGAN": lambda state: {"state_dict": state, "optimizer": adam(state)}
    },
    "a checkpoint of Hammer, with the trained network": {
        "Hammer": lambda state: {
            "models": {"generator": _untrained(state), "generator_smooth": state},
            "running_metadata": {"iter": 3, "seen_img": 96},
            "optimizers": {"generator": adam(state)},
        }
    },
    "an average beside the trained network": {
        "beside": lambda state: {"g": _untrained(state), "g_ema": state},
        "deeper": lambda state: {
            "ema": below("module.generator.")(state),
            "model": below("generator.")(_untrained(state)),
        },
        "parallel": lambda state: {"netG": below("module.")(state)},
    },
}


def _torch_file(content: Any, path: Path, **options: Any) -> Path:
    torch.save(content, path, **options)
    return path


def _safetensors(state: State, folder: Path) -> Path:
    save_file({key: tensor.contiguous().clone() for key, tensor in state.items()}, folder / "G.safetensors")
    return folder / "G.safetensors"


def _tar(state: State, folder: Path) -> Path:
    content = _torch_file(state, folder / "G.pt").read_bytes()
    with tarfile.open(folder / "a.tar.gz", "w:gz", compresslevel=1) as archive:
        member = tarfile.TarInfo("weights/G.pt")
        member.size = len(content)
        archive.addfile(member, io.BytesIO(content))
    return folder / "a.tar.gz"


def _zip(state: State, folder: Path) -> Path:
    with zipfile.ZipFile(folder / "a.zip", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        archive.write(_torch_file(state, folder / "G.pt"), "weights/G.pt")
    return folder / "a.zip"


def _gzip(state: State, folder: Path) -> Path:
    packed = gzip.compress(_torch_file(state, folder / "G.pt").read_bytes(), compresslevel=1)
    (folder / "G.pt.gz").write_bytes(packed)
    return folder / "G.pt.gz"


def _zip_of_unpacked(state: State, folder: Path) -> Path:
    with zipfile.ZipFile(_torch_file(state, folder / "G.pt")) as archive:
        archive.extractall(folder / "unpacked")
    return Path(shutil.make_archive(str(folder / "again"), "zip", folder / "unpacked"))


# The same for containers of other kinds.
CONTAINERS: dict[str, Packing] = {
    "a safetensors file": _safetensors,
    "a file of torch before 1.6": lambda state, folder: _torch_file(
        state, folder / "old.pt", _use_new_zipfile_serialization=False
    ),
    "a tar.gz archive": _tar,
    "a zip archive": _zip,
    "a file compressed by gzip": _gzip,
    "a file of torch, unpacked and packed again with compression": _zip_of_unpacked,
}


def network(pack: str) -> State:
    """Give the tensors of a network, by the keys that its code gave them."""
    return dcgan("main.") if pack == "dcgan" else Golden.read(pack).state


def dcgan(prefix: str) -> State:
    """Give a DCGAN whose layers are numbered together below a prefix."""
    state: State = {}
    for key, tensor in DCGAN.tiny(0).network.state_dict().items():
        kind, index, name = key.split(".")
        state[f"{prefix}{3 * int(index) + (kind == 'norms')}.{name}"] = tensor
    return state


def read(content: Any, folder: Path, wanted: str | None = None) -> DetectedCheckpoint:
    """Save content by torch, and read it as a user's file."""
    return detect_checkpoint(_torch_file(content, folder / "file.pt"), families(), wanted)


def is_same(one: DetectedCheckpoint, other: DetectedCheckpoint) -> bool:
    """Tell whether two files hold the same network."""
    return (
        (one.family, one.layout, one.config) == (other.family, other.layout, other.config)
        and one.state.keys() == other.state.keys()
        and all(torch.equal(one.state[key], tensor) for key, tensor in other.state.items())
    )


def opens(row: str, pack: str, folder: Path) -> bool:
    """Tell whether every file of a row opens as the network that lies in it."""
    state = network(pack)
    plain = read(state, folder)
    try:
        if row in CONTAINERS:
            return is_same(detect_checkpoint(CONTAINERS[row](state, folder), families()), plain)
        return all(is_same(read(wrap(state), folder), plain) for wrap in WRAPPINGS[row].values())
    except CheckpointError:
        return False


def main() -> None:
    """Open every file, and write what opened."""
    table = {}
    for row in (*WRAPPINGS, *CONTAINERS):
        with tempfile.TemporaryDirectory() as folder:
            table[row] = {
                family: all(opens(row, pack, Path(folder)) for pack in packs) for family, packs in PACKS.items()
            }
    OPENINGS.write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
