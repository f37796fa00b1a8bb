"""One-step diffusion: pictures of the pipelines themselves, derivatives, spaces, and what is refused."""

import copy
import json
import shutil
from contextlib import nullcontext
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

import zoo
from tests.support.linear import model_of
from zoo.errors import ZooError
from zoo.jacobian import RGB, RegionJacobian
from zoo.models.model import Model
from zoo.registry.registry import load_installation

pytest.importorskip("diffusers")
pytest.importorskip("transformers")
pytestmark = pytest.mark.filterwarnings("ignore")  # those of the two libraries

from zoo_adapters.diffusers.adapter import OneStepDiffusion  # noqa: E402
from zoo_adapters.diffusers.network import replaced_embeddings  # noqa: E402

from tests.support.diffusion import EULER, pixel_pipeline, text_pipeline  # noqa: E402 after the libraries are found

LCM = {"_class_name": "LCMScheduler"}
CONSISTENCY = {"_class_name": "CMStochasticIterativeScheduler", "num_train_timesteps": 40}
DDPM = {"_class_name": "DDPMScheduler", "clip_sample": False}
STEP = {"num_inference_steps": 1, "guidance_scale": 0.0}
SEED = 7


@pytest.fixture(scope="module")
def turbo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Any, Path]:
    """A pipeline as SD-Turbo's: a tiny decoder, and one Euler step."""
    folder = tmp_path_factory.mktemp("pipelines") / "turbo"
    return text_pipeline(folder, EULER), folder


def seed() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


def deviation(pipeline: Any, call: dict[str, Any], folder: Path, label: int | None = None, **options: Any) -> float:
    """Compare zoo's picture of a seed with the pipeline's own."""
    drawn = torch.from_numpy(pipeline(generator=seed(), output_type="np", **call).images).permute(0, 3, 1, 2) * 2 - 1
    adapter = zoo.load(str(folder), device="cpu", options=options).adapter
    codes = adapter.sample(1, seed(), None if label is None else torch.tensor([label]))
    assert float(drawn.std()) > 0.01
    return float((adapter.synthesize(codes).clamp(-1, 1) - drawn).abs().max())


def test_pictures_are_those_of_the_pipeline(turbo: tuple[Any, Path]) -> None:
    assert deviation(turbo[0], {**STEP, "prompt": "red cat"}, turbo[1], 1, prompts="dog|red cat") < 1e-5
    assert deviation(turbo[0], {**STEP, "prompt": ""}, turbo[1]) < 1e-5


@pytest.mark.parametrize(
    ("scheduler", "vae", "unet", "call", "options"),
    [
        ({**EULER, "prediction_type": "v_prediction"}, "AutoencoderKL", {}, STEP, {}),
        (LCM, "AutoencoderTiny", {}, {"timesteps": [399], "guidance_scale": 0.0}, {"timestep": 399}),
        (LCM, "AutoencoderTiny", {"time_cond_proj_dim": 10}, {**STEP, "guidance_scale": 3.0}, {"guidance": 3.0}),
    ],
    ids=["v", "dmd2", "lcm"],
)
def test_pictures_of_other_latent_pipelines(
    scheduler: dict[str, Any],
    vae: str,
    unet: dict[str, Any],
    call: dict[str, Any],
    options: dict[str, Any],
    tmp_path: Path,
) -> None:
    pipeline = text_pipeline(tmp_path / "one", scheduler, vae=vae, **unet)
    assert deviation(pipeline, {**call, "prompt": "cat"}, tmp_path / "one", prompts=["cat"], **options) < 2e-4


def test_pictures_of_a_consistency_model(tmp_path: Path) -> None:
    pipeline = pixel_pipeline(tmp_path / "cm", "ConsistencyModelPipeline", CONSISTENCY, num_class_embeds=5)
    assert deviation(pipeline, {"num_inference_steps": 1, "class_labels": [3]}, tmp_path / "cm", 3) < 1e-5
    with pytest.raises(ZooError, match="option timestep"):
        zoo.load(str(tmp_path / "cm"), device="cpu", options={"timestep": 3})


