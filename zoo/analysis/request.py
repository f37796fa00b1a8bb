"""A question to an analyzer, in the words of the command line, and what can be refused from its words alone."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

from zoo._utils.files import is_file
from zoo.core.codes import Codes
from zoo.core.common_regions import COMMON_REGIONS
from zoo.core.options import parse_options
from zoo.core.region import parse_region
from zoo.errors import CapabilityError, CodesError, OptionError, RegionError, unknown_name
from zoo.models.model import Model, check_count, check_seed
from zoo.plugins.entries import AnalyzerPlugin
from zoo.registry.cards import Card
from zoo.registry.registry import Installation


@dataclass(frozen=True, kw_only=True)
class AnalysisRequest:
    """What is asked of an analyzer, in the words of the command line."""

    analyzer: str
    region: str = "all"
    samples: int = 1
    seed: int = 0
    codes: Path | Codes | None = None
    layers: str | Sequence[int] | None = None
    label: int | str | None = None
    truncation: float | None = None
    options: Mapping[str, Any] | None = None
    show: int = 5
    unseen: int = 4


def check_request(
    question: AnalysisRequest,
    installation: Installation,
    card: Card | None,
    *,
    size: tuple[int, int] | None = None,
    space: str | None = None,
) -> AnalyzerPlugin:
    """Refuse, before anything is fetched, what the names and options alone show to be wrong.

    `size` is (height, width) of the images where a network is there to tell; else the card does. `space` None is the
    family's usual one. Raises `UnknownNameError`, `OptionError`, `CapabilityError`, `RegionError`, `CodesError`.
    """
    plugin = installation.plugins.analyzer(question.analyzer)
    parse_options(plugin.name, plugin.schema(), question.options or {})
    check_count("--samples", question.samples)
    check_count("--show", question.show)
    check_count("--unseen", question.unseen, 0)
    check_seed(question.seed)
    if isinstance(question.codes, Path) and not is_file(question.codes):
        raise CodesError(f"cannot read codes from {question.codes}: there is no such file")
    if card is None:
        return plugin
    obstacle = plugin.obstacle(installation.plugins.adapter(card.adapter), space)
    if obstacle:
        raise CapabilityError(obstacle)
    region = parse_region(question.region, size or (card.resolution, card.resolution), card.regions)
    if plugin.local and region.whole:
        names = ", ".join([*card.regions, *(name for name in COMMON_REGIONS if name != "all")])
        raise RegionError(
            f"{plugin.name} sets a region against the rest of the image, but {question.region} is the whole image: "
            f"pass --region, one of {names}"
        )
    return plugin


def split_options(
    question: AnalysisRequest, installation: Installation, card: Card | None
) -> tuple[AnalysisRequest, dict[str, Any]]:
    """Leave the analyzer its own options, and hand back the others: those of the architecture.

    An option that both have is the analyzer's. Raises `OptionError` for a name that neither knows, as far as the card
    tells the architecture.
    """
    plugin = installation.plugins.analyzer(question.analyzer)
    own = {name: value for name, value in (question.options or {}).items() if name in plugin.schema().model_fields}
    rest = {name: value for name, value in (question.options or {}).items() if name not in own}
    if card is not None and rest:
        adapter = installation.plugins.adapter(card.adapter)
        unknown = [name for name in rest if name not in adapter.schema().model_fields]
        if unknown:
            both = f"{plugin.name} or {adapter.name}" if adapter.schema().model_fields else plugin.name
            known = [*plugin.schema().model_fields, *adapter.schema().model_fields]
            raise OptionError(str(unknown_name(f"option of {both}", unknown[0], known)))
    return replace(question, options=own), rest


def command_of(question: AnalysisRequest, model: Model) -> str | None:
    """Write the command line that asks the same question again; None where no command can, for codes from Python."""
    if isinstance(question.codes, Codes):
        return None
    parts = ["zoo", "analyze", model.opening.name, "--analyzer", question.analyzer]
    for part in fields(question):
        value = getattr(question, part.name)
        if part.name in {"analyzer", "options"} or value == part.default:
            continue
        text = str(value) if isinstance(value, str | Path) or not isinstance(value, Sequence) else _commas(value)
        parts += [f"--{part.name}", text]
    for name, value in {**(question.options or {}), **model.opening.options}.items():
        parts += ["-o", f"{name}={value}"] if value is not None else []
    if model.opening.space is not None:
        parts += ["--space", model.opening.space]
    if model.dtype != "float32":
        parts += ["--dtype", model.dtype]
    return shlex.join(parts)


def default_folder(model: str, analyzer: str, region: str) -> Path:
    """Name the run folder: ``runs/MODEL-ANALYZER-REGION``, with signs that a file name should not have replaced."""
    return Path("runs") / re.sub(r"[^A-Za-z0-9._-]+", "_", f"{model}-{analyzer}-{region}")[:120]


def _commas(values: Sequence[object]) -> str:
    return ",".join(str(value) for value in values)
