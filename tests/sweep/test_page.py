"""The page of a sweep in Chromium: it sorts, filters and ranks."""

import json
from pathlib import Path

import pytest
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import Select

from tests.support.chromium import CONTRASTS, chromium, resize
from zoo.sweep.cells import Cell, ModelWords, PluginWords, Settings
from zoo.sweep.folder import CELL, SweepFolder
from zoo.sweep.grid import file_sha256
from zoo.sweep.page import write_page
from zoo.sweep.places import place_at
from zoo.sweep.plan import Plan, PlannedCell

pytestmark = pytest.mark.browser


def written(folder: Path) -> Path:
    """Write the page of two models with two directions each, one of which was not measured."""
    file, of_sweep = folder / "s.yaml", SweepFolder(place_at(folder / "out"))
    file.write_text("")
    cells = [Cell(model=ModelWords(name), analyzer=PluginWords("sefa")) for name in ("b.1", "a.<i>")]
    plan = Plan(file_sha256(file), Settings(), tuple(PlannedCell(str(n), cell) for n, cell in enumerate(cells)))
    of_sweep.write_plan(plan.as_json())
    measured: list[list[float | None]] = [[10.0, 9.0], [100.0, None]]
    for planned, scores in zip(plan.cells, measured, strict=True):
        rows = [{"index": index, "score": score} for index, score in enumerate(scores)]
        cell = folder / "out" / "cells" / planned.id
        cell.mkdir(parents=True)
        result = {"rows": rows, "facts": {"model": planned.cell.model.name}}
        (cell / CELL).write_text(json.dumps(result))
    return Path(write_page(file, of_sweep))


def test_the_table_sorts_filters_and_ranks(tmp_path: Path) -> None:
    page = written(tmp_path)
    with chromium(tmp_path / "profile") as browser:
        resize(browser, 1280)
        browser.get(page.as_uri())

        def shown() -> list[str]:
            rows = browser.find_elements(By.CSS_SELECTOR, "tbody tr")
            return [row.text for row in rows if row.is_displayed()]

        def sort(title: str) -> None:
            browser.find_element(By.XPATH, f"//th/button[text()='{title}']").click()

        first = ["1 0 b.1 10", "2 1 b.1 9", "3 0 a.<i> 100", "4 1 a.<i> –"]
        assert shown() == first
        sort("score")
        assert shown() == ["1 0 a.<i> 100", "2 0 b.1 10", "3 1 b.1 9", "4 1 a.<i> –"]
        Select(browser.find_element(By.ID, "each")).select_by_value("model")
        assert shown() == ["1 0 a.<i> 100", "2 0 b.1 10"]
        sort("score")
        assert shown() == ["1 1 b.1 9", "2 0 a.<i> 100"]
        browser.find_element(By.ID, "words").send_keys("B.1")
        assert shown() == ["1 1 b.1 9"] and browser.find_element(By.ID, "count").text == "1 of 4"
        link = browser.find_element(By.CSS_SELECTOR, "tbody tr:not([hidden]) a")
        assert link.get_attribute("href") == (page.parent / "cells/0/report.html").as_uri() + "#direction-1"
        assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]  # type: ignore[no-untyped-call]
        assert min(contrast for contrast, _ in browser.execute_script(CONTRASTS)) >= 4.5
