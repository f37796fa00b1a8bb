"""The report as a reader meets it: in Chromium, by keyboard, at several widths, in both themes."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait
from zoo_adapters.dcgan.adapter import DCGAN

import zoo
from tests.support.chromium import CONTRASTS, chromium, resize
from tests.support.linear import Banded, model_of
from tests.support.marks import mostly_long
from zoo.report.filmstrips import MIDDLE, SHARES

pytestmark = pytest.mark.browser

LAST = len(SHARES) - 1
THEMES = ("light", "dark")
CONTROLS = "a[href], button, input, [tabindex='0']"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        yield opened


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Reports of a network with one row of code, and of one with four."""
    folder = tmp_path_factory.mktemp("runs")
    zoo.analyze(model_of(DCGAN.tiny(0)), "nullspace", region="center", samples=2, k=2, out=folder / "one")
    zoo.analyze(model_of(Banded.of(4)), "lowrank", region="top", k=2, out=folder / "four")
    return {name: folder / name / "report.html" for name in ("one", "four")}


def show(browser: webdriver.Chrome, page: Path, width: int = 1280, theme: str = "light") -> None:
    """Open a page afresh, at a width and in a theme, without motion, and wait until its pictures are drawn."""
    resize(browser, width, theme=theme)
    browser.get(page.as_uri())
    unready = ".direction:not([data-ready])"
    WebDriverWait(browser, 30).until(lambda it: not it.find_elements(By.CSS_SELECTOR, unready))


