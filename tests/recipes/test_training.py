"""Each bundled model's training, some steps of it: stopped, resumed, and released."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

from recipes.generators import GENERATORS
from recipes.training import Settings, Training, at_detail
from tests.support.marks import mostly_long

Pictures = tuple[Tensor, Tensor]
SETTINGS = Settings(batch=2, every=2, grown=2)
# The other trainings are killed and resumed, as processes, by tests/recipes/test_long.py too.
RESUMED = [
    pytest.param(name, marks=[] if name == "biggan.avatars32" else [pytest.mark.long], id=name) for name in GENERATORS
]


def pictures(name: str) -> Pictures:
    """Draw sixteen pictures of two classes, of the size that a model has in its name."""
    generator = torch.Generator().manual_seed(0)
    size = int(name[-2:])
    images = torch.randint(256, (16, size, size, 3), generator=generator, dtype=torch.uint8)
    return images, torch.randint(2, (16,), generator=generator, dtype=torch.uint8)


@pytest.mark.parametrize("name", RESUMED)
def test_a_training_that_was_resumed_goes_on_as_if_it_had_not_been_stopped(name: str, tmp_path: Path) -> None:
    whole = Training(name, 2, SETTINGS)
    for _ in range(3):
        whole.advance(*pictures(name))
    stopped = Training(name, 2, SETTINGS)
    stopped.advance(*pictures(name))
    stopped.save(tmp_path)
    stopped.advance(*pictures(name))  # lost: it was killed before it wrote again
    resumed = Training(name, 2, SETTINGS)
    resumed.resume(tmp_path)
    for _ in range(2):
        resumed.advance(*pictures(name))
    assert resumed.step == whole.step == 3
    for part, network in whole.modules().items():
        others = resumed.modules()[part].state_dict()
        assert all(torch.equal(tensor, others[key]) for key, tensor in network.state_dict().items()), part


def test_a_training_is_not_resumed_with_another_batch(tmp_path: Path) -> None:
    Training("biggan.avatars32", 2, SETTINGS).save(tmp_path)
    with pytest.raises(SystemExit, match=r"is of biggan\.avatars32 with other settings of batch"):
        Training("biggan.avatars32", 2, replace(SETTINGS, batch=8)).resume(tmp_path)


@pytest.mark.parametrize("name", mostly_long(GENERATORS, ("biggan.avatars32",)))
def test_every_parameter_is_trained(name: str) -> None:
    training = Training(name, 2, Settings(batch=2, every=2, grown=1))
    training.step = 10_000  # grown
    before = {
        key: {k: t.detach().clone() for k, t in part.named_parameters()} for key, part in training.modules().items()
    }
    for _ in range(3):
        training.advance(*pictures(name))
    for part in ("generator", "discriminator"):
        network = training.modules()[part]
        still = [key for key, parameter in network.named_parameters() if torch.equal(parameter, before[part][key])]
        # ToRGB layers of the resolutions that it has grown beyond are not in the picture; and where two scores are
        # compared, what is added to both does not matter.
        assert [key for key in still if not key.startswith(("to_rgb.", "from_rgb.", "score.bias"))] == [], part


def test_detail_is_left_out_of_real_pictures_as_of_made_ones() -> None:
    images = torch.arange(64.0).view(1, 1, 8, 8)
    assert torch.equal(at_detail(images, 0), images)
    halved = at_detail(images, 1)
    assert torch.equal(halved[0, 0, :2, :2], images[0, 0, :2, :2].mean().expand(2, 2))
    assert torch.allclose(at_detail(images, 0.25), 0.75 * images + 0.25 * halved)


def test_the_rate_falls_evenly_to_nothing_at_the_end() -> None:
    training = Training("biggan.avatars32", 2, replace(SETTINGS, images=8, cooled=4))
    rates = []
    while training.shown < 8:
        training.advance(*pictures("biggan.avatars32"))
        rates.append(training.optimisers[0].param_groups[0]["lr"] / training.optimisers[0].param_groups[0]["full"])
    assert rates == [1, 1, 1, 0.5]


def test_a_training_goes_on_from_a_released_generator_once_a_new_discriminator_has_settled() -> None:
    name = "stylegan2.avatars32"
    released = Training(name, 2, SETTINGS)
    released.advance(*pictures(name))
    state = released.average.network.state_dict()
    training = Training(name, 2, replace(SETTINGS, seed=1, settled=4))
    training.start_from(state)
    knew_nothing = training.discriminator.score.weight.clone()
    for step in range(3):
        training.advance(*pictures(name))
        same = [torch.equal(tensor, state[key]) for key, tensor in training.generator.network.state_dict().items()]
        assert all(same) == (step < 2)
    assert not torch.equal(training.discriminator.score.weight, knew_nothing)
