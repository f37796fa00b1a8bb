"""Registry files from elsewhere: each costs little, and is refused with one line."""

from __future__ import annotations

import os
import re
import resource
import time
from pathlib import Path

import pytest

from tests.support.hostile_cards import FILES, HEAD, REGIONS
from zoo.core.region import parse_region
from zoo.errors import CardError, RegionError
from zoo.registry.card_files import read_cards
from zoo.registry.plain_yaml import dump_plain_yaml, load_plain_yaml

# Processor time in seconds, on machines that are slow, and bytes.
LONGEST = 10.0
MOST_MEMORY = 500 * 2**20


def peak() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_would_cost_or_break_more_than_it_holds_is_refused_in_one_line(name: str, tmp_path: Path) -> None:
    text, word = FILES[name]
    path = tmp_path / "cards.yaml"
    path.write_text(text, encoding="utf-8")
    begun, before = time.process_time(), peak()
    with pytest.raises(CardError) as refused:
        read_cards(path)
    message = str(refused.value)
    assert time.process_time() - begun < LONGEST
    assert peak() - before < MOST_MEMORY
    assert str(path) in message
    assert "\n" not in message
    assert re.search(word, message), message


@pytest.mark.parametrize("name", REGIONS)
def test_a_region_costs_as_much_as_its_text(name: str, tmp_path: Path) -> None:
    path = tmp_path / "cards.yaml"
    path.write_text(REGIONS[name])
    [card] = read_cards(path)
    begun, before = time.process_time(), peak()
    with pytest.raises(RegionError) as refused:
        parse_region(list(card.regions)[-1], (1024, 1024), card.regions)
    assert time.process_time() - begun < LONGEST
    assert peak() - before < MOST_MEMORY
    assert "\n" not in str(refused.value)


def test_a_region_may_have_as_many_terms_as_anybody_writes() -> None:
    boxes = "+".join(f"box:{row},0,1,{row + 1}" for row in range(150))
    names = {f"r{i}": f"r{i - 1}+box:{i},0,1,1" for i in range(1, 15)} | {"r0": boxes}
    assert len(parse_region("r14", (200, 200), names).pixels) == sum(range(1, 151))


@pytest.mark.parametrize("kind", ["missing", "folder", "pipe", "device", "NUL"])
def test_what_is_no_file_is_refused_at_once(kind: str, tmp_path: Path) -> None:
    path = tmp_path / "cards.yaml"
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    path = {"device": Path("/dev/zero"), "NUL": Path("a\0b")}.get(kind, path)
    with pytest.raises(CardError, match="registry"):
        read_cards(path)


def test_anchors_and_all_plain_values_are_read(tmp_path: Path) -> None:
    path = tmp_path / "values.yaml"
    path.write_text("&x {a: 1_000, b: 0x1F, c: 1.5e+3, d: yes, e: ~, f: 2001-02-03, g: 'x', h: [.inf, 1:30]}")
    content = load_plain_yaml(path)
    assert (content["a"], content["b"], content["c"], content["d"], content["e"]) == (1000, 31, 1500.0, True, None)
    assert content["h"] == [float("inf"), 90]
    path.write_text(HEAD)
    assert read_cards(path)[0].name == "dcgan.h"


def test_what_is_written_has_no_aliases_and_is_read(tmp_path: Path) -> None:
    shared = [1, 2]
    content = {"models": [{"b": shared, "a": shared}]}
    path = tmp_path / "values.yaml"
    path.write_text(dump_plain_yaml(content))
    assert load_plain_yaml(path) == content
