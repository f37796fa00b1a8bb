"""Pivotal tuning: networks of all families, what it costs other images, and its file."""

import copy
from pathlib import Path

import pytest
import torch
from torch import Tensor

import zoo
from tests.support.families import families
from tests.support.linear import Linear, model_of
from tests.support.marks import mostly_long
from zoo import CapabilityError, Codes, Model, OptionError
from zoo.analysis.resources import cache_key
from zoo.core.channels import as_rgb
from zoo.core.compute import ComputeBudget
from zoo.core.sampling import derived_generator
from zoo.inversion.options import TuneOptions
from zoo.inversion.tuning.adam import Adam
from zoo.inversion.tuning.tune import Pivots, TunedNetwork, tune_network
from zoo.models.tuned import TunedFile, digest, recorded_settings, save_tuned
from zoo.testing import leaves_no_trace

FAMILIES = families()


def tuned_at(model: Model, codes: Codes, pictures: Tensor, *, steps: int = 12, locality: float = 0.0) -> TunedNetwork:
    pivots = Pivots(codes, pictures, model.region("all"))
    options = TuneOptions(steps=steps, locality=locality)
    return tune_network(model, pivots, options, derived_generator(0, "tuning"))


def other_pictures(model: Model, codes: Codes) -> Tensor:
    """What a network with slightly other weights draws of the codes."""
    network = copy.deepcopy(model.adapter.network)
    generator = torch.Generator().manual_seed(3)
    for weight in network.parameters():
        weight.mul_(1 + 0.05 * torch.randn(weight.shape, generator=generator))
    network.load_state_dict(network.state_dict())
    adapter = copy.copy(model.adapter)
    adapter.network = network
    return as_rgb(adapter.synthesize(codes)).clamp(-1, 1)


def error(images: Tensor, pictures: Tensor) -> float:
    return float((as_rgb(images).clamp(-1, 1) - pictures).double().square().mean())


