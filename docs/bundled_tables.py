"""The tables about the models that come with zoo, from what `recipes` measured."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import naming_table
from python_signatures import code, table
from zoo_scorers.avatars.card import read_card
from zoo_scorers.text.bundled import read_card as read_towers_card

from zoo.plugins import load_plugins
from zoo.registry.registry import load_registry

PLUGINS = load_plugins()
CARDS = load_registry(PLUGINS).cards
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


def towers(_: str) -> str:
    """List how well the network of words in the box knows each attribute."""
    card = read_towers_card()
    rows = [
        [code(name), f"{100 * share:.2f} %", f"{100 * card['accuracy_spoiled'][name]:.2f} %"]
        for name, share in card["accuracy"].items()
    ]
    return table(["attribute", "accuracy", "accuracy, degraded pictures"], rows)


def bundled(_: str) -> str:
    """Show how good the models in the box are."""
    rows: list[list[str]] = []
    for side, measurements in _measurements().items():
        reference = next(iter(measurements.values()))
        twins = min(style["closest_real"] for style in reference["styles"].values())
        rows.append([f"{REAL}, {side}²", "", *_likeness(reference["real"]), "", f"{twins:.3f}"])
        rows += [_quality(name, measured) for name, measured in measurements.items()]
    columns = ["", "file", "distance", "precision", "recall", "to the nearest", "recognised", "twins"]
    return table(columns, rows)


def _quality(name: str, measured: dict[str, Any]) -> list[str]:
    styles = [style for style in measured["styles"].values() if "closest" in style]
    recognised = f"{min(style['recognized'] for style in styles):.1%}".replace("%", " %") if styles else ""
    twins = f"{min(style['closest'] for style in styles):.3f}" if styles else ""
    return [code(name), f"{(CARDS[name].weights.size or 0) / 1e6:.1f} MB", *_likeness(measured), recognised, twins]


def bundled_shares(_: str) -> str:
    """Show how often each value of an attribute is seen."""
    columns, rows = [""], []
    for side, measurements in _measurements().items():
        reference: dict[str, Any] = next(iter(measurements.values()))["shares"]
        columns += [f"{REAL}, {side}²", *(_in_two_lines(name) for name in measurements)]
        values = [(name, value) for name, values in reference.items() for value in values]
        rows.append([f"{100 * reference[name][value][1]:.0f}" for name, value in values])
        rows += [
            [f"{100 * measured['shares'][name][value][0]:.0f}" for name, value in values]
            for measured in measurements.values()
        ]
    labels = [f"{name.replace('_', ' ')}: {value}" for name, value in values]
    return table(columns, [list(row) for row in zip(labels, *rows, strict=True)])


def _in_two_lines(name: str) -> str:
    """Set the name of a model in two lines, so that many columns fit a page."""
    family, _, variant = name.partition(".")
    return f"{code(family + '.')}<br>{code(variant)}"


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


def _measurements() -> dict[int, dict[str, Any]]:
    """Read what `recipes.evaluate` wrote of each model, by the height of its pictures; the best comes first."""
    measurements = {file.stem: json.loads(file.read_text()) for file in MEASURED.glob("*.avatars*.json")}
    best_first = sorted(measurements, key=lambda name: float(measurements[name]["frechet"]))
    sides = sorted({CARDS[name].resolution for name in measurements})
    return {side: {name: measurements[name] for name in best_first if CARDS[name].resolution == side} for side in sides}


def _likeness(measured: dict[str, Any]) -> list[str]:
    return [
        f"{measured['frechet']:.1f}",
        *(f"{measured[key]:.2f}" for key in ("precision", "recall")),
        f"{measured['nearest']['50%']:.1f}",
    ]


def _score_row(score: dict[str, Any], attributes: list[str]) -> list[str]:
    return [
        code(score["analyzer"]) if score["analyzer"].partition(":")[0] in PLUGINS.analyzers else score["analyzer"],
        code(score["region"].rpartition("_")[2]),
        *(_two(score["strengths"][name]) for name in attributes),
        _two(median(score["outside"])) if None not in score["outside"] else "",
        _two(score["coverage"]),
    ]


def _two(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"


KINDS: dict[str, Callable[[str], str]] = {
    "avatars": avatars,
    "naming": naming_table.naming,
    "towers": towers,
    "bundled": bundled,
    "bundled-shares": bundled_shares,
    "bundled-scores": bundled_scores,
}
