"""Terms are shown before weights are used: briefly, once, and again if anything about them has changed."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest

import zoo
from tests.support.toys import write_tiny
from zoo._utils import showing
from zoo.models.licences import print_licence, short_terms
from zoo.registry.cards import Licence
from zoo.registry.registry import load_installation

REMEMBER = showing._remember
CARDS = load_installation().registry


@pytest.fixture(autouse=True)
def _remembering(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Remember in a folder, as users' machines do; for all other tests, `conftest.py` keeps it in memory."""
    monkeypatch.setattr(showing, "_remember", REMEMBER)
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path / "config"))
    new_process(monkeypatch)


def new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(showing, "_shown", set())


def test_terms_are_shown_once_on_a_machine(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    card = CARDS.resolve("dcgan.digiface64")
    print_licence(card)
    assert capsys.readouterr().err == f"{short_terms(card)}\n"
    new_process(monkeypatch)
    print_licence(card)
    assert capsys.readouterr().err == ""
    for changed in (
        replace(card, licence=Licence("CC0")),
        replace(card, weights=replace(card.weights, sha256="0" * 64)),
        replace(card, name="dcgan.other"),
    ):
        print_licence(changed)
        assert capsys.readouterr().err == f"{short_terms(changed)}\n"


def test_the_end_of_long_terms_counts_too(capsys: pytest.CaptureFixture[str]) -> None:
    card = CARDS.resolve("biggan")
    print_licence(card)
    print_licence(replace(card, licence=Licence(card.licence.weights, f"{card.licence.data} and somebody else")))
    assert len(capsys.readouterr().err.splitlines()) == 2


def test_a_file_that_was_replaced_is_told_of_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = write_tiny(tmp_path / "tiny.safetensors")
    for shown in (True, False):
        zoo.load(file)
        assert ("ask whoever gave you the file" in capsys.readouterr().err) == shown
    os.utime(file, (1, 1))
    zoo.load(file)
    assert "ask whoever gave you the file" in capsys.readouterr().err


def test_where_nothing_can_be_remembered_every_process_shows_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "config").write_text("a file, not a folder")
    for _ in range(2):
        new_process(monkeypatch)
        for _ in range(2):
            print_licence(CARDS.resolve("biggan"))
        assert len(capsys.readouterr().err.splitlines()) == 1


def test_the_line_is_short_and_never_cuts_what_is_permitted() -> None:
    for card in CARDS.cards.values():
        line = short_terms(card)
        assert line.startswith(f"{card.name} · weights: {card.licence.weights}")
        assert ("not verified" in line) == ("not verified" in card.terms)
        assert line == card.terms or f"zoo info {card.name}" in line
        assert len(line) < 240
    biggan = CARDS.resolve("biggan")
    assert len(biggan.terms) > 300
    assert len(short_terms(biggan)) < 160
