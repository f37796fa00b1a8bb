from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from zoo_adapters.dcgan.adapter import DCGAN
from zoo_adapters.dcgan.network import DCGANGenerator

import zoo
from tests.support.contract import check_mapped_tangents
from tests.support.marks import mostly_long
from tests.support.toys import sequential
from zoo import CheckpointError, Codes
from zoo.checkpoints.layouts import detect_network
from zoo.checkpoints.reader import read_checkpoint
from zoo.core.region import parse_region
from zoo.registry.registry import load_installation
from zoo.testing import check_adapter, check_derivatives, draw, leaves_no_trace, render

# Largest deviation from the original modules, in image units: the same torch operations, in float32, on batches of the
# same size; what remains is the order of summation on another machine.
TOLERANCE = 2e-6


def canonical(widths: tuple[int, ...] = (12, 16, 12, 3)) -> dict[str, Tensor]:
    network = DCGANGenerator(widths)
    return {key: tensor.clone() for key, tensor in network.state_dict().items()}


def named(state: dict[str, Tensor]) -> dict[str, Tensor]:
    made = {}
    for key, tensor in state.items():
        kind, index, name = key.split(".")
        made[f"{'convTr' if kind == 'convs' else 'batchNorm'}{int(index) + 1}.{name}"] = tensor
    return made


def test_conformance() -> None:
    check_adapter(DCGAN.tiny(0))


def test_conformance_of_a_conditional_network() -> None:
    state = canonical((12 + 3, 16, 12, 3))
    check_adapter(DCGAN.load(state, {"classes": ("a", "b", "c")}))


@pytest.mark.parametrize(
    ("layout", "arrange"),
    [
        ("named", named),
        ("sequential", sequential),
        ("sequential", lambda state: sequential(state, "netG_state_dict.main.")),
        ("sequential", lambda state: sequential(state, "module.main.")),
    ],
)
def test_every_layout_gives_the_same_network(layout: str, arrange: object) -> None:
    assert callable(arrange)
    state = DCGAN.tiny(5).network.state_dict()
    found = detect_network({"dcgan": DCGAN}, arrange(state), {})
    converted, config = found.convert()
    assert (found.family, found.layout.name) == ("dcgan", layout)
    adapter = DCGAN.load(converted, config)
    codes = draw(adapter, 2, 0)
    assert torch.equal(render(adapter, codes), render(DCGAN.tiny(5), codes))


def test_the_eye_layout_knows_its_classes() -> None:
    state = sequential(canonical((108, 16, 12, 3)), gap=1)
    found = detect_network({"dcgan": DCGAN}, state, {})
    converted, config = found.convert()
    adapter = DCGAN.load(converted, config)
    assert found.layout.name == "omniart-eyes"
    assert (adapter.space.dim, len(adapter.classes)) == (100, 8)
    labels = [draw(adapter, 64, 0).labels, adapter.sample(64, torch.Generator().manual_seed(0)).labels]
    assert labels[0] is not None
    assert labels[1] is not None
    assert torch.equal(labels[0], labels[1])
    assert set(labels[0].tolist()) == set(range(8))


def test_the_projection_is_the_measured_first_step() -> None:
    """Column by column, against the first convolution itself, in float64."""
    adapter = DCGAN.load(canonical((12 + 2, 16, 12, 3)), {"classes": ("a", "b")}, dtype=torch.float64)
    [projection] = adapter.projections()
    first = adapter.network.convs[0]
    label = torch.tensor([[0.0, 1.0]], dtype=torch.float64)

    def step(latents: Tensor) -> Tensor:
        flat: Tensor = first(torch.cat([latents, label], dim=1)[:, :, None, None]).flatten()
        return flat

    origin = torch.zeros(1, 12, dtype=torch.float64)
    for axis in range(12):
        moved = origin.clone()
        moved[0, axis] = 1
        assert torch.allclose(step(moved) - step(origin), projection.weight[:, axis], atol=1e-14)


@pytest.mark.parametrize("change", ["missing", "spare", "shape", "nan", "axes"])
def test_states_that_do_not_fit(change: str) -> None:
    state = canonical()
    if change == "missing":
        del state["norms.0.bias"]
    elif change == "spare":
        state["norms.7.bias"] = torch.zeros(3)
    elif change == "shape":
        state["norms.0.bias"] = torch.zeros(3)
    elif change == "nan":
        state["norms.0.bias"][2] = float("nan")
    else:
        state["convs.2.weight"] = torch.zeros(12, 3, 4)
    with pytest.raises(CheckpointError) as error:
        DCGAN.load(state, {})
    assert {
        "missing": "missing: norms.0.bias",
        "spare": "left over: norms.7.bias",
        "shape": "norms.0.bias (3,) instead of (16,)",
        "nan": "not finite",
        "axes": "4-d weights",
    }[change] in str(error.value)


