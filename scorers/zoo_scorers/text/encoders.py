"""What places pictures and texts in one space: the network in the box, or one of open_clip."""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from zoo import CapabilityError, OptionError, WeightsError
from zoo.checkpoints import fill_module, read_checkpoint
from zoo_scorers.text.bundled import WEIGHTS, read_card
from zoo_scorers.text.tokenizer import tokenize, unknown_words
from zoo_scorers.text.towers import RESOLUTION, Towers

# The names of the weights in a repository of the Hub, in the order in which open_clip looks for them.
_HUB_FILES = ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")


class Encoder(ABC):
    """Places pictures and texts in one space, in which those that fit have large inner products."""

    # Descriptions of nothing in particular, which words without an opposite are compared with.
    neutral: Sequence[str] = ("a picture",)

    @abstractmethod
    def images(self, images: Tensor) -> Tensor:
        """Place images (n, 3, h, w) in [-1, 1]; returns unit vectors (n, dim). Differentiable, on any device."""

    @abstractmethod
    def texts(self, texts: Sequence[str]) -> Tensor:
        """Place texts; returns unit vectors (n, dim). Raises `OptionError` for words that are not known."""


class BundledEncoder(Encoder):
    """The network in the box, which knows pictures of avatars and the words of their captions."""

    # It has seen no caption that tells nothing, but many that tell different things.
    neutral = (
        *("a smiling face", "a serious face", "a face with closed eyes", "a face with open eyes"),
        *("a face with glasses", "a face without glasses", "a person with short hair", "a person with long hair"),
        *(
            "a person with black hair",
            "a person with blond hair",
            "a face on a white background",
            "a person with dark skin",
        ),
    )

    def images(self, images: Tensor) -> Tensor:
        """Place images, brought to 32 x 32 pixels."""
        placed: Tensor = self._on(images.device).image(_resized(images.float(), RESOLUTION, "bilinear"))
        return placed

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Place texts of words that the network has seen."""
        words = read_card()["words"]
        for text in texts:
            if unknown := unknown_words(text, words):
                raise OptionError(
                    f"the network in the box does not know {', '.join(map(repr, unknown))} of {text!r}; its words are "
                    f"{', '.join(word for word in words if len(word) > 2)}"
                )
        with torch.no_grad():
            placed: Tensor = self._on(torch.device("cpu")).text(tokenize(texts, words))
        return placed

    def _on(self, device: torch.device) -> Towers:
        return _towers(str(device))


@cache
def _towers(device: str) -> Towers:
    with torch.random.fork_rng(devices=[]):
        network = Towers(len(read_card()["words"]))
    state = {
        key: tensor.float() if tensor.is_floating_point() else tensor
        for key, tensor in read_checkpoint(WEIGHTS).state.items()
    }
    fill_module(network, state, str(WEIGHTS))
    return network.eval().requires_grad_(False).to(device)


class ClipEncoder(Encoder):
    """A network of open_clip.

    Args:
        architecture: Its name in open_clip, or a JSON file of its configuration.
        pretrained: A tag of open_clip, whose weights are on the Hub, or a file of weights.

    Raises:
        CapabilityError: If open_clip is not installed.
        OptionError: If it has no such architecture or tag.
    """

    def __init__(self, architecture: str, pretrained: str) -> None:
        self._open_clip = _import_open_clip()
        if architecture.endswith(".json"):
            if not Path(architecture).is_file():
                raise OptionError(f"text: option clip={architecture}: there is no such file")
            self._open_clip.add_model_config(Path(architecture))
            architecture = Path(architecture).stem
        known = self._open_clip.list_models()
        if architecture not in known:
            raise OptionError(f"text: option clip={architecture}: open_clip has {', '.join(known)}")
        self._architecture, self._pretrained = architecture, pretrained
        self._settings: Mapping[str, Any] = {}
        if not is_file(pretrained):
            tags = self._open_clip.list_pretrained_tags_by_model(architecture)
            if pretrained not in tags:
                raise OptionError(
                    f"text: option pretrained={pretrained}: that is no file, and the tags of {architecture} are "
                    f"{', '.join(tags) or 'none'}"
                )
            self._settings = self._open_clip.get_pretrained_cfg(architecture, pretrained)

    def images(self, images: Tensor) -> Tensor:
        """Place images, brought to the size and the range that the network was trained on."""
        network: Any = self._network.to(images.device)
        side = network.visual.image_size
        side = side if isinstance(side, int) else side[0]
        mean, std = (
            torch.tensor(self._settings.get(name) or getattr(self._open_clip, constant), device=images.device)
            for name, constant in (("mean", "OPENAI_DATASET_MEAN"), ("std", "OPENAI_DATASET_STD"))
        )
        shown = (_resized(images.float(), side, "bicubic").clamp(-1, 1) + 1) / 2
        placed = network.encode_image((shown - mean[:, None, None]) / std[:, None, None])
        return functional.normalize(placed, dim=1)

    def texts(self, texts: Sequence[str]) -> Tensor:
        """Place texts."""
        network: Any = self._network
        device = next(network.parameters()).device
        tokens = self._open_clip.get_tokenizer(self._architecture)(list(texts)).to(device)
        with torch.no_grad():
            return functional.normalize(network.encode_text(tokens), dim=1)

    @cached_property
    def _network(self) -> nn.Module:
        """Build the network, and fill it with weights, of which nothing is executed."""
        file = Path(self._pretrained) if is_file(self._pretrained) else fetch(self._settings)
        with torch.random.fork_rng(devices=[]), _silent():
            network: nn.Module = self._open_clip.create_model(
                self._architecture,
                pretrained=None,
                load_weights=False,
                pretrained_text=False,
                force_quick_gelu=bool(self._settings.get("quick_gelu")),
            )
        state = {key.removeprefix("module."): value.float() for key, value in read_checkpoint(file).state.items()}
        fill_module(network, state, str(file))
        return network.eval().requires_grad_(False)


@contextmanager
def _silent() -> Iterator[None]:
    """Keep open_clip from warning that a network has random weights, which are filled in afterwards."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)


