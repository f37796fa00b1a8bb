"""What is differentiated instead of pixels: the features that a network of timm sees in a region."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from zoo._utils.progress import Progress, silent
from zoo.checkpoints.loading import fill_module
from zoo.checkpoints.reader import read_checkpoint
from zoo.core.adapter import Adapter, State
from zoo.core.region import Region
from zoo.errors import CapabilityError, WeightsError, is_out_of_memory, unknown_name
from zoo.jacobian.options import FEATURES, OutputOptions
from zoo.jacobian.outputs import GREY, RGB, Output
from zoo.registry.cards import Card, Licence, Source, Weights
from zoo.weights.cache import sha256_of
from zoo.weights.fetch import fetch


def open_output(options: OutputOptions, adapter: Adapter, progress: Progress = silent) -> Output:
    """Return the output that the options name; a network of features is in the adapter's type, on its device.

    The licence of such a network's weights is shown on standard error before they are used. Raises `UnknownNameError`
    for a network that timm does not know, `WeightsError` if its weights cannot be had, `CheckpointError` if they do not
    fit it, `CapabilityError` for a network that makes no features of pictures.
    """
    if options.output.startswith(FEATURES):
        name = options.output.removeprefix(FEATURES)
        return _open_features(name, options.features, progress).to(adapter.device, adapter.dtype)
    return {output.name: output for output in (GREY, RGB)}[options.output]


@dataclass(frozen=True, eq=False)
class Features(Output):
    """Pooled features of a region, by a network that takes images (n, 3, *size) normalised by `mean` and `std`.

    The region is seen in its bounding box, resized to `size` (height, width) as it is, sides apart; pixels of the box
    that do not belong to the region are 0, which is mid grey. `network` maps to (n, r), in evaluation mode.
    """

    name: str
    network: nn.Module
    size: tuple[int, int]
    mean: Tensor
    std: Tensor
    per_pixel: int = 0

    def to(self, device: torch.device, dtype: torch.dtype) -> Features:
        """Bring it to a device and a type, and return it."""
        mean, std = (numbers.to(device, dtype) for numbers in (self.mean, self.std))
        return Features(self.name, self.network.to(device, dtype), self.size, mean, std)

    def rows(self, region: Region) -> int:
        """Return the number of features, which is the same for every region."""
        return int(getattr(self.network, "num_features", len(region.pixels)))

    def __call__(self, pixels: Tensor, region: Region) -> Tensor:
        """Map pixels (n, 3, p) in [-1, 1] to features (n, r)."""
        images = boxed(pixels, region)
        if images.shape[2:] != self.size:
            images = nn.functional.interpolate(images, self.size, mode="bilinear", align_corners=False)
        with sdpa_kernel(SDPBackend.MATH):  # fused attention has no forward-mode derivative on every device
            features: Tensor = self.network(((images + 1) / 2 - self.mean) / self.std)
        if features.ndim != 2:
            raise CapabilityError(f"{self.name} gives {tuple(features.shape)} for each batch, not a row a picture")
        return features


def boxed(pixels: Tensor, region: Region) -> Tensor:
    """Put pixels (n, 3, p) back into the region's bounding box (n, 3, height, width); other pixels of it are 0."""
    rows, columns = (np.flatnonzero(region.mask.any(axis=axis)) for axis in (1, 0))
    inside = region.mask[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    if inside.all():
        return pixels.reshape(*pixels.shape[:2], *inside.shape)
    sources = np.full(inside.shape, pixels.shape[2])  # of a pixel outside: the 0 that is put behind the last
    sources[inside] = np.arange(pixels.shape[2])
    places = torch.from_numpy(sources).to(pixels.device)
    return nn.functional.pad(pixels, (0, 1))[..., places]


def _open_features(name: str, file: Path | None, progress: Progress) -> Features:
    """Build a timm network and fill it with weights from a file, or from the Hub."""
    import timm

    _require_known(name)
    try:
        with torch.random.fork_rng(devices=[]):  # what it draws is replaced
            network: nn.Module = timm.create_model(name, pretrained=False, num_classes=0)
        told: dict[str, Any] = dict(network.pretrained_cfg)  # type: ignore[arg-type]
        _, *size = told["input_size"]
        mean, std = (torch.tensor(told[key], dtype=torch.float64).view(3, 1, 1) for key in ("mean", "std"))
    except Exception as error:  # what timm's many builders raise for a network that is not of this kind
        if is_out_of_memory(error):
            raise
        reason = " ".join(str(error).split())[:160]
        raise CapabilityError(f"output={FEATURES}{name}: it maps no pictures to features ({reason})") from error
    full = ".".join(filter(None, (told.get("architecture"), told.get("tag")))) or name
    path, sha256 = (file, sha256_of(file, progress)) if file else _from_hub(full, told, progress)
    state = _without_classifier(read_checkpoint(path).state, network, told)
    fill_module(network, state, f"{path}, as output={FEATURES}{name},")
    _show_licence(full, file, str(told.get("license") or "not stated"))
    name = f"{FEATURES}{full}:{sha256}"
    return Features(name, network.eval().requires_grad_(False), tuple(size), mean, std)


def _require_known(name: str) -> None:
    """Raise `UnknownNameError` for a network, or weights of it, that timm does not list."""
    import timm

    architecture, _, tag = name.partition(".")
    if not timm.is_model(architecture):
        raise unknown_name("timm model", name, timm.list_models())
    tagged = timm.list_pretrained(f"{architecture}.*")
    if tag and name not in tagged:
        raise unknown_name("timm model", name, [architecture, *tagged])


def _from_hub(full: str, told: dict[str, Any], progress: Progress) -> tuple[Path, str]:
    """Fetch the weights that timm names into zoo's cache, as those of any model; their hash is remembered."""
    by_hand = "pass it with -o features=FILE"
    if not told.get("hf_hub_id"):
        raise WeightsError(f"output={FEATURES}{full}: timm names no weights on the Hub: get a file and {by_hand}")
    card = Card(
        name=f"timm.{re.sub(r'[^a-z0-9._-]', '-', full.lower())}",
        adapter="",
        summary="features",
        resolution=1,
        space="?",
        dim=1,
        weights=Weights(sources=(Source(f"hf://{told['hf_hub_id']}/model.safetensors"),)),
        licence=Licence(str(told.get("license") or "not stated")),
    )
    return fetch(card, progress, by_hand=by_hand)


def _without_classifier(state: State, network: nn.Module, told: dict[str, Any]) -> State:
    """Leave out the weights of the classifier, which `network` was built without."""
    named = told.get("classifier") or ()
    heads = tuple(f"{head}." for head in ([named] if isinstance(named, str) else named))
    wanted = network.state_dict().keys()
    return {key: tensor for key, tensor in state.items() if key in wanted or not key.startswith(heads)}


def _show_licence(full: str, file: Path | None, licence: str) -> None:
    """Show on which terms the weights may be used, once a process; those of a file that was brought are not known."""
    terms = f"not stated for {file}; timm's own: {licence}" if file else licence
    line = f"{FEATURES}{full} · weights: {terms}"
    if line not in _shown:
        _shown.add(line)
        print(line, file=sys.stderr)


_shown: set[str] = set()
