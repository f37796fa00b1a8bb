"""Files whose shapes, settings or metadata are false are refused in one line, quickly, and in little memory."""

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

import zoo
from tests.support import fork_server
from tests.support.golden import Golden
from tests.support.marks import mostly_long
from zoo.errors import CheckpointError, ZooError
from zoo.models.export import convert, inspect_file
from zoo.registry.registry import load_installation

INSTALLATION = load_installation()
# Bytes of address space. Torch takes 4 GB of it, and the files claim far more.
MEMORY = 6_000_000_000
METADATA = {
    "format": 1,
    "layout": "?",
    "origin": "?",
    "sha256": "?",
    "averaged": "?",
    "summary": "?",
    "licence": {"weights": "CC0"},
}


def converted_file(path: Path, adapter: str, state: dict[str, Tensor], config: dict[str, Any] | None = None) -> Path:
    """Write a file as if zoo had converted it."""
    metadata = {**METADATA, "adapter": adapter, "config": config or {}}
    save_file({key: value.contiguous() for key, value in state.items()}, path, metadata={"zoo": json.dumps(metadata)})
    return path


HUGE: dict[str, tuple[str, dict[str, Tensor]]] = {
    "noise of 32768² pixels": (
        "stylegan2",
        {
            **{f"colours.{level}.weight": torch.zeros(3, 1) for level in range(14)},
            "mapping.layers.0.weight": torch.zeros(1, 1),
            "mapping.layers.0.bias": torch.zeros(1),
        },
    ),
    "convolutions of 32768² channels": (
        "pggan",
        {
            "start.weight": torch.zeros(16, 1),
            "colours.0.weight": torch.zeros(3, 1),
            "convs.0.bias": torch.zeros(2**15),
        },
    ),
    "layers of 65536² weights": (
        "stylegan2",
        {
            "mapping.layers.0.weight": torch.zeros(2**16, 0),
            "mapping.layers.1.weight": torch.zeros(2**16, 0),
            "colours.0.weight": torch.zeros(3, 1),
        },
    ),
    "weights of nothing, of 32768² channels": (
        "pggan",
        {
            "start.weight": torch.zeros(16, 1),
            "start.bias": torch.zeros(16),
            "colours.0.weight": torch.zeros(3, 1),
            "convs.0.bias": torch.zeros(1),
            "doubles.0.weight": torch.zeros(2**15, 2**15, 0, 0),
        },
    ),
}


