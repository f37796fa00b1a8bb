"""Honest files of every container: what was put in comes out, key by key and number by number."""

import argparse
import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import zoo
from tests.support import containers
from tests.support.containers import TensorFlowNetwork, network
from tests.support.golden import Golden
from zoo import CheckpointError
from zoo.checkpoints.reader import Checkpoint, read_checkpoint

PROTOCOLS = (2, 3, 4, 5)
MEAN, WEIGHT, CONST = torch.arange(4.0), torch.randn(4, 3), torch.randn(4, 2, 2)
STATE = {"mapping.fc0.weight": WEIGHT, "mapping.w_avg": MEAN, "synthesis.b4.const": CONST}


def read(content: bytes, folder: Path) -> Checkpoint:
    (folder / "file").write_bytes(content)
    return read_checkpoint(folder / "file")


def same(state: dict[str, Tensor], expected: dict[str, Tensor], prefix: str = "") -> None:
    assert {key for key in state if key.startswith(prefix)} == {prefix + key for key in expected}
    for key, tensor in expected.items():
        assert state[prefix + key].dtype == tensor.dtype, key
        assert torch.equal(state[prefix + key], tensor), key


# --- networks of torch -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_persistent_network_of_any_protocol(protocol: int, tmp_path: Path) -> None:
    kwargs = {"c_dim": 10, "synthesis_kwargs": {"conv_clamp": None, "layers": [3, 5]}}
    attributes: dict[str, dict[str, Any]] = {
        "": {"in_size": np.array([3, 4]), "rate": np.float64(2.5), "fast": np.bool_(True), "type": torch.float16},
        "synthesis": {"label": "a", "planes": torch.ones(2), "table": np.ones(65), "mode": {"kind": (1, 2)}},
    }
    class_names = {"synthesis": "training.x.Synthesis"}
    generator = network(STATE, init_kwargs=kwargs, attributes=attributes, class_names=class_names)
    halves = network({key: tensor / 2 for key, tensor in STATE.items()})
    checkpoint = read(containers.nvidia_pickle({"G_ema": generator, "G": halves}, protocol), tmp_path)
    assert checkpoint.container == "pickle"
    same(checkpoint.state, STATE, "G_ema.")
    same(checkpoint.state, {key: tensor / 2 for key, tensor in STATE.items()}, "G.")
    assert not [key for key in {**checkpoint.state, **checkpoint.meta} if key.startswith(("D.", "augment_pipe"))]
    inside = {key.removeprefix("G_ema."): value for key, value in checkpoint.meta.items() if key.startswith("G_ema.")}
    values = {key: value for key, value in inside.items() if "training" not in key and "_is_full" not in key}
    assert values == {
        "_class": "Generator",
        "mapping._class": "Module",
        "mapping.fc0._class": "Module",
        "synthesis._class": "Synthesis",
        "synthesis.b4._class": "Module",
        "synthesis.label": "a",
        "synthesis.mode.kind.0": 1,
        "synthesis.mode.kind.1": 2,
        "in_size.0": 3,
        "in_size.1": 4,
        "rate": 2.5,
        "fast": True,
        "type": "torch.float16",
        "_init_kwargs.c_dim": 10,
        "_init_kwargs.synthesis_kwargs.conv_clamp": None,
        "_init_kwargs.synthesis_kwargs.layers.0": 3,
        "_init_kwargs.synthesis_kwargs.layers.1": 5,
    }
    assert checkpoint.meta["training_set_kwargs.resolution"] == 32