def log(browser: webdriver.Chrome, kind: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = browser.get_log(kind)  # type: ignore[no-untyped-call]
    return entries


def section(browser: webdriver.Chrome, index: int) -> WebElement:
    return browser.find_element(By.ID, f"direction-{index}")


def pixels(content: bytes) -> NDArray[np.int64]:
    return np.asarray(Image.open(io.BytesIO(content)).convert("RGB")).astype(np.int64)


def decoded(address: str) -> NDArray[np.int64]:
    return pixels(base64.b64decode(address.partition(",")[2]))


def shown_frames(browser: webdriver.Chrome, part: WebElement) -> list[NDArray[np.int64]]:
    canvases = part.find_elements(By.TAG_NAME, "canvas")
    return [decoded(browser.execute_script("return arguments[0].toDataURL()", canvas)) for canvas in canvases]


def screenshots(browser: webdriver.Chrome, part: WebElement) -> list[NDArray[np.int64]]:
    """Photograph the canvases as they stand on the screen."""
    browser.execute_script("arguments[0].scrollIntoView()", part)
    return [pixels(canvas.screenshot_as_png) for canvas in part.find_elements(By.TAG_NAME, "canvas")]


def assert_shows(browser: webdriver.Chrome, part: WebElement, frame: int) -> None:
    """Every canvas holds this frame of its sprite as Pillow decodes it, and the strength is told in words."""
    strength = str(part.get_attribute("data-strengths")).split()[frame]
    slider = part.find_element(By.TAG_NAME, "input")
    assert part.find_element(By.TAG_NAME, "output").text == strength
    assert slider.get_attribute("aria-valuetext") == f"strength {strength}"
    assert slider.get_property("valueAsNumber") == frame
    sprites = part.find_elements(By.CSS_SELECTOR, "canvas + img")
    for found, sprite in zip(shown_frames(browser, part), sprites, strict=True):
        wanted = np.split(decoded(str(sprite.get_attribute("src"))), len(SHARES), axis=1)
        assert np.abs(found - wanted[frame]).max() <= 3  # two decoders round alike, not equally
        others = [np.abs(found - other).mean() for place, other in enumerate(wanted) if abs(place - frame) > 3]
        assert min(others) > np.abs(found - wanted[frame]).mean()


@pytest.mark.parametrize("name", mostly_long(["one", "four"], ("four",)))
def test_the_slider_moves_all_codes_by_keyboard(browser: webdriver.Chrome, pages: dict[str, Path], name: str) -> None:
    show(browser, pages[name])
    part = section(browser, 0)
    slider = part.find_element(By.TAG_NAME, "input")
    assert_shows(browser, part, MIDDLE)
    before = screenshots(browser, part)
    for key, frame in [
        (Keys.ARROW_RIGHT, MIDDLE + 1),
        (Keys.ARROW_UP, MIDDLE + 2),
        (Keys.ARROW_LEFT, MIDDLE + 1),
        (Keys.END, LAST),
        (Keys.ARROW_RIGHT, LAST),
        (Keys.HOME, 0),
    ]:
        slider.send_keys(key)
        assert_shows(browser, part, frame)
    for one, other in zip(before, screenshots(browser, part), strict=True):
        assert np.abs(one - other).mean() > 1
    assert_shows(browser, section(browser, 1), MIDDLE)


@pytest.mark.long
def test_the_slider_can_be_set_by_a_script(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    show(browser, pages["one"])
    part = section(browser, 1)
    setting = "arguments[0].value = arguments[1]; arguments[0].dispatchEvent(new Event('input'))"
    for frame in (0, 3, LAST):
        browser.execute_script(setting, part.find_element(By.TAG_NAME, "input"), frame)
        assert_shows(browser, part, frame)


@pytest.mark.parametrize(
    ("name", "width", "theme"),
    mostly_long(
        [(name, width, theme) for name in ("one", "four") for width in (360, 768, 1000, 1280) for theme in THEMES],
        [("one", 360, "dark"), ("four", 1280, "light")],
    ),
)
def test_it_fits_and_can_be_read(
    browser: webdriver.Chrome, pages: dict[str, Path], name: str, width: int, theme: str
) -> None:
    show(browser, pages[name], width, theme)
    assert browser.execute_script("return document.documentElement.scrollWidth") == width
    wide = (
        "return [...document.querySelectorAll('main img, canvas, input, pre, .plot')].filter((element) => "
        "element.getBoundingClientRect().right > innerWidth).map((element) => element.outerHTML.slice(0, 60))"
    )
    assert browser.execute_script(wide) == []
    lost = (
        "return [...document.querySelectorAll('.scroll')].filter((element) => "
        "element.scrollWidth > element.clientWidth).map((element) => element.getAttribute('aria-labelledby'))"
    )
    assert browser.execute_script(lost) == []
    ground = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
    assert (ground == "rgb(255, 255, 255)") == (theme == "light")
    contrasts = browser.execute_script(CONTRASTS)
    assert len(contrasts) > 50
    assert min(contrasts)[0] >= 4.5, min(contrasts)


def test_it_asks_for_nothing_and_complains_of_nothing(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    for kind in ("browser", "performance"):
        log(browser, kind)
    for page in pages.values():
        show(browser, page)
        section(browser, 0).find_element(By.TAG_NAME, "input").send_keys(Keys.END)
    assert log(browser, "browser") == []
    messages = [json.loads(entry["message"])["message"] for entry in log(browser, "performance")]
    asked = [one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    outside = [url for url in asked if not url.startswith("data:")]
    assert outside == [page.as_uri() for page in pages.values()]


def test_tab_reaches_every_control_in_order(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    show(browser, pages["four"])
    controls = [control for control in browser.find_elements(By.CSS_SELECTOR, CONTROLS) if control.rect["width"]]
    assert {control.tag_name for control in controls} == {"a", "button", "input", "div"}
    assert len([control for control in controls if control.tag_name == "input"]) == 2
    for control in controls:
        webdriver.ActionChains(browser).send_keys(Keys.TAB).perform()
        assert browser.switch_to.active_element == control
        assert browser.execute_script("return getComputedStyle(arguments[0]).outlineStyle", control) == "solid"
        assert browser.execute_script("return arguments[0].getBoundingClientRect().bottom", control) > 0


@pytest.mark.long
def test_the_skip_link_leads_past_the_head(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    show(browser, pages["one"])
    webdriver.ActionChains(browser).send_keys(Keys.TAB, Keys.ENTER, Keys.TAB).perform()
    assert browser.switch_to.active_element.get_attribute("class") == "scroll"


@pytest.mark.long
def test_nothing_moves_where_motion_is_not_wanted(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    show(browser, pages["one"])
    behaviour = "return getComputedStyle(document.documentElement).scrollBehavior"
    assert browser.execute_script(behaviour) == "auto"
    assert browser.execute_script("return document.getAnimations().length") == 0
    wished = {"features": [{"name": "prefers-reduced-motion", "value": "no-preference"}]}
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", wished)
    assert browser.execute_script(behaviour) == "smooth"


@pytest.mark.long
def test_the_command_can_be_copied(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    show(browser, pages["one"])
    browser.find_element(By.TAG_NAME, "button").click()
    status = browser.find_element(By.ID, "copied")
    WebDriverWait(browser, 10).until(lambda _: status.text)
    selected = browser.execute_script("return getSelection().toString()")
    assert selected == browser.find_element(By.ID, "command").text
    assert selected.startswith("zoo analyze test.model --analyzer nullspace")


def test_without_scripts_strips_and_heat_maps_remain(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        browser.get(pages["four"].as_uri())
        part = section(browser, 0)
        for picture in part.find_elements(By.CSS_SELECTOR, ".strips img, .heat img"):
            assert picture.is_displayed()
            assert picture.get_property("naturalWidth")
        assert len(part.find_elements(By.CSS_SELECTOR, ".strips img")) == 3 + 3
        for control in browser.find_elements(By.CSS_SELECTOR, "input, canvas, button"):
            assert not control.is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_it_prints_without_controls(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    show(browser, pages["one"])
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        part = section(browser, 0)
        assert not part.find_element(By.TAG_NAME, "input").is_displayed()
        assert all(strip.is_displayed() for strip in part.find_elements(By.CSS_SELECTOR, ".strips img"))
        assert base64.b64decode(browser.print_page()).startswith(b"%PDF")
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


@pytest.mark.long
def test_tables_wider_than_the_page_become_lists(browser: webdriver.Chrome, pages: dict[str, Path]) -> None:
    """Every figure stays on the page, with its title; a page that is made wider shows tables again."""
    show(browser, pages["one"], 360)
    table = browser.find_element(By.CSS_SELECTOR, "table.figures")
    assert "stacked" in str(table.get_attribute("class"))
    titles = [head.get_attribute("textContent") for head in table.find_elements(By.CSS_SELECTOR, "thead th")][1:]
    cells = table.find_elements(By.CSS_SELECTOR, "tbody tr:first-child td")
    assert [cell.get_attribute("data-title") for cell in cells] == titles
    before = "return getComputedStyle(arguments[0], '::before').content"
    for cell, title in zip(cells, titles, strict=True):
        assert str(title) in browser.execute_script(before, cell)
        assert cell.rect["x"] >= 0 and cell.rect["x"] + cell.rect["width"] <= 360
    size = {"width": 1280, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    WebDriverWait(browser, 10).until(lambda _: "stacked" not in str(table.get_attribute("class")))