@pytest.mark.parametrize("family", mostly_long(FAMILIES, ("biggan", "dcgan")))
def test_every_family_is_tuned_and_opened_again(family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = model_of(FAMILIES[family].tiny(0))
    codes = model.sample(2, 5)
    pictures = other_pictures(model, codes)
    with leaves_no_trace(model.adapter):
        tuned = tuned_at(model, codes, pictures)
        after = tuned.adapter.synthesize(codes)
        assert error(after, pictures) < error(model.render(codes), pictures) / 1.5
    record = {"weights_sha256": model.weights_sha256, "settings": recorded_settings(model)}
    save_tuned(tmp_path / "tuned.safetensors", tuned.tensors, record)
    fresh = model_of(FAMILIES[family].tiny(0))
    opened = TunedFile.find(tmp_path).put_into(fresh)
    assert torch.equal(opened.adapter.synthesize(codes), after)
    assert opened.tuned_sha256 == digest(model.weights_sha256, tuned.tensors)
    # What is not trained stays: the statistics of normalisations, noise and filters.
    trained = {tensor.data_ptr() for tensor in fresh.adapter.network.parameters()}
    buffers = {name for name, tensor in fresh.adapter.network.state_dict().items() if tensor.data_ptr() not in trained}
    assert not buffers & tuned.tensors.keys()
    assert not any(weight.requires_grad for weight in tuned.adapter.network.parameters())


@pytest.mark.parametrize("family", mostly_long(FAMILIES, ("biggan", "dcgan", "pggan", "stylegan2", "stylegan3")))
def test_gradients_are_those_of_the_network_that_is_opened(family: str) -> None:
    """What is folded into other tensors ahead of time must not be missing from the derivative."""
    model = model_of(FAMILIES[family].tiny(0))
    network = model.adapter.network.double()
    network.load_state_dict(network.state_dict())
    codes = model.sample(1, 5).to("cpu", torch.float64)
    weights = list(network.requires_grad_().parameters())
    direction = [torch.randn(weight.shape, dtype=weight.dtype) for weight in weights]
    gradients = torch.autograd.grad(model.adapter.synthesize(codes).sum(), weights, allow_unused=True)
    pairs = zip(gradients, direction, strict=True)
    total = sum(float((gradient * step).sum()) for gradient, step in pairs if gradient is not None)
    network.requires_grad_(False)
    before, ends = {name: tensor.clone() for name, tensor in network.state_dict().items()}, []
    for sign in (1, -1):
        network.load_state_dict(before)
        for weight, step in zip(weights, direction, strict=True):
            weight.add_(sign * 1e-6 * step)
        network.load_state_dict(network.state_dict())
        ends.append(float(model.adapter.synthesize(codes).sum()))
    assert (ends[0] - ends[1]) / 2e-6 == pytest.approx(total, rel=1e-4, abs=1e-5)


def test_locality_holds_other_images() -> None:
    model = model_of(Linear.tiny(0))
    codes, others = model.sample(1, 5), model.sample(32, 9)
    pictures, before = other_pictures(model, codes), as_rgb(model.render(others)).clamp(-1, 1)
    moved = [
        error(tuned_at(model, codes, pictures, locality=locality, steps=60).adapter.synthesize(others), before)
        for locality in (0.0, 1.0)
    ]
    assert moved[1] < moved[0] / 2


def test_a_seed_gives_the_same_bits() -> None:
    model = model_of(FAMILIES["dcgan"].tiny(0))
    codes = model.sample(1, 5)
    runs = [tuned_at(model, codes, other_pictures(model, codes), locality=1.0, steps=5) for _ in range(2)]
    assert digest("", runs[0].tensors) == digest("", runs[1].tensors)


class Detached(Linear):
    """A network whose images do not depend on its weights as far as autograd knows."""

    def synthesize(self, codes: Codes) -> Tensor:
        return super().synthesize(codes).detach()


def test_a_network_without_derivatives_is_refused() -> None:
    model = model_of(Detached.tiny(0))
    codes = model.sample(1, 5)
    with pytest.raises(CapabilityError, match="no derivative with respect to its weights: leave out --tune"):
        tuned_at(model, codes, other_pictures(model, codes), steps=2)


class Stale(Linear):
    """A network that reads a copy of its weight while the weight needs no gradient, and never renews it."""

    def synthesize(self, codes: Codes) -> Tensor:
        if not hasattr(self, "copied"):
            self.copied = self.network.get_parameter("weight").detach().clone()
        current = self.network.get_parameter("weight")
        weight = current if current.requires_grad else self.copied
        grey = (codes.latents @ weight.T).view(-1, 1, *self.resolution)
        return grey.expand(-1, 3, -1, -1)


def test_a_network_that_keeps_derived_values_is_refused() -> None:
    model = model_of(Stale.tiny(0))
    codes = model.sample(1, 5)
    with pytest.raises(CapabilityError, match="does not recompute them in load_state_dict"):
        tuned_at(model, codes, other_pictures(model, codes), steps=30)


def test_a_projection_is_tuned_and_written(tmp_path: Path) -> None:
    model = model_of(FAMILIES["dcgan"].tiny(0))
    pictures = other_pictures(model, model.sample(2, 5))
    found = zoo.project(model, pictures, starts=1, tune=True, steps=40)
    assert found.tuning is not None
    assert min(now - fit.psnr for now, fit in zip(found.tuning.psnr, found.fits, strict=True)) > 3
    assert cache_key(found.tuning.model) != cache_key(model)
    assert found.table()[0][:3] == ["picture", "PSNR", "tuned"] and "tuned network" in "".join(found.notes())
    found.save(tmp_path / "run", each=True)
    names = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"tuned.safetensors", "code-0000.png", "code-0001_tuned.png"} <= names
    fresh = model_of(FAMILIES["dcgan"].tiny(0))
    opened = TunedFile.find(tmp_path / "run").put_into(fresh)
    assert opened.tuned_sha256 == found.tuning.model.tuned_sha256
    assert torch.equal(as_rgb(opened.render(found.codes)).clamp(-1, 1), found.tuning.images)
    with pytest.raises(OptionError, match=r"--tune: test\.model is open with tuned weights"):
        zoo.project(opened, pictures, tune=True)
    with pytest.raises(OptionError, match=r"--locality: .*pass that too"):
        zoo.project(model, pictures, locality=1.0)
    with pytest.raises(OptionError, match="--steps 0: it is a number from 1"):
        zoo.project(model, pictures, tune=True, steps=0)
    with pytest.raises(OptionError, match="--locality -1: it is a number from 0 on"):
        zoo.project(model, pictures, tune=True, locality=-1.0)


def test_ctrl_c_keeps_what_was_tuned() -> None:
    model = model_of(FAMILIES["dcgan"].tiny(0))
    codes = model.sample(1, 5)
    pivots = Pivots(codes, other_pictures(model, codes), model.region("all"))

    def stop(done: int, _: int, __: str) -> None:
        if done == 3:
            raise KeyboardInterrupt

    tuned = tune_network(model, pivots, TuneOptions(), derived_generator(0, "tuning"), progress=stop)
    assert tuned.interrupted and tuned.tensors


def test_less_memory_tunes_fewer_pictures_at_a_time() -> None:
    model = model_of(FAMILIES["dcgan"].tiny(0))
    with pytest.raises(OptionError, match="--memory 2kB: tuning this network needs"):
        tune_network(
            model,
            Pivots(model.sample(1, 5), torch.zeros(1, 3, *model.adapter.resolution), model.region("all")),
            TuneOptions(),
            derived_generator(0, "tuning"),
            budget=ComputeBudget(memory=2000),
        )


def test_adam_takes_a_step_of_the_rate_and_comes_to_rest() -> None:
    weights = torch.tensor([3.0, -2.0]), torch.tensor([1.0])
    adam = Adam(weights, [0.1, 1.0], 200)
    adam.step([torch.tensor([5.0, -1e-3]), None])
    assert torch.allclose(weights[0], torch.tensor([2.9, -1.9]), atol=1e-4)
    assert float(weights[1]) == 1
    for _ in range(199):
        adam.step([2 * (weights[0] - 1), None])
    assert torch.allclose(weights[0], torch.ones(2), atol=0.05)