class Layered(nn.Module):
    """A module with all that a state dict tells apart: parameters, None, persistent and other buffers, shared ones."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2, bias=False))
        self.register_buffer("kept", torch.arange(3))
        self.register_buffer("not_persistent", torch.ones(2), persistent=False)
        self.register_buffer("nothing", None)
        self.register_parameter("missing", None)
        self.scale = nn.Parameter(torch.tensor(2.0))
        self.tied = self.body[0]
        self.size = 5
        self.register_forward_hook(lambda *_: None)
        self._forward_hooks.clear()


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("legacy", [None, False, True])
def test_a_module_becomes_its_own_state_dict(protocol: int, legacy: bool | None, tmp_path: Path) -> None:
    """Judged by torch itself: the same keys in the same order, whether pickled or saved whole by torch."""
    module = Layered()
    buffer = io.BytesIO()
    if legacy is None:
        pickle.dump({"G_ema": module}, buffer, protocol)
    else:
        options: dict[str, Any] = {"_use_new_zipfile_serialization": not legacy, "pickle_protocol": protocol}
        torch.save({"G_ema": module}, buffer, **options)
    checkpoint = read(buffer.getvalue(), tmp_path)
    expected = module.state_dict(prefix="G_ema.")
    assert list(checkpoint.state) == list(expected)
    same(checkpoint.state, expected)
    assert checkpoint.state["G_ema.tied.weight"] is checkpoint.state["G_ema.body.0.weight"]
    assert checkpoint.meta["G_ema.size"] == 5 and checkpoint.meta["G_ema._class"] == f"{__name__}.Layered"
    assert checkpoint.meta["G_ema.body.1.eps"] == module.body[1].eps
    assert checkpoint.container == {None: "pickle", False: "torch zip", True: "torch legacy"}[legacy]


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_ordinary_classes_and_mixtures(protocol: int, tmp_path: Path) -> None:
    """R3GAN keeps ordinary objects; EG3D keeps ordinary ones, torch's own among them, within a persistent one."""
    plain = network(
        STATE, "BaselineGAN.Networks.Generator", persistent=False, attributes={"": {"DataType": torch.bfloat16}}
    )
    checkpoint = read(containers.plain_class_pickle({"G": plain, "G_ema": plain}, protocol), tmp_path)
    same(checkpoint.state, STATE, "G_ema.")
    assert checkpoint.meta["G_ema._class"] == "BaselineGAN.Networks.Generator"
    assert checkpoint.meta["G_ema.DataType"] == "torch.bfloat16"
    assert not [key for key in checkpoint.state if key.startswith("D.")]

    mixed = network(
        {**STATE, "decoder.net.0.weight": WEIGHT}, class_names={"decoder.net": "torch.nn.modules.container.Sequential"}
    )
    for path in ("decoder", "decoder.net", "decoder.net.0"):
        containers.find(mixed, path).persistent = False
    mixed.attributes["neural_rendering_resolution"] = 128
    checkpoint = read(containers.nvidia_pickle({"G_ema": mixed}, protocol), tmp_path)
    same(checkpoint.state, {**STATE, "decoder.net.0.weight": WEIGHT}, "G_ema.")
    assert checkpoint.meta["G_ema.neural_rendering_resolution"] == 128
    assert checkpoint.meta["G_ema.decoder.net._class"] == "torch.nn.modules.container.Sequential"


def test_buffers_that_no_state_dict_holds_are_left_out(tmp_path: Path) -> None:
    generator = network(STATE)
    containers.find(generator, "mapping").non_persistent = {"w_avg"}
    checkpoint = read(containers.nvidia_pickle({"G_ema": generator}), tmp_path)
    assert "G_ema.mapping.w_avg" not in checkpoint.state and "G_ema.mapping.fc0.weight" in checkpoint.state


def test_a_published_snapshot_opens_as_a_model(tmp_path: Path) -> None:
    """The pickle draws what the plain state of the same network draws."""
    packed = Golden.read("stylegan2_ada")
    halves = network({key: tensor / 2 for key, tensor in packed.state.items()}, "training.networks.Generator")
    snapshot = {"G": halves, "G_ema": network(packed.state, "training.networks.Generator")}
    (tmp_path / "snapshot.pkl").write_bytes(containers.nvidia_pickle(snapshot))
    torch.save(packed.state, tmp_path / "state.pt")
    models = [zoo.load(str(tmp_path / name), device="cpu") for name in ("snapshot.pkl", "state.pt")]
    images = [model.adapter.synthesize(model.sample(2)) for model in models]
    assert torch.equal(*images)


def test_a_network_that_is_none_is_not_missed(tmp_path: Path) -> None:
    checkpoint = read(containers.nvidia_pickle({"G_ema": network(STATE), "G": None}), tmp_path)
    assert "G" in checkpoint.meta and checkpoint.meta["G"] is None


# --- networks of TensorFlow ------------------------------------------------------------------------------------------

VARIABLES = {
    "lod": np.float32(0.0),
    "dlatent_avg": np.arange(4, dtype=np.float32),
    "mapping/Dense0/weight": np.random.default_rng(0).normal(size=(8, 9)).astype(np.float32),
    "synthesis/4x4/Const/const": np.asfortranarray(np.random.default_rng(1).normal(size=(1, 4, 4)).astype(np.float32)),
}
TENSORS = {name: torch.from_numpy(np.array(value)) for name, value in VARIABLES.items()}


