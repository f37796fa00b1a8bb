"""The tables about the models that come with zoo, from what `recipes` measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from python_signatures import code, table
from zoo_scorers.avatars.card import read_card

from zoo.plugins import load_plugins
from zoo.registry.registry import load_registry

PLUGINS = load_plugins()
MEASURED = Path(__file__).parents[1] / "recipes" / "measured"
REAL = "real pictures"


def avatars(_: str) -> str:
    """List what the scorer of avatars knows, and how well."""
    card = read_card()
    rows = [
        [
            code(name),
            ", ".join(values),
            f"{100 * card['accuracy'][name]:.2f} %",
            f"{100 * card['accuracy_spoiled'][name]:.2f} %",
        ]
        for name, values in card["attributes"].items()
    ]
    return table(["attribute", "values", "accuracy", "accuracy, degraded pictures"], rows)


def bundled(_: str) -> str:
    """Show how good the models in the box are."""
    measurements, cards = _measurements(), load_registry(PLUGINS).cards
    reference = next(iter(measurements.values()))
    twins = min(style["closest_real"] for style in reference["styles"].values())
    rows = [[REAL, "", *_likeness(reference["real"]), "", f"{twins:.3f}"]]
    for name, measured in measurements.items():
        styles = [style for style in measured["styles"].values() if "closest" in style]
        recognised = f"{min(style['recognized'] for style in styles):.1%}".replace("%", " %") if styles else ""
        twins_of_model = f"{min(style['closest'] for style in styles):.3f}" if styles else ""
        size = f"{(cards[name].weights.size or 0) / 1e6:.1f} MB"
        rows.append([code(name), size, *_likeness(measured), recognised, twins_of_model])
    columns = ["", "file", "distance", "precision", "recall", "to the nearest", "recognised", "twins"]
    return table(columns, rows)


def bundled_shares(_: str) -> str:
    """Show how often each value of an attribute is seen."""
    measurements = _measurements()
    shares: dict[str, Any] = next(iter(measurements.values()))["shares"]
    rows = [
        [
            f"{name.replace('_', ' ')}: {value}",
            f"{100 * real:.0f}",
            *(f"{100 * measured['shares'][name][value][0]:.0f}" for measured in measurements.values()),
        ]
        for name, values in shares.items()
        for value, (_, real) in values.items()
    ]
    return table(["", REAL, *(code(name.partition(".")[0]) for name in measurements)], rows)


def bundled_scores(_: str) -> str:
    """Show what the analyses find in the models in the box."""
    scores = json.loads((MEASURED / "scores.json").read_text())
    attributes = list(scores[0]["strengths"])
    columns = ["", "region", *(name.replace("_", " ") for name in attributes), "beside", "coverage"]
    parts = []
    for model in dict.fromkeys(score["model"] for score in scores):
        own = [score for score in scores if score["model"] == model]
        chance = ["*another picture*", "", *(_two(own[0]["chance"][name]) for name in attributes), "", ""]
        rows = [*(_score_row(score, attributes) for score in own), chance]
        parts.append(f"### {model}\n\n{table(columns, rows)}")
    return "\n\n".join(parts)


def _measurements() -> dict[str, Any]:
    """Read what `recipes.evaluate` wrote of each model; the best comes first."""
    measurements = {file.stem: json.loads(file.read_text()) for file in MEASURED.glob("*.avatars32.json")}
    return dict(sorted(measurements.items(), key=lambda pair: float(pair[1]["frechet"])))


def _likeness(measured: dict[str, Any]) -> list[str]:
    return [
        f"{measured['frechet']:.1f}",
        *(f"{measured[key]:.2f}" for key in ("precision", "recall")),
        f"{measured['nearest']['50%']:.1f}",
    ]


def _score_row(score: dict[str, Any], attributes: list[str]) -> list[str]:
    return [
        code(score["analyzer"]) if score["analyzer"] in PLUGINS.analyzers else score["analyzer"],
        code(score["region"].rpartition("_")[2]),
        *(_two(score["strengths"][name]) for name in attributes),
        _two(median(score["outside"])) if None not in score["outside"] else "",
        _two(score["coverage"]),
    ]


def _two(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


KINDS: dict[str, Callable[[str], str]] = {
    "avatars": avatars,
    "bundled": bundled,
    "bundled-shares": bundled_shares,
    "bundled-scores": bundled_scores,
}