def test_a_file_of_no_known_layout(tmp_path: Path) -> None:
    save_file({"a.b": torch.zeros(2)}, tmp_path / "x.safetensors")
    content = read_checkpoint(tmp_path / "x.safetensors")
    with pytest.raises(CheckpointError, match=r"no known layout; its keys begin a\.b"):
        detect_network({"dcgan": DCGAN}, content.state, content.meta)


def test_a_bare_file_can_be_opened_without_a_card(tmp_path: Path) -> None:
    save_file(named(DCGAN.tiny(2).network.state_dict()), tmp_path / "mine.safetensors")
    model = zoo.load(tmp_path / "mine.safetensors")
    assert (model.name, model.card.adapter, model.card.resolution) == ("file.mine", "dcgan", 16)
    assert len(zoo.analyze(model, "sefa", unseen=0, k=3)) == 3


@pytest.mark.real
@pytest.mark.parametrize("variant", mostly_long(["digiface64", "celeba64", "omniart-eyes128"], ("digiface64",)))
def test_real_weights_give_the_originals_images(variant: str, data: Path) -> None:
    originals = load_file(data / "dcgan_originals.safetensors")
    model = zoo.load(f"dcgan.{variant}", device="cpu")
    codes = Codes(originals[f"{variant}.z"].clone(), originals.get(f"{variant}.labels"))
    deviation = (render(model.adapter, codes) - originals[f"{variant}.image"]).abs().max()
    assert float(deviation) <= TOLERANCE


@pytest.mark.real
@pytest.mark.parametrize("variant", mostly_long(["digiface64", "celeba64", "omniart-eyes128"], ("digiface64",)))
def test_cards_agree_with_the_networks(variant: str) -> None:
    model = zoo.load(f"dcgan.{variant}", device="cpu")
    card, adapter = load_installation().registry.resolve(f"dcgan.{variant}"), model.adapter
    assert (card.resolution, card.space, card.dim) == (adapter.resolution[0], adapter.space.name, adapter.space.dim)
    assert card.classes == adapter.classes
    for name in card.regions:
        assert not model.region(name).whole


@pytest.mark.real
@pytest.mark.long
@pytest.mark.parametrize("variant", ["digiface64", "omniart-eyes128"])
def test_real_derivatives_agree_with_central_differences(variant: str) -> None:
    """On whole images of real networks, one code; `check_derivatives` works in float64."""
    model = zoo.load(f"dcgan.{variant}", device="cpu")
    with leaves_no_trace(model.adapter):
        check_derivatives(model.adapter, model.region("center"))


@pytest.mark.parametrize("text", ["box:0.4,0.4,0.22,0.22", "box:0.0,0.0,0.22,0.22", "box:0.78,0.4,0.22,0.22"])
def test_a_small_region_costs_little(text: str) -> None:
    """Multiplications of 5 % of the pixels, by torch's own count, against those of the whole image."""
    adapter = DCGAN.load(canonical((100, 256, 128, 64, 32, 16, 3)), {})
    codes = draw(adapter, 1, 0)
    counts = []
    for region in (text, "all"):
        with FlopCounterMode(display=False) as counter:
            adapter.region_output(codes, parse_region(region, adapter.resolution))
        counts.append(counter.get_total_flops())
    assert counts[0] <= 0.35 * counts[1]


def test_forward_mode_can_be_mapped_over_tangents() -> None:
    check_mapped_tangents(DCGAN.load(canonical((12 + 3, 16, 12, 3)), {"classes": ("a", "b", "c")}))


def pickled_whole(folder: Path, **changes: Any) -> Path:
    """A generator pickled as a module, in which some layers were replaced or set otherwise."""
    transposed, norm = nn.ConvTranspose2d, nn.BatchNorm2d
    layers = [transposed(12, 16, 4, bias=False), norm(16), nn.ReLU()]
    layers += [transposed(16, 8, 4, 2, 1, bias=False), norm(8), nn.ReLU()]
    layers += [transposed(8, 3, 4, 2, 1, bias=False), nn.Tanh()]
    for name, change in changes.items():
        index, _, setting = name.removeprefix("at").partition("_")
        if setting:
            setattr(layers[int(index)], setting, change)
        else:
            layers[int(index)] = change
    network = nn.Module()
    network.main = nn.Sequential(*layers).eval()
    torch.save(network, folder / "whole.pt")
    return folder / "whole.pt"