@pytest.mark.parametrize("options", [{"protocol": protocol} for protocol in PROTOCOLS] + [{"python2": True}], ids=str)
@pytest.mark.parametrize("version", [3, 4, 5])
def test_stylegan_of_tensorflow(version: int, options: dict[str, Any], tmp_path: Path) -> None:
    own, parts = containers.split_components(VARIABLES, {"mapping": {"lrmul": 0.01}, "synthesis": {"resolution": 32}})
    content = containers.tensorflow_pickle(own, {"resolution": 32, "num_channels": 3}, parts, version, **options)
    checkpoint = read(content, tmp_path)
    assert checkpoint.container == "TensorFlow pickle"
    same(checkpoint.state, TENSORS, "Gs.")
    same(checkpoint.state, {name: tensor / 2 for name, tensor in TENSORS.items()}, "G.")
    values = {key: value for key, value in checkpoint.meta.items() if key.startswith("Gs.")}
    static: dict[str, dict[str, Any]] = {"mapping": {"lrmul": 0.01}, "synthesis": {"resolution": 32}}
    assert values == {
        "Gs._class": "dnnlib.tflib.network.Network",
        "Gs.version": version,
        "Gs.name": "Gs",
        "Gs.build_func_name": "G_style",
        "Gs.static_kwargs.resolution": 32,
        "Gs.static_kwargs.num_channels": 3,
        **{
            f"Gs.components.{part}.{name}": value
            for part, kwargs in static.items()
            for name, value in {
                "_class": "dnnlib.tflib.network.Network",
                "version": version,
                "name": f"G_{part}",
                "build_func_name": f"G_{part}",
                **{f"static_kwargs.{key}": value for key, value in kwargs.items()},
            }.items()
        },
    }


@pytest.mark.parametrize("python2", [False, True])
@pytest.mark.parametrize("as_dict", [False, True])
@pytest.mark.parametrize(("version", "kind"), [(2, "tfutil.Network"), (None, "network.Network")])
def test_pggan_of_tensorflow_and_theano(
    version: int | None, kind: str, as_dict: bool, python2: bool, tmp_path: Path
) -> None:
    variables = {"lod": np.float32(0), "4x4/Dense/weight": VARIABLES["mapping/Dense0/weight"]}
    content = containers.tensorflow_pickle(
        variables, {"resolution": 32}, version=version, python2=python2, as_dict=as_dict
    )
    checkpoint = read(content, tmp_path)
    same(checkpoint.state, {name: torch.from_numpy(np.array(value)) for name, value in variables.items()}, "Gs.")
    assert checkpoint.meta["Gs._class"] == kind and checkpoint.meta["Gs.static_kwargs.resolution"] == 32
    assert checkpoint.meta.get("Gs.version") == version


def test_only_known_versions_of_tensorflow_networks_are_read(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="TensorFlow network of version 6; zoo reads 2 to 5"):
        read(containers.tensorflow_pickle({"lod": 0.0}, {}, version=6), tmp_path)


def test_components_lie_within_components(tmp_path: Path) -> None:
    inner = TensorFlowNetwork({"w": VARIABLES["dlatent_avg"]}, {"depth": 2})
    outer = TensorFlowNetwork({}, {}, {"inner": inner})
    checkpoint = read(containers.tensorflow_pickle({}, {}, {"outer": outer}), tmp_path)
    assert set(checkpoint.state) == {"G.outer/inner/w", "Gs.outer/inner/w"}
    assert checkpoint.meta["Gs.components.outer.components.inner.static_kwargs.depth"] == 2


# --- torch files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("legacy", [False, True])
def test_an_object_of_a_foreign_class_beside_weights(legacy: bool, tmp_path: Path) -> None:
    attributes = {"depth": 4, "lr": 0.5, "sizes": [4, 8], "nested": {"a": None}}
    kind = "models.utils.config.BaseConfig"
    content = containers.torch_with_class({"avgG": STATE}, kind, attributes, legacy=legacy)
    checkpoint = read(content, tmp_path)
    same(checkpoint.state, STATE, "avgG.")
    assert checkpoint.meta == {
        "config._class": kind,
        "config.depth": 4,
        "config.lr": 0.5,
        "config.sizes.0": 4,
        "config.sizes.1": 8,
        "config.nested.a": None,
    }
    assert checkpoint.container == ("torch legacy" if legacy else "torch zip")