def test_codes_are_brought_to_a_timestep_as_the_scheduler_does(tmp_path: Path) -> None:
    """Four steps of DDIM from 999 on, and then the mean: what the last of five steps of the library predicts."""
    ddim = {"_class_name": "DDIMScheduler", "clip_sample": False, "timestep_spacing": "linspace"}
    pipeline = pixel_pipeline(tmp_path / "ddim", "DDIMPipeline", ddim)
    scheduler, unet = pipeline.scheduler, pipeline.unet
    times = [999, 874, 750, 624, 500]  # rounded as torch does
    x = torch.randn(1, 3, 8, 8, generator=seed())
    with torch.no_grad():
        for now, following in pairwise(times):
            alphas = scheduler.alphas_cumprod
            noise = unet(x, now).sample
            mean = (x - (1 - alphas[now]).sqrt() * noise) / alphas[now].sqrt()
            x = alphas[following].sqrt() * mean + (1 - alphas[following]).sqrt() * noise
        scheduler.set_timesteps(1000)
        mean = scheduler.step(unet(x, 500).sample, 500, x).pred_original_sample
    adapter = zoo.load(str(tmp_path / "ddim"), device="cpu", options={"timestep": 500, "ddim_steps": 4}).adapter
    codes = adapter.sample(1, seed())
    assert float((codes.latents.reshape(x.shape) - x).abs().max()) < 1e-4 * float(x.abs().max())
    assert float((adapter.synthesize(codes) - mean).abs().max()) < 1e-4 * float(mean.abs().max())


def test_the_setting_of_loco_edit(tmp_path: Path) -> None:
    """Leading directions of the mean's masked pixels, orthogonal to the leading ones of all other pixels."""
    pixel_pipeline(tmp_path / "ddpm", "DDPMPipeline", DDPM)
    model = zoo.load(str(tmp_path / "ddpm"), device="cpu", options={"timestep": 600, "ddim_steps": 3})
    options: dict[str, Any] = {"basis": "published", "output": "rgb", "k": 5, "background_rank": 5}
    found = zoo.analyze(model, "nullspace", region="center", method="sketched", unseen=0, seed=SEED, **options)
    region = model.region("center")
    codes = model.sample(1, seed=SEED)
    inside, outside = (
        RegionJacobian(model.adapter, codes, part, output=RGB).gram() for part in (region, region.complement())
    )
    rest = torch.linalg.eigh(outside)[1][:, -5:]
    assert len(found) == 5
    assert float((found.vectors @ rest).abs().max()) < 0.02
    changes = [((found.vectors @ matrix) * found.vectors).sum(dim=1) for matrix in (inside, outside)]
    pixels = [len(part.pixels) for part in (region, region.complement())]
    assert found.scores.tolist() == pytest.approx((changes[0] / changes[1] * pixels[1] / pixels[0]).tolist(), rel=1e-3)


@pytest.mark.parametrize("space", ["noise", "h", "temb"])
def test_derivatives_are_exact(space: str) -> None:
    tiny = OneStepDiffusion.tiny(0)
    adapter = OneStepDiffusion(tiny.network.double(), tiny.step, space, tiny.classes)
    model = model_of(adapter)
    code = adapter.sample(1, seed()).to("cpu", torch.float64)
    region = model.region("center")
    jacobian = RegionJacobian(adapter, code, region)
    tangents = torch.randn(3, adapter.space.dim, dtype=torch.float64, generator=seed())
    images = jacobian.jvp(tangents)
    step = 1e-6
    ends = [
        [adapter.region_output(adapter.move(code, sign * step * one), region).mean(dim=1).flatten() for sign in (1, -1)]
        for one in tangents
    ]
    differences = torch.stack([(ahead - behind) / (2 * step) for ahead, behind in ends])
    assert float((images - differences).abs().max()) < 1e-6 * float(images.abs().max())
    cotangents = torch.randn_like(images)
    assert torch.allclose(cotangents @ images.T, jacobian.vjp(cotangents) @ tangents.T)


def test_reverse_mode_keeps_little_and_a_copy_computes_with_its_own_weights() -> None:
    tiny = OneStepDiffusion.tiny(0)
    code = tiny.sample(1, seed())

    def gradient(adapter: OneStepDiffusion, *, keeps_all: bool = False) -> tuple[Tensor, int]:
        kept = 0

        def pack(tensor: Tensor) -> Tensor:
            nonlocal kept
            kept += tensor.numel()
            return tensor

        latents = code.latents.clone().requires_grad_()
        inside = replaced_embeddings(adapter.network, latents.new_zeros(1, 9, 32)) if keeps_all else nullcontext()
        with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor), inside:
            image = adapter.synthesize(replace(code, latents=latents))
        return torch.autograd.grad(image.sum(), latents)[0], kept

    found, kept = gradient(tiny)
    assert kept < 0.6 * gradient(tiny, keeps_all=True)[1]
    copied, anew = copy.deepcopy(tiny), OneStepDiffusion.tiny(0)
    for adapter in (copied, anew):
        adapter.network.unet.conv_in.weight *= 2
    assert torch.equal(gradient(copied)[0], gradient(anew)[0])
    assert torch.equal(gradient(tiny)[0], found)
    assert not torch.allclose(gradient(copied)[0], found)


