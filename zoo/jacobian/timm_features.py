"""Features instead of pixels as what is differentiated: those that a network of timm computes from a region."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from zoo._utils.progress import Progress, silent
from zoo._utils.showing import show_once
from zoo.checkpoints.loading import fill_module
from zoo.checkpoints.reader import read_checkpoint
from zoo.core.adapter import Adapter, State
from zoo.core.region import Region
from zoo.errors import CapabilityError, WeightsError, is_out_of_memory, unknown_name
from zoo.jacobian.options import FEATURES, OutputOptions
from zoo.jacobian.outputs import GREY, RGB, Output
from zoo.registry.cards import Card, Licence, Weights
from zoo.registry.sources import Source
from zoo.weights.cache import sha256_of
from zoo.weights.fetch import fetch


def open_output(options: OutputOptions, adapter: Adapter, progress: Progress = silent) -> Output:
    """Return the output that the options name.

    The licence of a feature network's weights is shown on standard error before they are used.

    Args:
        options: The name of the output, and the file of a feature network's weights.
        adapter: The generator. A feature network is put on its device, in its dtype.
        progress: Told how far a download has come.

    Returns:
        The output.

    Raises:
        UnknownNameError: timm does not know the network.
        WeightsError: Its weights cannot be read or fetched.
        CheckpointError: They do not fit the network.
        CapabilityError: The network does not map images to features.
    """
    if options.output.startswith(FEATURES):
        name = options.output.removeprefix(FEATURES)
        return _open_features(name, options.features, progress).to(adapter.device, adapter.dtype)
    return {output.name: output for output in (GREY, RGB)}[options.output]


@dataclass(frozen=True, eq=False)
class Features(Output):
    """Pooled features of a region.

    The network sees the region's bounding box, stretched to the size of its input. Pixels of the box outside of the
    region are 0, which is mid grey.

    Attributes:
        name: The name of the network and the hash of its weights.
        network: Maps images (n, 3, height, width) to features (n, r), in evaluation mode.
        size: Height and width of the network's input.
        mean: Mean of the channels that the network expects, (3, 1, 1), for values in [0, 1].
        std: Their standard deviation, (3, 1, 1).
        source: The name of the timm model and the file of its weights, by which another process opens the network
            again.
        per_pixel: 0, since features mix pixels.
    """

    name: str
    network: nn.Module
    size: tuple[int, int]
    mean: Tensor
    std: Tensor
    source: tuple[str, Path | None]
    per_pixel: int = 0

    def __reduce__(self) -> tuple[Any, ...]:
        """Let another process open the network once, instead of sending it there with each question."""
        return _open_again, self.source

    def to(self, device: torch.device, dtype: torch.dtype) -> Features:
        """Move the network and its constants.

        Args:
            device: The device.
            dtype: The dtype.

        Returns:
            The same output there.
        """
        mean, std = (constant.to(device, dtype) for constant in (self.mean, self.std))
        return replace(self, network=self.network.to(device, dtype), mean=mean, std=std)

    def rows(self, region: Region) -> int:
        """Return the number of features.

        Args:
            region: The region, which does not matter for most networks.

        Returns:
            The number of rows.
        """
        return int(getattr(self.network, "num_features", len(region.pixels)))

    def __call__(self, pixels: Tensor, region: Region) -> Tensor:
        """Compute the features.

        Args:
            pixels: The pixels of the region, (n, 3, p), nominally in [-1, 1].
            region: The region.

        Returns:
            The features, (n, r).

        Raises:
            CapabilityError: The network returns no row for each image.
        """
        images = boxed(pixels, region)
        if images.shape[2:] != self.size:
            images = nn.functional.interpolate(images, self.size, mode="bilinear", align_corners=False)
        with sdpa_kernel(SDPBackend.MATH):  # fused attention has no forward-mode derivative on every device
            features: Tensor = self.network(((images + 1) / 2 - self.mean) / self.std)
        if features.ndim != 2:
            raise CapabilityError(f"{self.name} gives {tuple(features.shape)} for each batch, not a row a picture")
        return features


def boxed(pixels: Tensor, region: Region) -> Tensor:
    """Put pixels back into the region's bounding box.

    Args:
        pixels: The pixels of the region, (n, 3, p).
        region: The region.

    Returns:
        The box, (n, 3, height, width). Its pixels outside of the region are 0.
    """
    rows, columns = (np.flatnonzero(region.mask.any(axis=axis)) for axis in (1, 0))
    inside = region.mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if inside.all():
        return pixels.reshape(*pixels.shape[:2], *inside.shape)
    sources = np.full(inside.shape, pixels.shape[2])  # outside of the region: the 0 that is appended to the pixels
    sources[inside] = np.arange(pixels.shape[2])
    indices = torch.from_numpy(sources).to(pixels.device)
    return nn.functional.pad(pixels, (0, 1))[..., indices]


def _open_features(name: str, file: Path | None, progress: Progress) -> Features:
    """Build a timm network and fill it with weights from a file, or from the Hub."""
    import timm

    _require_known(name)
    try:
        with torch.random.fork_rng(devices=[]):  # the random weights are replaced below
            network: nn.Module = timm.create_model(name, pretrained=False, num_classes=0)
        config: dict[str, Any] = dict(network.pretrained_cfg)  # type: ignore[arg-type]
        _, *size = config["input_size"]
        mean, std = (torch.tensor(config[key], dtype=torch.float64).view(3, 1, 1) for key in ("mean", "std"))
    except Exception as error:  # timm's builders raise many kinds for a network that is no image classifier
        if is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:160]
        raise CapabilityError(f"output={FEATURES}{name}: it maps no pictures to features ({reason})") from error
    full_name = ".".join(filter(None, (config.get("architecture"), config.get("tag")))) or name
    path, sha256 = (file, sha256_of(file, progress)) if file else _fetch_from_hub(full_name, config, progress)
    state = _without_classifier(read_checkpoint(path).state, network, config)
    fill_module(network, state, f"{path}, as output={FEATURES}{name},")
    _show_licence(full_name, file, str(config.get("license") or "not stated"))
    title, opened = f"{FEATURES}{full_name}:{sha256}", network.eval().requires_grad_(False)
    return Features(title, opened, tuple(size), mean, std, (name, None if file is None else file.resolve()))


@lru_cache(maxsize=1)
def _open_again(name: str, file: Path | None) -> Features:
    return _open_features(name, file, silent)


def _require_known(name: str) -> None:
    """Raise `UnknownNameError` for a network, or weights of it, that timm does not list."""
    import timm

    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise unknown_name("timm model", name, timm.list_models())
    tagged = timm.list_pretrained(f"{architecture}.*")
    if tag and name not in tagged:
        raise unknown_name("timm model", name, [architecture, *tagged])


def _fetch_from_hub(full_name: str, config: dict[str, Any], progress: Progress) -> tuple[Path, str]:
    """Fetch the weights that timm names into zoo's cache, where their hash is pinned as that of any model."""
    by_hand = "pass it with -o features=FILE"
    if not config.get("hf_hub_id"):
        raise WeightsError(f"output={FEATURES}{full_name}: timm names no weights on the Hub: get a file and {by_hand}")
    card = Card(
        name=f"timm.{re.sub(r'[^a-z0-9._-]', '-', full_name.lower())}",
        adapter="",
        summary="features",
        resolution=1,
        space="?",
        dim=1,
        weights=Weights(sources=(Source(f"hf://{config['hf_hub_id']}/model.safetensors"),)),
        licence=Licence(str(config.get("license") or "not stated")),
    )
    return fetch(card, progress, by_hand=by_hand)


def _without_classifier(state: State, network: nn.Module, config: dict[str, Any]) -> State:
    """Leave out the weights of the classifier, which `network` was built without."""
    classifiers = config.get("classifier") or ()
    prefixes = tuple(f"{name}." for name in ([classifiers] if isinstance(classifiers, str) else classifiers))
    own_keys = network.state_dict().keys()
    return {key: tensor for key, tensor in state.items() if key in own_keys or not key.startswith(prefixes)}


def _show_licence(full_name: str, file: Path | None, licence: str) -> None:
    """Show the terms of the weights on first use; those of the user's own file are not known."""
    terms = f"not stated for {file}; timm's own: {licence}" if file else licence
    show_once(f"{FEATURES}{full_name} · weights: {terms}")
