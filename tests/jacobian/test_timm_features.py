"""Features of timm networks as outputs. Their weights are untrained and come from files, as nobody can fetch them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support.hostile import Payload, pickled
from tests.support.linear import Linear, model_of
from tests.support.marks import mostly_long
from zoo import Adapter, CapabilityError, CheckpointError, UnknownNameError, WeightsError
from zoo.core.compute import ComputeBudget
from zoo.core.region import parse_region
from zoo.jacobian.cache import JacobianCache
from zoo.jacobian.columns import jacobian
from zoo.jacobian.gram import gram_matrices
from zoo.jacobian.operator import RegionJacobian
from zoo.jacobian.options import OutputOptions
from zoo.jacobian.timm_features import Features, boxed, open_output
from zoo.testing import draw, in_float64
from zoo.weights import cache
from zoo.weights.sources.request import DownloadRequest

SMALL = "test_resnet"
MIXED = "box:1,2,9,8+box:8,2,4,4"


@pytest.fixture(autouse=True)
def _own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path / "config"))
    monkeypatch.setattr("zoo._utils.showing._shown", set())


class Linearly(nn.Module):
    """Five features, linear in a picture of 4 x 4 pixels, as a network of timm's."""

    pretrained_cfg: dict[str, Any] = {"input_size": (3, 4, 4), "mean": (0.5,) * 3, "std": (0.5,) * 3, "license": "CC0"}  # noqa: RUF012

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Linear(48, 5, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        rows: Tensor = self.map(images.flatten(1))
        return rows


def zoo_linear(pretrained: bool = False, **_: object) -> Linearly:
    assert not pretrained
    return Linearly()


@pytest.fixture(scope="module", autouse=True)
def _linear() -> None:
    from timm.models import register_model  # collecting the tests need not take this second

    sys.modules.setdefault(zoo_linear.__module__, sys.modules[__name__])
    register_model(zoo_linear)


def weights_of(name: str, folder: Path, seed: int = 0) -> Path:
    """Write untrained weights of a timm network, its classifier too, as published files have them."""
    import timm

    torch.manual_seed(seed)
    file = folder / f"{name}-{seed}.safetensors"
    save_file(timm.create_model(name, pretrained=False).state_dict(), file)
    return file


def opened(name: str, file: Path | None, adapter: Adapter) -> Features:
    output = open_output(OutputOptions(output=f"timm:{name}", features=file), adapter)
    assert isinstance(output, Features)
    return output


def test_pixels_return_to_their_box_and_the_rest_of_it_is_mid_grey() -> None:
    region = parse_region("box:1,2,2,3+box:3,4,1,2", (6, 8))
    pixels = torch.randn(2, 3, len(region.pixels))
    found = boxed(pixels, region)
    assert found.shape == (2, 3, 3, 4)
    whole = torch.zeros(2, 3, 48)
    whole[..., torch.from_numpy(region.pixels)] = pixels
    assert torch.equal(found, whole.view(2, 3, 6, 8)[..., 1:4, 2:6])


@pytest.mark.parametrize("text", ["all", "box:0,3,160,150"])
def test_a_network_sees_what_timm_would_show_it(text: str, tmp_path: Path) -> None:
    """Normalised by its own mean and deviation, at the size it was trained at: 160."""
    import timm

    file = weights_of(SMALL, tmp_path)
    images, region = torch.rand(2, 3, 160, 160), parse_region(text, (160, 160))
    network: Any = timm.create_model(SMALL, pretrained=False, num_classes=0).eval()
    network.load_state_dict({key: value for key, value in load_file(file).items() if not key.startswith("fc.")})
    mean, std = (torch.tensor(network.pretrained_cfg[key]).view(3, 1, 1) for key in ("mean", "std"))
    part = images if region.whole else nn.functional.interpolate(images[..., 3:153], (160, 160), mode="bilinear")
    with torch.no_grad():
        wanted = network((part - mean) / std)
        pixels = (2 * images - 1).flatten(2)[..., torch.from_numpy(region.pixels.copy())]
        found = opened(SMALL, file, DCGAN.tiny(0))(pixels, region)
    assert torch.allclose(found, wanted, atol=1e-4 * float(wanted.abs().max()))  # two roundings to float32


@pytest.mark.parametrize("region", mostly_long(["all", MIXED], (MIXED,)))
@pytest.mark.parametrize(
    "name", mostly_long(["resnet10t", "test_resnet", "vit_tiny_patch16_224", "test_vit"], ("test_resnet", "test_vit"))
)
def test_derivatives_equal_central_differences(name: str, region: str, tmp_path: Path) -> None:
    """A step so small that next to no rectifier switches within it; rounding is then 1e-16 / 1e-7 of the features."""
    adapter = in_float64(DCGAN.tiny(0))
    output = opened(name, weights_of(name, tmp_path), adapter)
    code, area = draw(adapter, 1, 0), parse_region(region, adapter.resolution)
    operator = RegionJacobian(adapter, code, area, output=output)
    tangents = torch.randn(2, adapter.space.dim, dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def rows(delta: Tensor) -> Tensor:
        with torch.no_grad():
            return output(adapter.region_output(adapter.move(code, delta), area), area)[0]

    step = 1e-7
    found = operator.jvp(tangents)
    wanted = torch.stack([(rows(step * each) - rows(-step * each)) / (2 * step) for each in tangents])
    assert torch.allclose(found, wanted, atol=1e-5 * float(wanted.abs().max()))
    weights = torch.randn(2, found.shape[1], dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(operator.vjp(weights) @ tangents.T, weights @ found.T, rtol=1e-9, atol=1e-12)


def test_float32_agrees_with_float64(tmp_path: Path) -> None:
    file, adapter = weights_of("test_vit", tmp_path), DCGAN.tiny(0)
    exact = in_float64(adapter)
    region = parse_region(MIXED, adapter.resolution)
    found, wanted = (
        jacobian(each, draw(each, 1, 0), region, output=opened("test_vit", file, each)) for each in (adapter, exact)
    )
    assert wanted.dtype == torch.float64
    assert torch.allclose(found.double(), wanted, atol=1e-4 * float(wanted.abs().max()))


def linear_parts(tmp_path: Path) -> tuple[Linear, Path, Tensor, Tensor]:
    """A linear generator, weights of linear features, and the two exact Jacobians: of a box and of the rest."""
    file = weights_of("zoo_linear", tmp_path)
    rows = torch.randn(64, 6, generator=torch.Generator().manual_seed(3)).double()
    image = rows.T.reshape(6, 1, 8, 8).expand(6, 3, 8, 8).clone()
    rest = image.clone()
    rest[..., 2:6, 2:6] = 0
    shrunk = nn.functional.avg_pool2d(rest, 2)  # bilinear, by half: the mean of four
    weight = load_file(file)["map.weight"].double()
    return Linear(rows, (8, 8)), file, weight @ image[..., 2:6, 2:6].flatten(1).T, weight @ shrunk.flatten(1).T


def test_of_linear_features_of_a_linear_generator_all_is_known(tmp_path: Path) -> None:
    adapter, file, inside, outside = linear_parts(tmp_path)
    region = parse_region("box:2,2,4,4", adapter.resolution)
    output = opened("zoo_linear", file, adapter)
    grams = gram_matrices(adapter, draw(adapter, 2, 0), [region, region.complement()], output=output)
    for matrix, wanted in zip(grams.matrices, (inside, outside), strict=True):
        assert torch.allclose(matrix, wanted.T @ wanted / 5, rtol=1e-9, atol=1e-12)


def test_lowrank_and_nullspace_find_what_linear_features_must_give(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    adapter, file, inside, outside = linear_parts(tmp_path)
    asked: dict[str, Any] = {"region": "box:2,2,4,4", "output": "timm:zoo_linear", "features": file, "unseen": 0}
    found = zoo.analyze(model_of(adapter), "lowrank", energy=1.0, **asked)
    values = torch.linalg.eigvalsh(inside.T @ inside / 5).flip(0)[:5]
    assert torch.allclose(found.scores[:5], values, rtol=1e-6)
    assert found.provenance["output"] == f"timm:zoo_linear:{cache.sha256_of(file)}"
    local = zoo.analyze(model_of(adapter), "nullspace", energy=0.999, background_energy=1.0, **asked)
    assert len(local) > 0
    assert float((outside @ local.vectors.T).abs().max()) < 1e-6 * float(outside.abs().max())
    assert float((inside @ local.vectors.T).abs().min(dim=1).values.max()) > 1e-3
    assert capsys.readouterr().err == f"timm:zoo_linear · weights: not stated for {file}; timm's own: CC0\n"


def test_kept_jacobians_of_other_weights_are_never_taken(tmp_path: Path) -> None:
    adapter = DCGAN.tiny(0)
    region, code = parse_region(MIXED, adapter.resolution), draw(adapter, 1, 0)
    budget = ComputeBudget(cache=JacobianCache(tmp_path / "kept", "a network"))
    first, second = (opened("test_vit", weights_of("test_vit", tmp_path, seed), adapter) for seed in (0, 1))
    kept = [
        gram_matrices(adapter, code, [region], output=output, budget=budget).matrices[0] for output in (first, second)
    ]
    fresh = [gram_matrices(adapter, code, [region], output=output).matrices[0] for output in (first, second)]
    assert first.name != second.name
    assert torch.equal(kept[0], fresh[0]) and torch.equal(kept[1], fresh[1])


# --- where weights come from, and what is refused -------------------------------------------------------------------


def test_torch_files_are_read_too_and_payloads_are_not(tmp_path: Path) -> None:
    state, file = load_file(weights_of(SMALL, tmp_path)), tmp_path / "net.pt"
    torch.save(state, file)
    adapter, before = DCGAN.tiny(0), torch.get_rng_state()
    assert opened(SMALL, file, adapter).name.startswith("timm:test_resnet.r160_in1k:")
    assert torch.equal(torch.get_rng_state(), before)
    pickled({"weight": Payload()})(file)
    with pytest.raises(CheckpointError, match="was refused"):
        opened(SMALL, file, DCGAN.tiny(0))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"conv1.0.weight": None}, r"does not fit the network; missing: conv1\.0\.weight"),
        ({"extra.weight": torch.zeros(1)}, "left over: extra.weight"),
        ({"conv1.0.weight": torch.full((16, 3, 3, 3), torch.nan)}, "not finite"),
    ],
)
def test_weights_that_do_not_fit_are_refused_whole(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    state = {**load_file(weights_of(SMALL, tmp_path)), **change}
    file = tmp_path / "changed.safetensors"
    save_file({key: value for key, value in state.items() if value is not None}, file)
    with pytest.raises(CheckpointError, match=words):
        opened(SMALL, file, DCGAN.tiny(0))


@pytest.mark.parametrize(
    ("name", "words"),
    [("resnet1O", "'resnet1O': did you mean"), ("resnet18.a9_in1k", "resnet18.a1_in1k"), ("-", "'-': there are")],
)
def test_unknown_networks(name: str, words: str) -> None:
    with pytest.raises(UnknownNameError, match=words):
        opened(name, None, DCGAN.tiny(0))


def test_a_network_that_maps_to_no_row_is_told_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = weights_of("zoo_linear", tmp_path)
    monkeypatch.setattr(Linearly, "forward", lambda self, images: images)
    adapter = Linear.tiny(0)
    with pytest.raises(CapabilityError, match="not a row a picture"):
        jacobian(
            adapter,
            draw(adapter, 1, 0),
            parse_region("all", (8, 8)),
            output=opened("zoo_linear", file, adapter),
        )
    monkeypatch.setattr(Linearly, "pretrained_cfg", {})
    with pytest.raises(CapabilityError, match="output=timm:zoo_linear: it maps no pictures to features"):
        opened("zoo_linear", file, adapter)


def test_weights_of_the_hub_come_into_the_cache_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked: list[str] = []

    def fetch(order: DownloadRequest) -> Path:
        asked.append(order.source.url)
        return weights_of(SMALL, order.folder)

    monkeypatch.setattr("zoo.weights.sources.hub.fetch", fetch)
    first = opened(SMALL, None, DCGAN.tiny(0))
    assert capsys.readouterr().err == "timm:test_resnet.r160_in1k · weights: apache-2.0\n"
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert opened(SMALL, None, DCGAN.tiny(0)).name == first.name
    assert asked == ["hf://timm/test_resnet.r160_in1k/model.safetensors"]
    assert not capsys.readouterr().err


def test_a_hub_that_cannot_be_reached_is_one_line_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise huggingface_hub.errors.LocalEntryNotFoundError("An error happened\nwhile trying to locate the file")

    monkeypatch.setenv("ZOO_TIMEOUT", "0.1")
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", fail)
    with pytest.raises(WeightsError) as caught:
        opened(SMALL, None, DCGAN.tiny(0))
    line = str(caught.value)
    assert line.startswith("timm.test_resnet.r160_in1k: hf://timm/test_resnet.r160_in1k/model.safetensors: ")
    assert line.endswith("get the file elsewhere and pass it with -o features=FILE") and "\n" not in line


def test_a_network_without_weights_on_the_hub_is_never_left_untrained() -> None:
    with pytest.raises(WeightsError, match=r"zoo_linear: timm names no weights on the Hub: .* -o features=FILE"):
        opened("zoo_linear", None, DCGAN.tiny(0))
