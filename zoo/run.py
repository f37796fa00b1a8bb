"""A whole analysis: codes drawn, an analyzer run, its directions measured, and a run folder written."""

from __future__ import annotations

import hashlib
import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import torch

from zoo.analyzer import Analyzer, Probe, silent
from zoo.codes import Codes, parse_layers, save_codes
from zoo.directions import Directions
from zoo.entries import AnalyzerPlugin
from zoo.errors import CapabilityError, ContractError, LayersError, OptionError, RegionError
from zoo.files import refuse_existing, whole_folder
from zoo.measures import Locality, locality
from zoo.model import Model, Zoo, check_seed, is_file_name, open_model
from zoo.options import parse_options
from zoo.region import Region
from zoo.registry import Card
from zoo.report import Finding, write_report
from zoo.version import __version__

Progress = Callable[[int, int, str], None]

_MOST_MEASURED = 16


@dataclass(frozen=True, kw_only=True)
class Question:
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


@dataclass(frozen=True, eq=False)
class Run:
    """An analysis that was carried out: its directions, the codes, and how local each direction proved to be.

    `own` and `unseen` hold a list for each measured direction, with a `Locality` for each code; both are empty where
    the region is the whole image.
    """

    model: Model
    region: Region
    codes: Codes
    unseen_codes: Codes | None
    directions: Directions
    own: tuple[tuple[Locality, ...], ...]
    unseen: tuple[tuple[Locality, ...], ...]
    show: int

    def save(self, folder: Path, *, force: bool = False, npy: bool = False) -> None:
        """Write the run folder, whole or not at all. Raises `OutputError`."""
        with whole_folder(folder, force=force) as partial:
            self.directions.save(partial / "directions.safetensors")
            if npy:
                self.directions.save(partial / "directions.npy")
            card = {"model": self.model.name, "space": self.model.adapter.space.as_json()}
            save_codes(partial / "codes.safetensors", self.codes, card)
            finding = Finding(
                self.model, self.region, self.codes, self.unseen_codes, self.directions.take(self.show), self.table()
            )
            write_report(partial, finding)

    def table(self) -> list[dict[str, float | None]]:
        """List a row for each shown direction: score, kept norm, and median locality on own and unseen codes."""
        shown = self.directions.take(self.show)
        return [
            {
                "score": float(shown.scores[index]),
                "kept": None if shown.kept is None else float(shown.kept[index]),
                "own": _median(self.own, index),
                "unseen": _median(self.unseen, index),
            }
            for index in range(len(shown))
        ]


def check_question(question: Question, zoo: Zoo, card: Card | None) -> AnalyzerPlugin:
    """Refuse, before anything is fetched, what the names and options alone show to be wrong.

    Raises `UnknownNameError`, `OptionError`, `CapabilityError`, `RegionError`.
    """
    plugin = zoo.plugins.analyzer(question.analyzer)
    parse_options(plugin.name, plugin.schema(), question.options or {})
    if question.samples < 1 or question.show < 1 or question.unseen < 0:
        raise OptionError("--samples and --show must be at least 1, --unseen at least 0")
    check_seed(question.seed)
    if card is None:
        return plugin
    obstacle = plugin.obstacle(zoo.plugins.adapter(card.adapter))
    if obstacle:
        raise CapabilityError(obstacle)
    if plugin.local and question.region == "all":
        names = ", ".join([*card.regions, "center", "left", "right", "top", "bottom"])
        raise RegionError(f"{plugin.name} sets a region against the rest of the image: pass --region, one of {names}")
    return plugin


def carry_out(question: Question, model: Model, zoo: Zoo, progress: Progress = silent) -> Run:
    """Draw or read the codes, run the analyzer, and measure what it found.

    Raises whatever is wrong with the question, and `ContractError` when the analyzer breaks the contract.
    """
    plugin = check_question(question, zoo, model.card)
    region = model.region(question.region)
    if plugin.local:
        region.complement()
    layers = _layers(question, plugin, model)
    generator = torch.Generator().manual_seed(question.seed)
    codes = _codes(question, model, generator)
    analyzer: Analyzer[Any] = plugin.load()(parse_options(plugin.name, plugin.schema(), question.options or {}))
    probe = Probe(codes, region, layers, generator, progress)
    found = analyzer.analyze(model.adapter, probe)
    if found.space != model.adapter.space:
        raise ContractError(
            f"{plugin.name} returned directions of {found.space}, the model's codes are in {model.adapter.space}"
        )
    strange = None
    if question.unseen:
        stream = torch.Generator().manual_seed(_unseen_seed(question.seed))
        strange = model.draw(question.unseen, stream, label=question.label, truncation=question.truncation)
    shown = found.take(question.show)
    own = _localities(model, codes[:_MOST_MEASURED], shown, region, progress)
    unseen = _localities(model, strange, shown, region, progress) if strange is not None else ()
    record = {
        "model": model.name,
        "weights_sha256": model.weights_sha256,
        "layout": model.layout,
        "licence": str(model.card.licence),
        "analyzer": plugin.name,
        "options": analyzer.options.model_dump(mode="json"),
        "region": region.text,
        "seed": question.seed,
        "samples": len(codes),
        "label": question.label,
        "truncation": question.truncation,
        "locality": {"own": _as_json(own), "unseen": _as_json(unseen)},
        "device": str(model.adapter.device.type),
        "dtype": str(model.adapter.dtype).removeprefix("torch."),
        "threads": torch.get_num_threads(),
        "torch_version": torch.__version__,
        "zoo_version": __version__,
        "command": command_of(question, model),
    }
    return Run(model, region, codes, strange, found.with_provenance(**record), own, unseen, question.show)


