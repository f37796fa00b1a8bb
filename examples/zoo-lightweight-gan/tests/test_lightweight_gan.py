"""The adapter against the package's own generator, and the contract."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from zoo_lightweight_gan.adapter import LightweightGAN, randomize
from zoo_lightweight_gan.library import load_library

import zoo
from zoo import CheckpointError, UnknownNameError
from zoo.core import parse_region
from zoo.testing import check_adapter, check_derivatives, draw, render

LIBRARY: Any = load_library().module
SIZES: dict[str, dict[str, Any]] = {
    "plain": {"image_size": 16, "latent_dim": 8, "fmap_max": 8},
    "attention": {"image_size": 16, "latent_dim": 4, "fmap_max": 8, "attn_res_layers": [4, 8]},
    "greyscale": {"image_size": 16, "latent_dim": 8, "fmap_max": 8, "greyscale": True},
    "transparent": {"image_size": 16, "latent_dim": 8, "fmap_max": 8, "transparent": True},
    "context": {"image_size": 128, "latent_dim": 4, "fmap_max": 4, "fmap_inverse_coef": 8},
    "frequencies": {"image_size": 128, "latent_dim": 4, "fmap_max": 32, "fmap_inverse_coef": 9, "freq_chan_attn": True},
}


def original(chosen: dict[str, Any], *, smoothed: bool = False) -> nn.Module:
    """Build the package's own generator, as its trainer does, with random weights."""
    network: nn.Module = LIBRARY.Generator(**chosen)
    if not smoothed:
        for layer in network.get_submodule("layers").children():
            layer.get_submodule("0")[1] = nn.Identity()  # type: ignore[operator]
    randomize(network, 3)
    return network.eval()


@pytest.mark.parametrize("name", SIZES)
@pytest.mark.parametrize("smoothed", [False, True], ids=["", "smoothed"])
def test_pictures_are_those_of_the_package(name: str, smoothed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Bit for bit but for the gate, which rounds otherwise, once its noise is 0; pictures go from [0, 1] to [-1, 1]."""
    network = original(SIZES[name], smoothed=smoothed)
    adapter = LightweightGAN.load(network.state_dict(), {})
    assert adapter.channels == {"greyscale": 1, "transparent": 4}.get(name, 3)
    codes = draw(adapter, 3, seed=0)
    monkeypatch.setattr(LIBRARY.torch, "randn", lambda *size, **where: torch.zeros(*size))
    with torch.no_grad():
        wanted = 2 * network(codes.latents) - 1
    torch.testing.assert_close(render(adapter, codes), wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max()))


def test_noise_that_is_drawn_is_the_packages_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    network = original(SIZES["plain"])
    state = network.state_dict()
    drawn = LightweightGAN.load(state, {"noise": "drawn", "noise_seed": 7})
    generator, codes = torch.Generator().manual_seed(7), draw(drawn, 2, seed=1)
    real: Callable[..., Tensor] = torch.randn
    monkeypatch.setattr(LIBRARY.torch, "randn", lambda count, *size, **where: real(1, *size, generator=generator))
    with torch.no_grad():
        wanted = 2 * network(codes.latents) - 1
    found = render(drawn, codes)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5 * float(wanted.abs().max()))
    assert not torch.allclose(found, render(LightweightGAN.load(state, {}), codes), atol=1e-3)


@pytest.mark.parametrize("seed", [0, 1])
def test_conformance(seed: int) -> None:
    check_adapter(LightweightGAN.tiny(seed))


def test_derivatives_of_attention() -> None:
    check_derivatives(
        LightweightGAN.load(original(SIZES["attention"]).state_dict(), {}), parse_region("center", (16, 16))
    )


def test_torch_knows_the_truth_about_cuda() -> None:
    """The claim that lets the package be imported is over."""
    load_library()
    assert torch.cuda.is_available.__qualname__ == "is_available"


def test_checkpoints_of_the_trainer_open(tmp_path: Path) -> None:
    """A whole checkpoint, with generators, discriminator and what else the trainer saves: the average is taken."""
    average = original(SIZES["plain"])
    both = {"G": LIBRARY.Generator(**SIZES["plain"]), "GE": average}
    state = {f"{head}.{key}": value for head, one in both.items() for key, value in one.state_dict().items()}
    torch.save({"GAN": state, "version": "1.2.1", "G_scaler": {}, "D_scaler": {}}, tmp_path / "model_3.pt")
    torch.save(state, tmp_path / "bare.pt")
    wanted = LightweightGAN.load(average.state_dict(), {})
    codes = draw(wanted, 1, seed=0)
    for name in ("model_3.pt", "bare.pt"):
        model = zoo.load(tmp_path / name, device="cpu", options={"adapter": "lightweight-gan-library"})
        assert (model.card.adapter, model.layout) == ("lightweight-gan-library", "lightweight-gan")
        assert torch.equal(render(model.adapter, codes), render(wanted, codes))


def test_zoo_asks_which_architecture_is_to_read_a_file(tmp_path: Path) -> None:
    """The built-in lightweight-gan reads the same files, and draws the same pictures."""
    network = original(SIZES["plain"])
    torch.save({f"GE.{key}": value for key, value in network.state_dict().items()}, tmp_path / "bare.pt")
    with pytest.raises(CheckpointError, match=r"lightweight-gan-library/.* -o adapter="):
        zoo.load(tmp_path / "bare.pt", device="cpu")
    ours, built_in = (
        zoo.load(tmp_path / "bare.pt", device="cpu", options={"adapter": name}).adapter
        for name in ("lightweight-gan-library", "lightweight-gan")
    )
    codes = draw(ours, 2, seed=0)
    torch.testing.assert_close(render(ours, codes), render(built_in, codes), rtol=0, atol=1e-4)


def test_directions_of_sefa_are_singular_vectors_of_the_first_layer() -> None:
    adapter = LightweightGAN.tiny(0)
    [part] = adapter.projections()
    code = torch.randn(1, 6)
    weight = adapter.network.get_parameter("initial_conv.0.weight")
    first = torch.nn.functional.conv_transpose2d(code[..., None, None], weight)
    torch.testing.assert_close(part.weight @ code[0], first.flatten())


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"out_conv.weight": torch.zeros(2, 8, 3, 3)}, "makes 2 channels"),
        ({"out_conv.weight": torch.zeros(8)}, "4-d weights"),
        ({"layers.0.0.2.1.weight": torch.zeros(16, 8, 4, 5)}, "does not fit"),
        ({"strange": torch.zeros(1)}, "left over: strange"),
        ({"out_conv.bias": torch.full((3,), torch.nan)}, "not finite"),
    ],
)
def test_states_that_are_none(change: dict[str, Tensor], words: str) -> None:
    with pytest.raises(CheckpointError, match=words):
        LightweightGAN.load(original(SIZES["plain"]).state_dict() | change, {})


def test_there_is_one_space() -> None:
    with pytest.raises(UnknownNameError, match="lightweight-gan"):
        LightweightGAN.load(original(SIZES["plain"]).state_dict(), {}, space="w")