def strange_tensors() -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(0)
    base = torch.randn(6, 8, generator=generator)
    whole = [torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64]
    parts = [torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64, torch.complex128]
    return {
        **{str(dtype): torch.randint(0, 100, (3, 2), generator=generator, dtype=dtype) for dtype in whole},
        **{str(dtype): torch.randn(3, 2, generator=generator, dtype=dtype) for dtype in parts},
        "bool": torch.tensor([True, False]),
        "none": torch.zeros(0, 3),
        "scalar": torch.tensor(3.0),
        "transposed": base.T,
        "strided": base[1::2, ::3],
        "expanded": torch.arange(4.0)[:, None][:, :1],
        "channels-last": torch.randn(2, 3, 4, 5, generator=generator).to(memory_format=torch.channels_last),
    }


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("legacy", [False, True])
def test_every_kind_of_tensor_as_torch_reads_it(legacy: bool, protocol: int, tmp_path: Path) -> None:
    options: dict[str, Any] = {"_use_new_zipfile_serialization": not legacy, "pickle_protocol": protocol}
    torch.save({"a": {"b": strange_tensors()}}, tmp_path / "file", **options)
    same(read_checkpoint(tmp_path / "file").state, strange_tensors(), "a.b.")


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_kind_of_array_as_numpy_wrote_it(protocol: int, tmp_path: Path) -> None:
    base = np.random.default_rng(0).normal(0, 50, (3, 4, 5))
    codes = [f"{order}{code}" for order in "<>" for code in ("f2", "f4", "f8", "i2", "i4", "i8")]
    arrays = {code: base.astype(code) for code in [*codes, "i1", "?"]} | {"u1": np.abs(base).astype("u1")}
    shaped = {"columns": np.asfortranarray(base), "cut": base[::2, 1:], "scalar": np.array(3.0), "empty": base[:0]}
    state = read(pickle.dumps({**arrays, **shaped}, protocol), tmp_path).state
    for key, array in {**arrays, **shaped}.items():
        assert np.array_equal(state[key].numpy(), array) and state[key].is_contiguous(), key
    assert not np.shares_memory(state["cut"].numpy(), base)


@pytest.mark.parametrize("legacy", [False, True])
def test_what_training_leaves_beside_weights(legacy: bool, tmp_path: Path) -> None:
    args = argparse.Namespace(size=256, device=torch.device("cpu"), shape=torch.Size([2, 3]))
    beside = {"args": args, "loss": np.float64(0.5), "seen": {"a"}, "size": torch.Size([4]), "device": args.device}
    torch.save({**STATE, **beside}, tmp_path / "file", _use_new_zipfile_serialization=not legacy)
    checkpoint = read_checkpoint(tmp_path / "file")
    same(checkpoint.state, STATE)
    assert checkpoint.meta == {
        "args._class": "argparse.Namespace",
        "args.size": 256,
        "args.shape.0": 2,
        "args.shape.1": 3,
        "loss": 0.5,
        "seen.0": "a",
        "size.0": 4,
    }


def test_tied_tensors_stay_tied_and_what_is_read_is_owned(tmp_path: Path) -> None:
    shared = torch.randn(4)
    torch.save({"a": shared, "b": shared, "c": shared[1:]}, tmp_path / "file")
    state = read_checkpoint(tmp_path / "file").state
    assert state["a"] is state["b"]
    state["a"].zero_()
    assert torch.equal(state["c"], shared[1:])


@pytest.mark.parametrize("line", [b"S'a\\R'\n", b"ca\\R\nb\n", b"Pa\\R\n", b"(ia\\R\nb\n"], ids=["S", "c", "P", "i"])
def test_a_line_with_a_backslash_that_python_warns_of_is_refused_without_a_warning(line: bytes, tmp_path: Path) -> None:
    (tmp_path / "odd.pkl").write_bytes(b"\x80\x02" + line + b".")
    with pytest.raises(CheckpointError):
        read_checkpoint(tmp_path / "odd.pkl")


class Subclass(torch.Tensor):
    """A tensor of an author's own class."""


def test_tensors_with_attributes_are_read(tmp_path: Path) -> None:
    module = nn.Module()
    module.kept, module.left_out = nn.Buffer(torch.ones(3)), nn.Buffer(torch.ones(2), persistent=False)
    module.weight = nn.Parameter(torch.ones(4))
    module.weight.note = "text"  # type: ignore[attr-defined]
    for content in (module, {"net": module}, {"net": module.state_dict()}):
        torch.save(content, tmp_path / "x.pt")
        keys = {key.rpartition(".")[2] for key in read_checkpoint(tmp_path / "x.pt").state}
        assert keys == {"kept", "weight"}
    torch.save({"net": module.state_dict(), "other": torch.ones(2).as_subclass(Subclass)}, tmp_path / "x.pt")
    assert "_rebuild_from_type_v2" in read_checkpoint(tmp_path / "x.pt").unread["other"]