def is_file(pretrained: str) -> bool:
    """Say whether weights are named by a file rather than by a tag of open_clip."""
    return "/" in pretrained or "\\" in pretrained or Path(pretrained).exists()


def has_weights(pretrained: str, architecture: str) -> bool:
    """Say whether open_clip is installed, and weights are in a file or in the cache of the Hub."""
    try:
        open_clip = _import_open_clip()
    except CapabilityError:
        return False
    if is_file(pretrained):
        return Path(pretrained).exists()
    return _cached(open_clip.get_pretrained_cfg(architecture, pretrained)) is not None


def _import_open_clip() -> Any:
    try:
        return import_module("open_clip")
    except ImportError as error:
        raise CapabilityError(
            f"comparing pictures with words takes open_clip_torch ({error}): pip install 'latent-zoo[text]'"
        ) from None


def _repository(settings: Mapping[str, Any]) -> str:
    """Return the repository of the Hub that has weights; open_clip writes ``owner/name/``."""
    return "/".join(str(settings.get("hf_hub", "")).split("/")[:2])


def _cached(settings: Mapping[str, Any]) -> Path | None:
    from huggingface_hub import try_to_load_from_cache

    for name in _HUB_FILES:
        found = try_to_load_from_cache(_repository(settings), name) if _repository(settings) else None
        if isinstance(found, str):
            return Path(found)
    return None


def fetch(settings: Mapping[str, Any]) -> Path:
    """Take weights from the cache of the Hub, or fetch them into it.

    Args:
        settings: What open_clip says of them.

    Returns:
        The file.

    Raises:
        WeightsError: If they are not on the Hub, or cannot be fetched.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    if (cached := _cached(settings)) is not None:
        return cached
    repository = _repository(settings)
    if not repository:
        raise WeightsError("these weights are not on the Hub: fetch them, and name the file with -o pretrained=FILE")
    for name in _HUB_FILES:
        try:
            return Path(hf_hub_download(repository, name))
        except LocalEntryNotFoundError as error:  # no network
            raise WeightsError(f"cannot fetch {name} of {repository}: {_first_line(error)}") from None
        except EntryNotFoundError:
            continue
        except Exception as error:
            raise WeightsError(f"cannot fetch {name} of {repository}: {_first_line(error)}") from None
    raise WeightsError(f"{repository} has none of {', '.join(_HUB_FILES)}: name a file with -o pretrained=FILE")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0] or type(error).__name__


def _resized(images: Tensor, side: int, mode: str) -> Tensor:
    """Bring images to side x side pixels; larger ones are averaged rather than sampled."""
    if images.shape[2:] == (side, side):
        return images
    return functional.interpolate(images, (side, side), mode=mode, align_corners=False, antialias=True)