def test_a_network_that_was_pickled_whole_is_drawn_as_it_says(tmp_path: Path) -> None:
    torch.manual_seed(0)
    file = pickled_whole(tmp_path)
    model = zoo.load(file, device="cpu")
    codes = model.sample(4)
    original = torch.load(file, weights_only=False).main
    assert torch.allclose(
        model.adapter.synthesize(codes), original(codes.latents[:, :, None, None]).detach(), atol=1e-5
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"at2": nn.ELU()}, "layer 2 is ELU: zoo reads ReLU there"),
        ({"at2": nn.LeakyReLU(0.2)}, "layer 5 has negative_slope 0.0, and layer 2 0.2: zoo reads networks"),
        ({"at4_eps": 0.8}, "layer 4 has eps 0.8, and layer 1 1e-05: zoo reads networks that have the same everywhere"),
        ({"at7": nn.ELU()}, "layer 7 is ELU: zoo reads Tanh there"),
        ({"at5": nn.Identity()}, "layer 6 is ConvTranspose2d: zoo reads ReLU there"),
        ({"at6_padding": (3, 3)}, "layer 6 has padding 3: zoo reads 1 there"),
        ({"at3_output_padding": (1, 1)}, "layer 3 has output_padding 1: zoo reads 0 there"),
    ],
)
def test_a_network_of_other_layers_is_refused(changes: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=words):
        zoo.load(pickled_whole(tmp_path, **changes), device="cpu")


def block(inputs: int, outputs: int, *, first: bool = False, bias: bool = False) -> list[nn.Module]:
    stride, padding = (1, 0) if first else (2, 1)
    return [nn.ConvTranspose2d(inputs, outputs, 4, stride, padding, bias=bias), nn.BatchNorm2d(outputs), nn.ReLU()]


def last(*, bias: bool = False) -> list[nn.Module]:
    return [nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=bias), nn.Tanh()]


def dropped(at: int, *, kind: type[nn.Module] = nn.Dropout) -> list[nn.Module]:
    layers = [*block(12, 16, first=True), *block(16, 8), *last()]
    return [*layers[:at], kind(), *layers[at:]]


def normalised(normalise: Any, *indices: int) -> list[nn.Module]:
    layers = [*block(12, 16, first=True), *block(16, 8), *last()]
    return [normalise(layer) if index in indices else layer for index, layer in enumerate(layers)]


SEQUENTIAL: dict[str, Callable[[], list[nn.Module]]] = {
    **{f"dropout before layer {at}": partial(dropped, at) for at in range(1, 9)},
    "dropout of maps": partial(dropped, 2, kind=nn.Dropout2d),
    "biases": lambda: [*block(12, 16, first=True, bias=True), *block(16, 8, bias=True), *last(bias=True)],
    "norms without an affine map": lambda: [
        nn.BatchNorm2d(layer.num_features, affine=False) if isinstance(layer, nn.BatchNorm2d) else layer
        for layer in [*block(12, 16, first=True), *block(16, 8), *last()]
    ],
    "a bias at the end": lambda: [*block(12, 16, first=True), *block(16, 8), *last(bias=True)],
    "blocks": lambda: [nn.Sequential(*block(12, 16, first=True)), nn.Sequential(*block(16, 8)), nn.Sequential(*last())],
    "blocks and two layers": lambda: [
        nn.Sequential(*block(12, 16, first=True)),
        nn.Sequential(*block(16, 8, bias=True)),
        *last(bias=True),
    ],
    "spectral norm": lambda: normalised(nn.utils.spectral_norm, 0, 3, 6),
    "spectral norm of the last layers": lambda: normalised(nn.utils.spectral_norm, 3, 6),
    "parametrized": lambda: normalised(nn.utils.parametrizations.spectral_norm, 0, 3, 6),
    "parametrized at the end": lambda: normalised(nn.utils.parametrizations.spectral_norm, 6),
    "weight norm": lambda: normalised(nn.utils.parametrizations.weight_norm, 3, 6),
}


def trained(network: nn.Sequential) -> nn.Sequential:
    """Give a network random statistics and vectors, as training would, and put it into evaluation mode."""
    network.train()
    with torch.no_grad():
        for _ in range(3):
            network(torch.randn(8, 12, 1, 1))
        for name, parameter in network.named_parameters():
            if "bias" in name:
                parameter.add_(torch.randn(parameter.shape) * 0.3)
    return network.eval()


