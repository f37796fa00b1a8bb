"""The page of the studio in Chromium, driven as its user does."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

from selenium import webdriver
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

# The first picture.
PICTURE = """
const canvas = document.querySelector("#pictures canvas.live");
return canvas && canvas.toDataURL();
"""


class Studio:
    """A page in a browser."""

    def __init__(self, browser: webdriver.Chrome, port: int, session: str | None = None) -> None:
        self.browser = browser
        self.port = port
        self.session = session or secrets.token_hex(16)

    def show(self) -> Studio:
        """Load the page afresh."""
        self.browser.get("about:blank")
        self.browser.get(f"http://127.0.0.1:{self.port}/#{self.session}")
        return self

    def open(self, model: str) -> Studio:
        """Choose a model in the dialog, past its licence, and wait for the first pictures."""
        self.wait(lambda: self.all("#model-list button"))
        assert self.text("#model-list h3") == "On this computer"
        self.one("#model-search").send_keys(model, Keys.ENTER)
        assert self.text("#model-about").count("icence")
        assert self.browser.switch_to.active_element.text == "Open"
        self.keys(Keys.ENTER)
        self.wait(lambda: self.all("#pictures figure") and self.drawn)
        return self

    def one(self, selector: str) -> WebElement:
        return self.browser.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.browser.find_elements(By.CSS_SELECTOR, selector)

    def text(self, selector: str) -> str:
        return self.one(selector).text

    def value(self, selector: str) -> str:
        return str(self.one(selector).get_property("value"))

    def wait(self, done: Any, seconds: float = 60) -> Any:
        stale = [StaleElementReferenceException]  # a list of directions is made anew
        return WebDriverWait(self.browser, seconds, 0.05, ignored_exceptions=stale).until(lambda _: done())

    def keys(self, *keys: str) -> None:
        webdriver.ActionChains(self.browser).send_keys(*keys).perform()

    def chord(self, *keys: str) -> None:
        """Press a key while others are held."""
        actions = webdriver.ActionChains(self.browser)
        for key in keys[:-1]:
            actions.key_down(key)
        actions.send_keys(keys[-1])
        for key in keys[:-1]:
            actions.key_up(key)
        actions.perform()

    def drag(self, picture: WebElement, *places: tuple[float, float]) -> None:
        """Draw on a picture, at shares of its width and height from its upper left corner."""
        width, height = picture.size["width"], picture.size["height"]
        points = [(round((x - 0.5) * width), round((y - 0.5) * height)) for x, y in places]
        actions = webdriver.ActionChains(self.browser, duration=10)
        actions.move_to_element_with_offset(picture, *points[0]).click_and_hold()
        for point in points[1:]:
            actions.move_to_element_with_offset(picture, *point)
        actions.release().perform()

    def touch(self, element: WebElement, *places: tuple[float, float]) -> None:
        """Draw a finger over an element, at shares of its width and height from its upper left corner."""
        self.browser.execute_script("arguments[0].scrollIntoView({block: 'center', behavior: 'instant'})", element)
        box = self.browser.execute_script(
            "const box = arguments[0].getBoundingClientRect(); return [box.x, box.y, box.width, box.height]", element
        )
        points = [{"x": box[0] + x * box[2], "y": box[1] + y * box[3]} for x, y in places]
        for kind, point in zip(["touchStart", *["touchMove"] * (len(points) - 1)], points, strict=True):
            self.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": [point]})
        self.browser.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": "touchEnd", "touchPoints": []})

    @property
    def picture(self) -> str:
        """The first of the chosen pictures."""
        return str(self.browser.execute_script(PICTURE))

    @property
    def settled(self) -> bool:
        """Whether what is shown is exact and the newest."""
        return self.one("#pictures").get_attribute("aria-busy") == "false"

    @property
    def drawn(self) -> bool:
        return len(self.picture) > 1000

    @property
    def errors(self) -> list[str]:
        entries: list[dict[str, Any]] = self.browser.get_log("browser")  # type: ignore[no-untyped-call]
        return [entry["message"] for entry in entries]

    def mouse(self, kind: str, share: float) -> None:
        """Do one thing with the mouse, at a share of the first slider's length."""
        box = self.slider().rect
        place = {"x": box["x"] + share * box["width"], "y": box["y"] + box["height"] / 2}
        held = {"button": "left", "buttons": 1, "clickCount": 1}
        self.browser.execute_cdp_cmd("Input.dispatchMouseEvent", {"type": kind, **place, **held})

    def drop(self, *paths: Path) -> None:
        """Drop files or folders onto the pictures."""
        box = self.one("#pictures").rect
        place = {"x": box["x"] + box["width"] / 2, "y": box["y"] + box["height"] / 2}
        data = {"items": [], "files": [str(path) for path in paths], "dragOperationsMask": 1}
        for kind in ("dragEnter", "dragOver", "drop"):
            self.browser.execute_cdp_cmd("Input.dispatchDragEvent", {"type": kind, **place, "data": data})
            if kind == "dragOver":
                self.wait(lambda: self.one("#drop").is_displayed())

    def find(self, analyzer: str, **options: str) -> None:
        """Find directions, and wait for their sliders."""
        self.one(f"#analyzer option[value={analyzer}]").click()
        if options and self.one("#options").get_attribute("open") is None:
            self.one("#options summary").click()
        for name, value in options.items():
            field = self.one(f"[aria-describedby=help-{name}]")
            field.clear()
            field.send_keys(value, Keys.TAB)
        self.one("#find").click()
        self.wait(lambda: self.all("li.direction"))

    def name(self, name: str, *, by_key: bool = False) -> None:
        """Name the first direction, by a double click or from its slider."""
        if by_key:
            self.browser.execute_script("arguments[0].focus()", self.slider())
            self.keys(Keys.F2)
        else:
            webdriver.ActionChains(self.browser).double_click(self.one("li.direction .name")).perform()
        self.keys(name, Keys.ENTER)
        self.wait(lambda: self.text("li.direction .name") == name)

    def slider(self, place: int = 0) -> WebElement:
        return self.all("li.direction input[type=range]")[place]

    def pull(self, notches: int, place: int = 0) -> None:
        """Pull a slider by the keyboard until exact pictures are there."""
        before = self.picture
        self.browser.execute_script("arguments[0].focus()", self.slider(place))
        self.keys(*[Keys.ARROW_RIGHT if notches > 0 else Keys.ARROW_LEFT] * abs(notches))
        self.wait(lambda: self.picture != before and self.settled)
