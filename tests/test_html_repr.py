"""What IPython's own formatter makes of the results; and a hostile record must stay text."""

from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pytest
import torch
from IPython.core.formatters import DisplayFormatter
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support.linear import model_of
from tests.support.marks import mostly_long
from zoo.analysis.request import AnalysisRequest
from zoo.analysis.run import run_analysis
from zoo.registry.registry import load_installation

HOSTILE = "<script>alert(1)</script><img src=x onerror='alert(2)'>\"'&\n\x1b[2J"
TAGS = {"b", "div", "img", "table", "tbody", "td", "th", "thead", "tr"}


class Reader(HTMLParser):
    """Collects tags, attributes and text, and sees to it that every tag is closed."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.open: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        if tag != "img":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def directions(name: str = "center") -> zoo.Directions:
    found = zoo.analyze(model_of(DCGAN.tiny(0)), "sefa", k=3, unseen=0)
    return found.with_provenance(region=name, model=name, analyzer=name)


def results(name: str) -> dict[str, object]:
    model = model_of(DCGAN.tiny(0))
    model = replace(model, card=replace(model.card, summary=name.partition("\n")[0]))  # a card holds single lines only
    found = directions(name)
    question = AnalysisRequest(analyzer="sefa", region="center", unseen=1)
    return {
        "model": model,
        "codes": model.sample(3),
        "directions": found,
        "edit": zoo.edit(model, found.move(0, name=name), samples=1, strengths=[-1, 1]),
        "grid": zoo.edit(model, found.move(0, name=name), down=found.move(1), samples=1, strengths=[-1, 1]),
        "comparison": zoo.compare(found, found, model=model),
        "plain comparison": zoo.compare(found, found),
        "run": run_analysis(question, model, load_installation()),
    }


@pytest.mark.parametrize("name", mostly_long(["a.model", HOSTILE], (HOSTILE,)))
def test_results_show_themselves_and_escape_what_they_hold(name: str) -> None:
    formatter = DisplayFormatter()
    for kind, result in results(name).items():
        shown, _ = formatter.format(result)
        assert set(shown) == {"text/html", "text/plain"}, kind
        page, text = Reader(shown["text/html"]), shown["text/plain"]
        assert set(page.tags) <= TAGS, kind
        assert {key for key, _ in page.attributes} <= {"style", "alt", "src"}
        assert all(value and value.startswith("data:image/png") for key, value in page.attributes if key == "src")
        assert "color" not in shown["text/html"] and "http" not in shown["text/html"]
        assert text.isprintable() and len(text) < 2000, kind
        assert name == HOSTILE or kind in {"codes", "run"} or name in page.text or name in text, kind
        assert ("img" in page.tags) == (kind in {"edit", "grid", "comparison"})


def test_hostile_names_are_seen_as_they_are() -> None:
    page = Reader(directions(HOSTILE)._repr_html_())
    assert "<script>alert(1)</script>" in page.text
    assert "\x1b" not in page.text


def test_an_endless_name_is_cut() -> None:
    found = directions("n" * 100_000)
    assert len(found._repr_html_()) < 5000
    assert len(repr(found)) < 2000


def test_plain_words(tmp_path: Path) -> None:
    model = model_of(DCGAN.tiny(0))
    assert repr(model) == "Model(test.model: z (12), float32 on cpu)"
    assert repr(model.sample(2)) == "Codes(2 of 12 numbers, float32 on cpu)"
    assert repr(directions()) == "Directions(3 of z (12), center of center, region center)"
    directions().save(tmp_path / "d.npy")
    assert repr(zoo.Directions.load(tmp_path / "d.npy")) == "Directions(3 of unknown (12), d.npy)"
    labelled = zoo.Codes(torch.zeros(2, 3, 4), torch.tensor([0, 5]), 0.7)
    assert repr(labelled) == "Codes(2 of 3 x 4 numbers, labels 0, 5, truncation 0.7, float32 on cpu)"
    many = zoo.Codes(torch.zeros(100_000, 1), torch.zeros(100_000, dtype=torch.int64))
    assert len(repr(many)) < 400
    one, other = directions(), replace(directions(), provenance={})
    assert repr(zoo.compare(one, other)) == "Comparison(center of center, region center with B: distances 0, 0, 0)"