def test_shapes_beyond_every_memory_are_refused_before_any_is_taken(tmp_path: Path) -> None:
    huge = [converted_file(tmp_path / f"{index}.safetensors", *made) for index, made in enumerate(HUGE.values())]
    gain = Golden.read("studiogan_sngan").state
    key = next(key for key in gain if key.endswith("blocks.0.0.bn1.gain.weight"))
    torch.save({**gain, key: torch.zeros(1, 100_000)}, tmp_path / "classes.pt")
    torch.save(wide_mapping(), tmp_path / "wide.pt")
    files = [*huge, tmp_path / "classes.pt", tmp_path / "wide.pt"]
    done = subprocess.run(
        [fork_server.python(), "-c", _OPEN, str(MEMORY), *map(str, files)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [*["refused"] * (len(HUGE) + 1), "read"]


_OPEN = """
import resource, sys, zoo
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
for file in sys.argv[2:]:
    try:
        zoo.load(file, device="cpu")
        print("read")
    except zoo.CheckpointError as error:
        assert "\\n" not in str(error) and len(str(error)) < 600, error
        print("refused")
"""


def wide_mapping() -> dict[str, Tensor]:
    """A StyleGAN2 without a mean code, whose mapping has a layer of 60,000 numbers: 4096 codes at once take 2 GB."""
    state = {key: tensor for key, tensor in Golden.read("stylegan2_rosinality").state.items() if "latent" not in key}
    for key in [key for key in state if key.startswith("style.")]:
        dim = len(state.pop(key))
    for index, (rows, columns) in enumerate([(60_000, 1), (dim, 60_000)], 1):
        state |= {f"style.{index}.weight": torch.zeros(rows, columns), f"style.{index}.bias": torch.zeros(rows)}
    return state


def test_layers_by_the_thousand_are_refused_soon(tmp_path: Path) -> None:
    """Conversion and torch itself would take minutes."""
    block = {
        "LinearLayer1.Layer.weight": (1, 1),
        "LinearLayer2.Layer.weight": (3, 3),
        "LinearLayer3.Layer.weight": (1, 1),
    }
    stages = {
        "MainLayers.0.Layers.0.Basis": torch.ones(1, 4, 4),
        "MainLayers.0.Layers.0.LinearLayer.weight": torch.ones(1, 1),
        "AggregationLayer.Layer.weight": torch.ones(3, 1, 1, 1),
    }
    for index in range(1500):
        key = f"MainLayers.{index}.Layers"
        stages |= {f"{key}.0.Resampler.Kernel": torch.ones(4, 4)} if index else {}
        stages |= {f"{key}.1.{name}": torch.ones(1, 1, *size) for name, size in block.items()}
        stages |= {f"{key}.1.NonLinearity{layer}.Bias": torch.ones(1) for layer in (1, 2)}
    save_file(stages, tmp_path / "deep.safetensors")
    start = time.process_time()
    with pytest.raises(CheckpointError, match="more than any network"):
        zoo.load(tmp_path / "deep.safetensors", device="cpu")
    assert time.process_time() - start < 5


def test_pictures_beyond_all_measure_are_refused(tmp_path: Path) -> None:
    """A PGGAN of one channel draws 2**22 pixels a side from a file of 20 kB."""
    state = {"start.weight": torch.ones(16, 1), "start.bias": torch.ones(16)}
    for level in range(20):
        state |= {f"convs.{level}.weight": torch.ones(1, 1, 3, 3), f"convs.{level}.bias": torch.ones(1)}
        state |= {f"colours.{level}.weight": torch.ones(3, 1, 1, 1), f"colours.{level}.bias": torch.ones(3)}
        if level:
            state |= {f"doubles.{level - 1}.weight": torch.ones(1, 1, 3, 3), f"doubles.{level - 1}.bias": torch.ones(1)}
    with pytest.raises(CheckpointError, match="pixels a side"):
        zoo.load(converted_file(tmp_path / "large.safetensors", "pggan", state), device="cpu")


def test_a_first_map_without_channels(tmp_path: Path) -> None:
    """Refused without a word of torch's about layers that have no numbers: here, warnings are errors."""
    state = dict(Golden.read("studiogan_sagan").state)
    state |= {key: state[key][:2] for key in ("linear0.bias", "linear0.weight_orig", "linear0.weight_u")}
    torch.save(state, tmp_path / "narrow.pt")
    with pytest.raises(CheckpointError, match="of another shape"):
        zoo.load(tmp_path / "narrow.pt", device="cpu")


@pytest.mark.parametrize("inputs", [48, 50])
def test_labels_that_leave_no_room_for_the_code(inputs: int, tmp_path: Path) -> None:
    state = Golden.read("stylegan2_ada").state
    embed = {"mapping.embed.weight": torch.ones(inputs, 3), "mapping.embed.bias": torch.ones(inputs)}
    torch.save({**state, **embed}, tmp_path / "labels.pt")
    with pytest.raises(CheckpointError, match=r"an embedding of labels in .* as one without labels"):
        zoo.load(tmp_path / "labels.pt", device="cpu")


def test_numbers_that_torch_cannot_compute_with(tmp_path: Path) -> None:
    torch.save(Golden.read("pggan").state, tmp_path / "honest.pt")
    found = inspect_file(tmp_path / "honest.pt", INSTALLATION).detected
    state = {key: tensor.to(torch.float8_e4m3fn) for key, tensor in found.state.items()}
    with pytest.raises(CheckpointError, match="not implemented"):
        zoo.load(converted_file(tmp_path / "eighth.safetensors", "pggan", state, found.config), device="cpu")


def test_a_note_is_one_only_in_a_file_that_zoo_can_have_written(tmp_path: Path) -> None:
    torch.save({**Golden.read("stylegan2_ada").state, "zoo": 5}, tmp_path / "zoo.pt")
    assert inspect_file(tmp_path / "zoo.pt", INSTALLATION).detected.metadata is None


def test_names_in_a_file_steer_no_terminal(tmp_path: Path) -> None:
    torch.save({"\x1b[2J\nall is well": torch.ones(1), "a" * 100_000: torch.ones(1)}, tmp_path / "names.pt")
    with pytest.raises(CheckpointError) as caught:
        zoo.load(tmp_path / "names.pt", device="cpu")
    assert str(caught.value).isprintable() and len(str(caught.value)) < 1000


SETTINGS: list[tuple[str, dict[str, Any]]] = [
    ("stylegan2_ada", {"cutoff": "x"}),
    ("stylegan2_ada", {"noise": "drawn", "noise_seed": "x"}),
    ("stylegan2_ada", {"classes": 5}),
    ("stylegan2_ada", {"conv_clamp": float("nan")}),
    ("stylegan1", {"lod": "x"}),
    ("pggan", {"lod": "x"}),
    ("biggan_ajbrock", {"epsilon": "x"}),
    ("stylegan3_t", {"clamp": "a"}),
    ("stylegan3_t", {"clamp": 10**400}),
    ("stylegan3_t", {"rate": "abc"}),
    ("stylegan3_t", {"plans": 3}),
    ("stylegan3_t", {"plans": []}),
    ("r3gan", {"classes": ["\x1b[2J"]}),
]


@pytest.mark.parametrize(
    ("recording", "change"), mostly_long(SETTINGS, SETTINGS[:7:2]), ids=lambda value: str(value)[:40]
)
def test_settings_of_no_sense(recording: str, change: dict[str, Any], tmp_path: Path) -> None:
    """Whether they are in the metadata of a converted file or come from a pickle."""
    torch.save(Golden.read(recording).state, tmp_path / "honest.pt")
    found = inspect_file(tmp_path / "honest.pt", INSTALLATION).detected
    file = converted_file(tmp_path / "lies.safetensors", found.family, found.state, {**found.config, **change})
    with pytest.raises(ZooError):
        model = zoo.load(file, device="cpu")
        model.adapter.synthesize(model.sample(1))


@pytest.mark.parametrize(
    "name", ["mapping.fc0.weight", "mapping.w_avg", "synthesis.b4.const", "synthesis.b8.conv0.bias"]
)
@pytest.mark.parametrize(
    "shape", [(40, 0), *(pytest.param(shape, marks=pytest.mark.long) for shape in ((0,), (), (3, 2, 2)))]
)
def test_tensors_of_another_shape(name: str, shape: tuple[int, ...], tmp_path: Path) -> None:
    if name == "mapping.w_avg" and 0 in shape:
        pytest.skip("an empty mean counts as missing, and is computed")
    torch.save({**Golden.read("stylegan2_ada").state, name: torch.zeros(shape)}, tmp_path / "file.pt")
    with pytest.raises(CheckpointError):
        zoo.load(tmp_path / "file.pt", device="cpu")


def test_one_tensor_under_many_names_is_counted_for_each(tmp_path: Path) -> None:
    one = torch.ones(64, 64)
    torch.save({f"mapping.fc{index}.weight": one for index in range(1000)}, tmp_path / "many.pt")
    with pytest.raises(CheckpointError, match="claims more numbers than the file holds"):
        zoo.load(tmp_path / "many.pt", device="cpu")


def test_tied_weights_are_written_apart(tmp_path: Path) -> None:
    state = dict(Golden.read("stylegan2_ada").state)
    state["synthesis.b8.conv1.affine.bias"] = state["synthesis.b8.conv0.affine.bias"]
    torch.save(state, tmp_path / "tied.pt")
    out = convert(inspect_file(tmp_path / "tied.pt", INSTALLATION), tmp_path / "apart.safetensors")
    codes = zoo.load(out, device="cpu").sample(1)
    one, two = (zoo.load(file, device="cpu").adapter.synthesize(codes) for file in (tmp_path / "tied.pt", out))
    assert torch.equal(one, two)


def test_files_of_half_precision_and_of_parallel_training(tmp_path: Path) -> None:
    golden = Golden.read("biggan_ajbrock")
    half = {f"module.{key}": tensor.half() if tensor.ndim > 1 else tensor for key, tensor in golden.state.items()}
    torch.save(half, tmp_path / "half.pth")
    torch.save({key.removeprefix("module."): tensor.float() for key, tensor in half.items()}, tmp_path / "wide.pth")
    one, two = (zoo.load(tmp_path / name, device="cpu") for name in ("half.pth", "wide.pth"))
    codes = one.sample(2)
    assert torch.equal(one.adapter.synthesize(codes), two.adapter.synthesize(codes))
    torch.save({f"G_ema.{key}": tensor for key, tensor in golden.state.items()}, tmp_path / "named.pth")
    assert inspect_file(tmp_path / "named.pth", INSTALLATION).facts()["averaged weights"] == "yes: G_ema"


def test_parallel_training_of_one_network_of_a_checkpoint(tmp_path: Path) -> None:
    """Both networks are saved, one of them from within its wrapper; what stands beside its tensors goes with it."""
    golden = Golden.read("stylegan2_ada")
    raw = {key: tensor + 1 for key, tensor in golden.state.items()}
    beside = {"module.synthesis.b4.conv_clamp": 0.5}
    wrapped = {**{f"module.{key}": tensor for key, tensor in golden.state.items()}, **beside}
    torch.save({"G": raw, "G_ema": wrapped}, tmp_path / "both.pt")
    found = inspect_file(tmp_path / "both.pt", INSTALLATION)
    assert found.facts()["averaged weights"] == "yes: G_ema, not G"
    assert torch.equal(found.detected.state["constant"], golden.state["synthesis.b4.const"])
    assert found.detected.config == {"conv_clamp": 0.5, "assumed": {"lr_mlp": 0.01}}