def test_the_first_picture_is_the_same_in_all_spaces() -> None:
    tiny = OneStepDiffusion.tiny(0)
    pictures = []
    for space in ("noise", "h", "temb"):
        adapter = OneStepDiffusion(tiny.network, tiny.step, space, tiny.classes)
        pictures.append(adapter.synthesize(adapter.sample(1, torch.Generator().manual_seed(0))))
        assert bool(adapter.projections()) == (space == "temb")
    assert torch.allclose(pictures[0], pictures[1], atol=1e-5)
    assert torch.allclose(pictures[0], pictures[2], atol=1e-5)


def test_sefa_factorizes_what_reads_the_embedded_timestep(turbo: tuple[Any, Path]) -> None:
    model = zoo.load(str(turbo[1]), device="cpu", space="temb")
    found = zoo.analyze(model, "sefa", unseen=0, k=2, normalize=False)
    layers = dict(turbo[0].unet.named_modules())
    weight = torch.cat([layer.weight for name, layer in layers.items() if name.endswith("time_emb_proj")])
    values = torch.linalg.eigvalsh(weight.double().T @ weight.double()).flip(0)
    assert found.scores == pytest.approx(values[:2].detach().numpy(), rel=1e-5)


@pytest.mark.parametrize("analyzer", ["lowrank", "nullspace", "resefa"])
def test_analyses(analyzer: str, turbo: tuple[Any, Path]) -> None:
    model = zoo.load(str(turbo[1]), device="cpu", options={"prompts": "dog|red cat"})
    found = zoo.analyze(model, analyzer, region="center", label="red cat", k=2, unseen=0)
    assert len(found) == 2


def test_a_converted_folder_is_one_file_with_the_same_pictures(turbo: tuple[Any, Path], tmp_path: Path) -> None:
    from zoo.models.export import convert, inspect_file

    installation = load_installation()
    inspected = inspect_file(str(turbo[1]), installation, licence="on purpose", options={"prompts": "dog|red cat"})
    file = convert(inspected, tmp_path / "one.safetensors")
    assert "unet.conv_in.weight" in load_file(file)
    same = zoo.load(str(file), device="cpu")
    codes = same.adapter.sample(1, seed())
    assert torch.equal(same.adapter.synthesize(codes), inspected.model.adapter.synthesize(codes))


def changed(folder: Path, copy: Path, part: str, **settings: Any) -> Path:
    """Copy a pipeline, and change settings of a part."""
    shutil.copytree(folder, copy)
    file = copy / part
    file.write_text(json.dumps({**json.loads(file.read_text()), **settings}))
    return copy


@pytest.mark.parametrize(
    ("part", "settings", "message"),
    [
        ("model_index.json", {"_class_name": "StableDiffusionXLPipeline"}, "StableDiffusionXLPipeline.*it opens"),
        ("model_index.json", {"unet": ["os", "system"], "_class_name": "os.system"}, "os.system"),
        ("unet/config.json", {"_class_name": "Evil"}, "the unet is a 'Evil'; zoo opens"),
        ("unet/config.json", {"layers_per_block": 10**9}, "layers_per_block=1e.09"),
        ("unet/config.json", {"block_out_channels": [8, 32]}, "does not fit the network"),
        ("unet/config.json", {"addition_embed_type": "text_time"}, "addition_embed_type"),
        ("vae/config.json", {"_class_name": "VQModel"}, "the vae is a 'VQModel'"),
        ("scheduler/scheduler_config.json", {"_class_name": "X"}, "the scheduler is a 'X'"),
        ("scheduler/scheduler_config.json", {"num_train_timesteps": 10**7}, "num_train_timesteps"),
    ],
)
def test_what_is_refused(
    part: str, settings: dict[str, Any], message: str, turbo: tuple[Any, Path], tmp_path: Path
) -> None:
    folder = changed(turbo[1], tmp_path / "copy", part, **settings)
    with pytest.raises(ZooError, match=message) as caught:
        zoo.load(str(folder), device="cpu")
    assert "\n" not in str(caught.value)


def test_weights_that_are_pickles_are_read_without_running_them(turbo: tuple[Any, Path], tmp_path: Path) -> None:
    folder = shutil.copytree(turbo[1], tmp_path / "copy")
    stored = folder / "unet" / "diffusion_pytorch_model.safetensors"
    torch.save(load_file(stored), stored.with_suffix(".bin"))
    stored.unlink()
    models: list[Model] = [zoo.load(str(one), device="cpu") for one in (turbo[1], folder)]
    codes = models[0].adapter.sample(1, seed())
    assert torch.equal(*(model.adapter.synthesize(codes) for model in models))
    assert models[0].weights_sha256 != models[1].weights_sha256