@pytest.mark.parametrize("whole", [False, True], ids=["state dict", "whole"])
@pytest.mark.parametrize("kind", mostly_long(SEQUENTIAL, list(SEQUENTIAL)[::3]))
def test_sequential_networks_are_drawn_as_torch_draws_them(kind: str, whole: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = trained(nn.Sequential(*SEQUENTIAL[kind]()))
    if whole and any(hasattr(module, "parametrizations") for module in network):
        pytest.skip("torch does not pickle parametrized modules whole")
    torch.save(network if whole else network.state_dict(), tmp_path / "x.pt")
    model = zoo.load(tmp_path / "x.pt", device="cpu")
    latents = torch.randn(3, 12)
    expected = network(latents[:, :, None, None]).detach()
    assert torch.allclose(model.adapter.synthesize(Codes(latents)), expected, atol=1e-5)


@pytest.mark.parametrize("slope", [0.01, 0.2])
def test_leaky_activations_and_wide_norms_of_a_whole_network_are_built(slope: float, tmp_path: Path) -> None:
    torch.manual_seed(0)
    layers = [*block(12, 16, first=True), *block(16, 8), *last()]
    layers = [nn.LeakyReLU(slope) if isinstance(layer, nn.ReLU) else layer for layer in layers]
    for layer in layers:
        if isinstance(layer, nn.BatchNorm2d):
            layer.eps = 0.8
    network = trained(nn.Sequential(*layers))
    torch.save(network, tmp_path / "x.pt")
    model = zoo.load(tmp_path / "x.pt", device="cpu")
    latents = torch.randn(3, 12)
    expected = network(latents[:, :, None, None]).detach()
    assert torch.allclose(model.adapter.synthesize(Codes(latents)), expected, atol=1e-5)
    assert not model.assumed


def test_vectors_of_a_spectral_norm_that_do_not_fit_are_refused(tmp_path: Path) -> None:
    state = nn.Sequential(*normalised(nn.utils.spectral_norm, 0, 3, 6)).state_dict()
    state["3.weight_u"] = torch.ones(5)
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="the tensors of 3 have shapes that do not fit each other"):
        zoo.load(tmp_path / "x.pt", device="cpu")


class EndsInCode(nn.Module):
    """A network whose last activation is in its `forward`, which no file holds."""

    def __init__(self, main: nn.Sequential) -> None:
        super().__init__()
        self.main = main

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.main(x))


def test_what_follows_the_last_layer_of_a_whole_network_may_be_in_its_code(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = trained(nn.Sequential(*block(12, 16, first=True), *block(16, 8), last()[0]))
    latents = torch.randn(3, 12)
    expected = network(latents[:, :, None, None]).detach()
    torch.save(EndsInCode(network), tmp_path / "x.pt")
    model = zoo.load(tmp_path / "x.pt", device="cpu")
    assert model.assumed == {"output_activation": "tanh"}
    assert torch.allclose(model.adapter.synthesize(Codes(latents)), torch.tanh(expected), atol=1e-5)
    model = zoo.load(tmp_path / "x.pt", device="cpu", options={"output_activation": "sigmoid"})
    assert torch.allclose(model.adapter.synthesize(Codes(latents)), 2 * torch.sigmoid(expected) - 1, atol=1e-5)


class Named(nn.Module):
    """A network of named layers."""

    def __init__(self, *, epsilon: float = 1e-5, padding: int = 1) -> None:
        super().__init__()
        self.convTr1 = nn.ConvTranspose2d(12, 16, 4, bias=False)
        self.batchNorm1 = nn.BatchNorm2d(16, eps=epsilon)
        self.convTr2 = nn.ConvTranspose2d(16, 3, 4, 2, padding, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(self.convTr2(torch.relu(self.batchNorm1(self.convTr1(x)))))


def test_a_network_of_named_layers_that_was_pickled_whole(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = Named(epsilon=0.5).eval()
    torch.save(network, tmp_path / "x.pt")
    latents = torch.randn(3, 12)
    model = zoo.load(tmp_path / "x.pt", device="cpu")
    assert model.assumed == {"negative_slope": 0.0, "output_activation": "tanh"}
    assert torch.allclose(
        model.adapter.synthesize(Codes(latents)), network(latents[:, :, None, None]).detach(), atol=1e-5
    )
    torch.save(Named(padding=3), tmp_path / "x.pt")
    with pytest.raises(CheckpointError, match="convTr2 has padding 3: zoo reads 1 there"):
        zoo.load(tmp_path / "x.pt", device="cpu")