def perform(
    question: Question,
    name: str | Path | Model,
    zoo: Zoo,
    *,
    out: Path | None = None,
    force: bool = False,
    npy: bool = False,
    progress: Progress = silent,
    **loading: Any,
) -> Run:
    """Check the question, open the model, carry the analysis out, and write the run folder if `out` names one.

    Everything that can be refused is refused before weights are fetched; `loading` goes to `zoo.model.open_model`.
    """
    known = (
        name.card if isinstance(name, Model) else None if is_file_name(str(name)) else zoo.registry.resolve(str(name))
    )
    check_question(question, zoo, known)
    if out is not None:
        refuse_existing(out, force=force)
    model = name if isinstance(name, Model) else open_model(name, zoo, progress=progress, **loading)
    done = carry_out(question, model, zoo, progress)
    if out is not None:
        progress(0, 1, "writing the report")
        done.save(out, force=force, npy=npy)
        progress(1, 1, "writing the report")
    return done


def default_folder(model: str, analyzer: str, region: str) -> Path:
    """Name the run folder: ``runs/MODEL-ANALYZER-REGION``, with signs that a file name should not have replaced."""
    return Path("runs") / re.sub(r"[^A-Za-z0-9._-]+", "_", f"{model}-{analyzer}-{region}")[:120]


def _layers(question: Question, plugin: AnalyzerPlugin, model: Model) -> tuple[int, ...] | None:
    asked = question.layers
    if asked is None:
        return None
    space = model.adapter.space
    if "projection" not in plugin.requires and space.layers == 1:
        raise LayersError(
            f"--layers: {model.name} has a single row of {space}, and {plugin.name} moves rows; leave it out"
        )
    count = space.layers if space.layers > 1 else 1 + max(part.layer for part in model.adapter.projections())
    return parse_layers(asked if isinstance(asked, str) else ",".join(str(layer) for layer in asked), count)


def _codes(question: Question, model: Model, generator: torch.Generator) -> Codes:
    if isinstance(question.codes, Codes):
        return question.codes
    if question.codes is not None:
        return model.read_codes(question.codes, label=question.label)
    return model.draw(question.samples, generator, label=question.label, truncation=question.truncation)


def command_of(question: Question, model: Model) -> str:
    """Write the command line that asks the same question again."""
    parts = ["zoo", "analyze", model.name, "--analyzer", question.analyzer]
    for option, value in (
        ("region", question.region),
        ("samples", question.samples),
        ("seed", question.seed),
        ("codes", question.codes if isinstance(question.codes, Path) else None),
        ("layers", question.layers),
        ("label", question.label),
        ("truncation", question.truncation),
        ("show", question.show),
        ("unseen", question.unseen),
    ):
        if value is not None and value != Question.__dataclass_fields__[option].default:
            text = value if isinstance(value, str) or not isinstance(value, Sequence) else ",".join(map(str, value))
            parts += [f"--{option}", str(text)]
    for name, value in (question.options or {}).items():
        parts += ["-o", f"{name}={value}"]
    if model.adapter.dtype != torch.float32:
        parts += ["--dtype", str(model.adapter.dtype).removeprefix("torch.")]
    return shlex.join(parts)


def _unseen_seed(seed: int) -> int:
    """Derive the seed of the unseen codes, so that they are never those of a neighbouring seed."""
    return int.from_bytes(hashlib.sha256(f"unseen codes of seed {seed}".encode()).digest()[:4])


def _localities(
    model: Model, codes: Codes, directions: Directions, region: Region, progress: Progress
) -> tuple[tuple[Locality, ...], ...]:
    """Measure every direction at every code; nothing where there is no outside."""
    if region.whole or len(directions) == 0:
        return ()
    by_code = []
    for index in range(len(codes)):
        progress(index, len(codes), "measuring locality")
        by_code.append(locality(model.adapter, codes[index], directions.vectors, region, directions.layers))
    progress(len(codes), len(codes), "measuring locality")
    return tuple(zip(*by_code, strict=True))


def _median(values: Sequence[Sequence[Locality]], index: int) -> float | None:
    return median(found.value for found in values[index]) if values else None


def _as_json(values: Sequence[Sequence[Locality]]) -> list[list[dict[str, Any]]]:
    return [[found.as_json() for found in row] for row in values]
