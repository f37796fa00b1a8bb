"""Settings that tensors do not tell are read where a file says them; else they are assumed, said and can be chosen."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from zoo_adapters.dcgan.network import DCGANGenerator

import zoo
from tests.support.golden import Golden
from tests.support.marks import mostly_long
from tests.support.toys import sequential
from zoo._utils import showing
from zoo.cli import run

State = dict[str, Tensor]

# What multiplies the mapping's learning rate, by pack.
MAPPINGS = {
    "stylegan1": "mapping.dense",
    "stylegan2": "mapping.dense",
    "stylegan2_ada": "mapping.fc",
    "stylegan2_rosinality": "style.",
    "stylegan3_t": "mapping.fc",
}


def is_mapping(key: str, pack: str) -> bool:
    return key.startswith(MAPPINGS[pack])


def draw(file: Path, **options: Any) -> Tensor:
    model = zoo.load(file, device="cpu", options=options)
    codes = model.sample(2, label=1 if model.adapter.classes else None)
    return model.adapter.synthesize(codes)


@pytest.mark.parametrize("pack", mostly_long(MAPPINGS, ("stylegan1",)))
def test_the_learning_rate_of_a_mapping_is_an_option(pack: str, tmp_path: Path) -> None:
    """Stored numbers times their multiplier are the same network, whatever the multiplier."""
    state = Golden.read(pack).state
    torch.save(state, tmp_path / "usual.pt")
    other = {key: tensor / 50 if is_mapping(key, pack) else tensor for key, tensor in state.items()}
    torch.save(other, tmp_path / "other.pt")
    expected = draw(tmp_path / "usual.pt")
    assert torch.allclose(draw(tmp_path / "other.pt", lr_mlp=0.5), expected, atol=1e-4)
    assert not torch.allclose(draw(tmp_path / "other.pt"), expected, atol=1e-2)


OTHERS = [
    "margin_size=6",
    "filter_size=4",
    "lrelu_upsampling=4",
    "first_cutoff=3",
    "lr_mlp=0.5",
    "conv_clamp=0.3 output_scale=0.5",
]


@pytest.mark.parametrize("settings", mostly_long(OTHERS, (OTHERS[0], OTHERS[-1])))
def test_a_stylegan3_of_other_settings_is_drawn_as_the_original_draws_it(
    settings: str, data: Path, tmp_path: Path
) -> None:
    recorded = load_file(data / "stylegan3_settings.safetensors")
    prefix = f"{settings}/state/"
    torch.save({k.removeprefix(prefix): t for k, t in recorded.items() if k.startswith(prefix)}, tmp_path / "x.pt")
    options = dict(pair.split("=") for pair in settings.split() if pair.startswith(("lr_mlp", "conv", "output")))
    model = zoo.load(tmp_path / "x.pt", device="cpu", space="z", options=options)
    image = model.adapter.synthesize(zoo.Codes(recorded[f"{settings}/z"]))
    assert torch.allclose(image, recorded[f"{settings}/image"], atol=1e-5)
    assert model.assumed.keys() == {"lr_mlp", "conv_clamp", "output_scale"} - options.keys()


def test_the_rate_of_nonlinearities_is_an_option_where_filters_do_not_tell_it(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo_adapters.stylegan3.synthesis_conversion._RESPONSE_TOLERANCE", -1.0)
    recorded = load_file(data / "stylegan3_settings.safetensors")
    prefix = "lrelu_upsampling=4/state/"
    torch.save({k.removeprefix(prefix): t for k, t in recorded.items() if k.startswith(prefix)}, tmp_path / "x.pt")
    code, expected = zoo.Codes(recorded["lrelu_upsampling=4/z"]), recorded["lrelu_upsampling=4/image"]
    assumed = zoo.load(tmp_path / "x.pt", device="cpu", space="z")
    assert assumed.assumed["lrelu_upsampling"] == 2
    assert not torch.allclose(assumed.adapter.synthesize(code), expected, atol=1e-3)
    chosen = zoo.load(tmp_path / "x.pt", device="cpu", space="z", options={"lrelu_upsampling": 4})
    assert "lrelu_upsampling" not in chosen.assumed
    assert torch.allclose(chosen.adapter.synthesize(code), expected, atol=1e-5)


def test_maps_without_a_common_margin_are_refused(data: Path, tmp_path: Path) -> None:
    recorded = load_file(data / "stylegan3_settings.safetensors")
    prefix = "margin_size=6/state/"
    state = {k.removeprefix(prefix).replace("L2_28", "L2_30"): t for k, t in recorded.items() if k.startswith(prefix)}
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(zoo.CheckpointError, match="have no common margin beyond the rates 16, 16"):
        zoo.load(tmp_path / "x.pt", device="cpu")


ASSUMED: list[tuple[str, dict[str, Any]]] = [
    ("pggan", {}),
    ("stylegan1", {"lr_mlp": 0.01, "fused": "auto"}),
    ("stylegan2_ada", {"lr_mlp": 0.01, "conv_clamp": None}),
    ("stylegan2_rosinality", {"lr_mlp": 0.01}),
    ("stylegan3_r", {"lr_mlp": 0.01, "conv_clamp": 256.0, "output_scale": 0.25}),
    ("biggan_ajbrock", {"epsilon": 1e-5}),
    ("biggan_deep", {"epsilon": 1e-4, "layers": "every second block upsamples"}),
    ("studiogan_sngan", {"epsilon": 1e-4}),
    ("r3gan", {}),
]


@pytest.mark.parametrize(("pack", "assumed"), mostly_long(ASSUMED, (ASSUMED[0], ASSUMED[2], ASSUMED[7])))
def test_what_is_assumed_of_a_file_of_tensors(pack: str, assumed: dict[str, Any], tmp_path: Path) -> None:
    state = Golden.read(pack).state
    torch.save(state, tmp_path / "x.pt")
    model = zoo.load(tmp_path / "x.pt", device="cpu")
    without_mean = {"w_avg"} if "latent_avg" not in state and "style.1.weight" in state else set()
    assert {name: value for name, value in model.assumed.items() if name not in without_mean} == assumed


def test_what_is_assumed_is_said_once_and_shown(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(showing, "_shown", set())
    state = Golden.read("stylegan2_ada").state
    torch.save({key: tensor for key, tensor in state.items() if key != "mapping.w_avg"}, tmp_path / "g.pt")
    for _ in range(2):
        zoo.load(tmp_path / "g.pt", device="cpu")
    said = "g.pt does not say all of its settings. Assumed: w_avg=the mean of 4,096 codes\n"
    assert capsys.readouterr().err.count(said) == 1
    assert run(["info", str(tmp_path / "g.pt"), "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)["assumed"]
    assert shown == {"lr_mlp": 0.01, "w_avg": "the mean of 4,096 codes", "conv_clamp": None}
    assert run(["info", str(tmp_path / "g.pt")]) == 0
    assert "lr_mlp=0.01, w_avg=the mean of 4,096 codes, conv_clamp=none" in capsys.readouterr().out


@pytest.mark.long
def test_a_converted_file_still_says_what_was_assumed(tmp_path: Path) -> None:
    state = Golden.read("stylegan2_rosinality").state
    torch.save(
        {key: tensor / 50 if key.startswith("style.") else tensor for key, tensor in state.items()}, tmp_path / "x.pt"
    )
    assert run(["convert", str(tmp_path / "x.pt"), "-o", str(tmp_path / "x.safetensors")]) == 0
    model = zoo.load(tmp_path / "x.safetensors", device="cpu")
    assert model.assumed["lr_mlp"] == 0.01
    torch.save(state, tmp_path / "usual.pt")
    assert torch.allclose(draw(tmp_path / "x.safetensors", lr_mlp=0.5), draw(tmp_path / "usual.pt"), atol=1e-4)


@pytest.mark.parametrize(
    ("changes", "options"),
    [
        ({"negative_slope": 0.2}, {"negative_slope": 0.2}),
        ({"epsilon": 0.8}, {"epsilon": 0.8}),
        ({"output_activation": nn.Sigmoid()}, {"output_activation": "sigmoid"}),
        ({"output_activation": nn.Identity()}, {"output_activation": "none"}),
    ],
)
def test_the_settings_of_a_dcgan_are_options(changes: dict[str, Any], options: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(0)
    widths, slope = (12, 16, 8, 3), changes.get("negative_slope", 0.0)
    norms = [nn.BatchNorm2d(width, eps=changes.get("epsilon", 1e-5)) for width in widths[1:-1]]
    layers: list[nn.Module] = []
    for index, norm in enumerate(norms):
        stride, padding = (2, 1) if index else (1, 0)
        conv = nn.ConvTranspose2d(widths[index], widths[index + 1], 4, stride, padding, bias=False)
        layers += [conv, norm, nn.LeakyReLU(slope)]
    network = nn.Sequential(
        *layers, nn.ConvTranspose2d(8, 3, 4, 2, 1, bias=False), changes.get("output_activation", nn.Tanh())
    )
    torch.save(network.state_dict(), tmp_path / "x.pt")
    latents = torch.randn(3, 12)
    expected = network.eval()(latents[:, :, None, None]).detach()
    if options.get("output_activation") == "sigmoid":
        expected = 2 * expected - 1
    model = zoo.load(tmp_path / "x.pt", device="cpu", options=options)
    assert torch.allclose(model.adapter.synthesize(zoo.Codes(latents)), expected, atol=1e-5)
    assert not options.keys() & model.assumed.keys()


def test_the_options_of_a_dcgan_have_the_defaults_of_its_network(tmp_path: Path) -> None:
    torch.save(sequential(DCGANGenerator([12, 16, 12, 3]).state_dict()), tmp_path / "x.pt")
    assert zoo.load(tmp_path / "x.pt", device="cpu").assumed == {
        "epsilon": 1e-5,
        "negative_slope": 0.0,
        "output_activation": "tanh",
    }


def genforce_of_ada(state: State) -> State:
    """The keys of genforce's conversion of a StyleGAN2-ADA, made of NVIDIA's."""
    made: State = {}
    for key, tensor in state.items():
        words = key.split(".")
        if words[0] == "mapping":
            named = {"embed": "LabelEmbed", "w_avg": "w_avg"}.get(words[1], words[1].replace("fc", "dense"))
            owner = "truncation" if named == "w_avg" else "mapping"
            made[".".join([owner, named, *words[2:]])] = tensor
            continue
        level = int(words[1][1:]).bit_length() - 3
        if words[2] == "const":
            made["synthesis.early_layer.const"] = tensor[None]
        elif words[2] != "resample_filter" and words[-1] != "resample_filter":
            index = 2 * level - (words[2] == "conv0")
            name = f"synthesis.output{level}" if words[2] == "torgb" else f"synthesis.layer{index}"
            part = ".".join(words[3:]).replace("affine", "style").replace("noise_const", "noise")
            value = tensor - 1 if part == "style.bias" else tensor
            value = tensor.flip(2, 3) if part == "weight" and words[2] == "conv0" else value
            made[f"{name}.{part}"] = value[None, None] if part == "noise" else value
    return made


@pytest.mark.parametrize("classes", mostly_long([0, 3], (3,)))
def test_genforces_conversion_of_ada(classes: int, tmp_path: Path) -> None:
    state = dict(Golden.read("stylegan2_ada").state)
    if classes:
        torch.manual_seed(0)
        outputs, inputs = state["mapping.fc0.weight"].shape
        state["mapping.fc0.weight"] = torch.randn(outputs, 2 * inputs) * 100
        state["mapping.embed.weight"], state["mapping.embed.bias"] = torch.randn(inputs, classes), torch.randn(inputs)
    torch.save(state, tmp_path / "nvidia.pt")
    torch.save(genforce_of_ada(state), tmp_path / "genforce.pt")
    assert torch.allclose(draw(tmp_path / "genforce.pt"), draw(tmp_path / "nvidia.pt"), atol=1e-4)
    assert len(zoo.load(tmp_path / "genforce.pt", device="cpu").adapter.classes) == classes


@pytest.mark.parametrize("pack", ["stylegan2_ada", "stylegan3_r"])
def test_an_embedding_that_the_mapping_cannot_read_is_noticed(pack: str, tmp_path: Path) -> None:
    state = dict(Golden.read(pack).state)
    inputs = state["mapping.fc0.weight"].shape[1]
    state["mapping.embed.weight"], state["mapping.embed.bias"] = torch.randn(inputs, 3), torch.randn(inputs)
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(zoo.CheckpointError, match=rf"has mapping\.embed\.weight, .* reads {inputs} numbers in all"):
        zoo.load(tmp_path / "x.pt", device="cpu")


def test_a_mapping_that_seems_to_lack_its_embedding_is_asked_about(tmp_path: Path) -> None:
    state = dict(Golden.read("stylegan3_t").state)
    outputs = len(state["mapping.fc0.bias"])
    state["mapping.fc0.weight"] = torch.randn(outputs, 2 * outputs)
    torch.save(state, tmp_path / "x.pt")
    with pytest.raises(zoo.CheckpointError, match=rf"say so with -o z_dim={2 * outputs}$"):
        zoo.load(tmp_path / "x.pt", device="cpu")
    assert zoo.load(tmp_path / "x.pt", device="cpu", space="z", options={"z_dim": 80}).adapter.space.dim == 2 * outputs
    with pytest.raises(zoo.CheckpointError, match="are not the 70 of z and the 0 of an embedded label"):
        zoo.load(tmp_path / "x.pt", device="cpu", options={"z_dim": 70})
