"""How fast is the page of the studio, in Chromium? Used by `benchmarks.studio --browser`.

A picture is there when it is on its canvas: the page tells so by the event ``shown``. The slider is moved by
a script, in steps that the page cannot know beforehand, one after the other for *slider to picture*, and with every
frame of the browser for *pictures a second*. While a slider is pulled, a slow network's pictures are linear previews.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median

from selenium import webdriver

from tests.support.chromium import chromium, resize
from tests.support.studio_page import Studio

DRAG = 6.0  # seconds
PATIENCE = 600.0

# When the first chosen picture was on the page, in milliseconds since the page was asked for.
FIRST = "addEventListener('shown', () => { window.firstShown ??= performance.now(); }, true);"

STEPS = """
const [count, reach, done] = arguments;
const slider = document.querySelector("li.direction input[type=range]");
const pictures = document.getElementById("pictures");
const times = [];
let exact = 0;
const step = () => {
  if (times.length === count) { slider.dispatchEvent(new Event("change")); done([times, exact]); return; }
  const began = performance.now();
  pictures.addEventListener("shown", (event) => {
    times.push(performance.now() - began);
    exact += event.detail.exact;
    setTimeout(step, 5);
  }, { once: true });
  slider.value = reach * Math.sin(1 + 0.7 * times.length);
  slider.dispatchEvent(new Event("input"));
};
step();
"""

PULLED = """
const [seconds, reach, done] = arguments;
const slider = document.querySelector("li.direction input[type=range]");
const pictures = document.getElementById("pictures");
let shown = 0;
const count = () => { shown += 1; };
pictures.addEventListener("shown", count);
const began = performance.now();
const move = () => {
  const passed = (performance.now() - began) / 1000;
  if (passed > seconds) {
    pictures.removeEventListener("shown", count);
    slider.dispatchEvent(new Event("change"));
    done(shown / passed);
    return;
  }
  slider.value = reach * Math.sin(passed);
  slider.dispatchEvent(new Event("input"));
  requestAnimationFrame(move);
};
move();
"""


@dataclass(frozen=True)
class Seen:
    """What was measured; times in milliseconds.

    Attributes:
        usable: from asking for the page, its model open, to the first chosen picture.
        median: from a moved slider to its picture.
        most: the same, of nine in ten.
        pictures: a second, while the slider is pulled.
        exact: the share of the pictures that were no previews.
    """

    usable: float
    median: float
    most: float
    pictures: float
    exact: float


def look(port: int, session: str, model: str, folder: Path, rounds: int) -> Seen:
    """Measure the page of a studio in whose session directions were found.

    Args:
        port: The studio's port.
        session: The session.
        model: The model, as the studio was started with.
        folder: An empty folder, for the browser's profile.
        rounds: How often the slider is moved.

    Returns:
        What was measured.
    """
    with chromium(folder) as browser:
        browser.set_script_timeout(PATIENCE)
        resize(browser, 1280)
        page = Studio(browser, port, session).show().open(Path(model).name)
        page.one("#choose-none").click()
        page.one("#gallery [aria-label='seed 1']").click()
        page.wait(lambda: page.drawn and page.settled, PATIENCE)
        usable = _first_picture(browser, page)
        page.wait(lambda: page.all("li.direction") and page.settled, PATIENCE)
        reach = float(str(page.slider().get_property("max"))) / 2
        browser.execute_async_script(STEPS, 5, reach)
        times, exact = browser.execute_async_script(STEPS, rounds, reach)
        pictures = browser.execute_async_script(PULLED, DRAG, reach)
    ordered = sorted(times)
    return Seen(usable, median(ordered), ordered[int(0.9 * len(ordered))], pictures, exact / len(ordered))


def _first_picture(browser: webdriver.Chrome, page: Studio) -> float:
    """Load the page again, and return when its first picture was there; the browser keeps nothing between the two."""
    browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": FIRST})
    browser.execute_cdp_cmd("Network.clearBrowserCache", {})
    page.show()
    page.wait(lambda: browser.execute_script("return window.firstShown ?? 0"), PATIENCE)
    return float(browser.execute_script("return window.firstShown"))
