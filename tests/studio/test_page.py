"""The page of the studio in Chromium: by pointer and by keyboard, in two windows, while the server comes and goes."""

from __future__ import annotations

import json
import os
import re
import secrets
import shlex
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import pytest
from selenium import webdriver
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement

import zoo
from tests.support.chromium import CONTRASTS, chromium, resize
from tests.support.marks import mostly_long
from tests.support.studio import Page, free_port, killable, running
from tests.support.studio_page import Studio
from zoo.cli import run

pytestmark = pytest.mark.browser

SMALL = "biggan.avatars32"
FACES = "dcgan.digiface64"
LAYERED = "stylegan2.avatars32"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    with chromium(tmp_path_factory.mktemp("profile")) as opened:
        resize(opened, 1280)
        yield opened


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    with running(tmp_path_factory.mktemp("studio") / "runs") as page:
        yield page


@pytest.fixture(scope="module")
def session() -> str:
    return secrets.token_hex(16)


def find(port: int, session: str) -> None:
    """Find three directions in a session, with next to nothing measured, before its page is opened."""
    asked = {"model": SMALL, "analyzer": "sefa", "settings": {"k": 3}, "show": 1, "unseen": 1}
    Page(port, session).work("analyze", asked)


@pytest.fixture
def small(browser: webdriver.Chrome, server: Page, session: str) -> Studio:
    """A page with a small model, and three directions that were found."""
    studio = Studio(browser, server.port, session)
    if session not in browser.current_url:
        studio.show()
        if not studio.wait(lambda: studio.all("#model-list button") or studio.all("#pictures figure")):
            return studio
        if not studio.all("#pictures figure"):
            find(server.port, session)
            studio.show().open(SMALL)
        studio.wait(lambda: studio.all("li.direction") and studio.drawn)
    return studio


@pytest.mark.long
def test_a_region_is_painted_and_joined_with_named_ones(small: Studio) -> None:
    picture = small.one("#pictures .picture")
    shares = []

    def settled(text: str) -> float:
        small.wait(lambda: text in small.value("#region") and (small.text("#share") or "100") not in shares)
        shares.append(small.text("#share") or "100")
        return float(shares[-1].strip("% "))

    small.one("#draw input[value=box]").click()
    small.drag(picture, (0.25, 0.25), (0.5, 0.5))
    assert settled("mask:") == pytest.approx(100 * 64 / 1024, abs=2)
    assert small.one("#pictures path.outline").get_attribute("d")
    small.one("#draw input[value=eraser]").click()
    small.drag(picture, (0.25, 0.25), (0.5, 0.5))
    erased = settled("mask:")
    assert 0 < erased < 6
    small.one("#invert").click()
    assert settled("not:mask:") == pytest.approx(100 - erased, abs=0.2)
    small.one("#undo").click()
    small.wait(lambda: small.value("#region").startswith("mask:"))
    small.one("#chips button:last-child").click()  # more
    small.one("#chips [data-name=left]").click()
    small.wait(lambda: small.value("#region").endswith("+left") and float(small.text("#share").strip("% ")) >= 50)
    assert min(small.browser.execute_script(CONTRASTS))[0] >= 4.5  # the pointer is over the chip that is pressed
    small.one("#invert").click()
    small.wait(lambda: small.value("#region").startswith("mask:") and "+" not in small.value("#region"))
    small.one("#region").send_keys(Keys.CONTROL, "a")
    small.one("#region").send_keys("nowhere", Keys.TAB)
    small.wait(lambda: "no region of this model is called 'nowhere'" in small.text("#alert"))
    small.one("#clear-region").click()
    small.wait(lambda: not small.text("#alert"))
    small.one("#draw input[value=none]").click()
    small.one("#analyzer option[value=nullspace]").click()
    assert "It needs a region" in small.text("#about-analyzer")
    small.one("#find").click()
    assert "nullspace sets a region against the rest" in small.text("#alert")
    small.one("#alert button").click()
    small.one("#analyzer option[value=sefa]").click()


def test_a_region_is_drawn_by_keyboard(small: Studio) -> None:
    small.one("#draw input[value=box]").click()
    small.browser.execute_script("document.querySelector('#pictures .picture').focus()")
    small.keys(Keys.ARROW_RIGHT, Keys.SPACE, *[Keys.ARROW_DOWN] * 6, *[Keys.ARROW_RIGHT] * 4, Keys.SPACE)
    small.wait(lambda: small.value("#region").startswith("mask:"))
    assert small.text("#share") and "of the picture" in small.wait(lambda: small.text("#status"))
    small.one("#clear-region").click()
    small.one("#draw input[value=none]").click()


def test_directions_move_pictures_alone_or_added_up(small: Studio) -> None:
    drawn = small.picture
    small.pull(4)
    first = small.picture
    small.pull(4, 1)
    second = small.picture
    assert small.value("li.direction:nth-child(1) input[type=number]") == "0"
    assert "went back to 0" in small.text("#status")
    small.one("li.direction:nth-child(2) input[type=checkbox]").click()
    small.pull(4)
    assert len({drawn, first, second, small.picture}) == 4
    small.chord(Keys.CONTROL, "z")
    small.wait(lambda: small.picture == second)
    small.chord(Keys.CONTROL, Keys.SHIFT, "z")
    small.wait(lambda: small.picture != second)
    small.one("#compare input[value=before]").click()
    small.wait(lambda: small.picture == drawn)
    small.one("#compare input[value=after]").click()
    small.one("#heat").click()
    small.wait(
        lambda: small.one("#pictures canvas.change").is_displayed() and "squared change" in small.text("#stage-note")
    )
    small.one("#heat").click()
    small.browser.execute_script("[...document.querySelectorAll('#directions button')].at(-1).click()")  # all to 0
    small.wait(lambda: small.picture == drawn)
    small.one("li.direction:nth-child(2) input[type=checkbox]").click()


@pytest.mark.long
def test_names_and_stars_stay(small: Studio) -> None:
    small.name("open mouth")
    small.browser.execute_script("arguments[0].focus()", small.slider())
    small.keys("s")
    small.wait(lambda: small.one("li.direction .star").get_attribute("aria-pressed") == "true")
    small.show()
    small.wait(lambda: small.all("li.direction") and small.all("#pictures figure") and small.drawn)
    assert small.text("li.direction .name") == "open mouth"
    assert small.one("li.direction .star").get_attribute("aria-pressed") == "true"


@pytest.mark.long
def test_fingers_draw_and_pull(small: Studio) -> None:
    """On a narrow page: a finger draws where a tool is chosen, and pulls a slider."""
    resize(small.browser, 360, 740)
    small.browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": True})
    try:
        small.one("#draw input[value=brush]").click()
        small.touch(small.one("#pictures .picture"), (0.3, 0.5), (0.5, 0.6), (0.7, 0.5))
        small.wait(lambda: small.value("#region").startswith("mask:"))
        small.one("#draw input[value=none]").click()
        before = small.picture
        small.touch(small.slider(), (0.5, 0.5), (0.6, 0.5), (0.8, 0.5))
        small.wait(lambda: small.picture != before and small.settled)
        small.one("#undo").click()
        small.wait(lambda: small.picture == before)
        small.one("#clear-region").click()
    finally:
        small.browser.execute_cdp_cmd("Emulation.setTouchEmulationEnabled", {"enabled": False})
        resize(small.browser, 1280)


@pytest.mark.parametrize("theme", mostly_long(["light", "dark"], ("light",)))
def test_it_fits_and_can_be_read(small: Studio, theme: str) -> None:
    beyond = (
        "const place = document.querySelector('#pictures').getBoundingClientRect(); return "
        "[...document.querySelectorAll('figure')].filter((one) => one.getBoundingClientRect().right > place.right)"
    )
    more = "[...document.querySelectorAll('#gallery button')].slice(4, 9).forEach((one) => one.click())"
    small.browser.execute_script(more)
    for width in (360, 768, 1280):
        resize(small.browser, width, theme=theme)
        assert small.browser.execute_script("return document.documentElement.scrollWidth") == width
        lost = (
            "return [...document.querySelectorAll('button, input, select, canvas, pre')].filter((one) => "
            "one.offsetParent && !one.closest('#gallery') && one.getBoundingClientRect().right > innerWidth + 1)"
            ".map((one) => one.outerHTML.slice(0, 80))"
        )
        assert small.browser.execute_script(lost) == []
        small.wait(lambda: len(small.all("#pictures figure")) == 9 and small.browser.execute_script(beyond) == [])
    small.browser.execute_script(more)
    contrasts = small.browser.execute_script(CONTRASTS)
    assert len(contrasts) > 80
    assert min(contrasts)[0] >= 4.5, min(contrasts)
    resize(small.browser, 1280)


@pytest.mark.long
def test_every_control_is_reached_by_tab_and_has_a_name(small: Studio) -> None:
    small.browser.execute_script("document.querySelector('.skip').focus()")
    reached: list[WebElement] = []
    while len(reached) < 120:
        small.keys(Keys.TAB)
        element = small.browser.execute_script(
            "return document.activeElement.matches(':focus-visible') && document.activeElement"
        )
        if element is False or element.tag_name == "body" or element in reached:
            break
        reached.append(element)
    names = [element.accessible_name for element in reached]
    assert all(names), [one.get_attribute("outerHTML") for one, name in zip(reached, names, strict=True) if not name]
    ids = {one.get_attribute("id") for one in reached}
    assert {"choose-model", "open-files", "save", "region", "analyzer", "find", "heat"} <= ids
    assert len([one for one in reached if "face" in str(one.get_attribute("class"))]) == 1  # arrows lead to the others


def test_it_asks_no_other_host_and_complains_of_nothing(browser: webdriver.Chrome, server: Page) -> None:
    studio = Studio(browser, server.port)
    assert studio.errors is not None
    browser.get_log("performance")  # type: ignore[no-untyped-call]
    studio.show().open(LAYERED)
    studio.find("sefa", k="1")
    studio.pull(3)
    studio.one("li.direction details.layers summary").click()
    studio.one("li.direction .layers button:nth-child(2)").click()
    studio.wait(lambda: "all" not in studio.text("li.direction .layers summary"))
    assert studio.errors == []
    entries = browser.get_log("performance")  # type: ignore[no-untyped-call]
    messages = [json.loads(entry["message"])["message"] for entry in entries]
    asked = {one["params"]["request"]["url"] for one in messages if one["method"] == "Network.requestWillBeSent"}
    outside = [url for url in asked if not url.startswith((f"http://127.0.0.1:{server.port}/", "data:", "about:"))]
    assert not outside


@pytest.mark.long
@pytest.mark.real
def test_files_are_opened_by_what_they_hold(browser: webdriver.Chrome, server: Page, tmp_path: Path) -> None:
    """An array that may be codes or directions is asked about; what is neither is a sentence."""
    np.save(tmp_path / "drawn größer.npy", np.random.default_rng(0).normal(size=(3, 100)).astype(np.float32))
    (tmp_path / "letter.txt").write_text("Dear studio")
    studio = Studio(browser, server.port).show().open(FACES)
    studio.drop(tmp_path / "letter.txt")
    studio.wait(lambda: "letter.txt" in studio.text("#alert") and "codes or directions" in studio.text("#alert"))
    studio.one("#alert button").click()
    studio.one("#files").send_keys(str(tmp_path / "drawn größer.npy"))
    studio.wait(lambda: len(studio.all("#alert button")) == 3)
    studio.one("#alert button:nth-of-type(2)").click()
    studio.wait(lambda: len(studio.all("li.direction")) == 3)
    studio.one("#files").send_keys(str(tmp_path / "drawn größer.npy"))
    studio.wait(lambda: len(studio.all("#alert button")) == 3)
    studio.one("#alert button:nth-of-type(1)").click()
    studio.wait(lambda: len(studio.all("#pictures figure")) == 3 and studio.settled)
    assert studio.text("#pictures figcaption").startswith("drawn größer")
    assert studio.one("#gallery button").get_attribute("aria-pressed") == "true"


@pytest.mark.long
def test_what_commands_wrote_is_dropped(browser: webdriver.Chrome, server: Page, tmp_path: Path) -> None:
    """A run folder gives both its directions and its codes, a folder of something else is a sentence."""
    zoo.analyze(SMALL, "sefa", k=2, seeds=[3, 8], unseen=0, out=tmp_path / "run")
    studio = Studio(browser, server.port).show().open(SMALL)
    studio.drop(tmp_path / "run")
    studio.wait(lambda: len(studio.all("li.direction")) == 2 and len(studio.all("#pictures figure")) == 2)
    studio.wait(lambda: studio.drawn and studio.settled)
    studio.pull(4)
    studio.drop(tmp_path)
    studio.wait(lambda: "so it is no run folder" in studio.text("#alert"))
    studio.drop(tmp_path / "run" / "directions.safetensors")
    studio.wait(lambda: len(studio.all("#directions select option")) == 2)


@pytest.mark.long
@pytest.mark.real
def test_a_photograph_stands_beside_what_was_found(browser: webdriver.Chrome, server: Page, tmp_path: Path) -> None:
    zoo.sample(zoo.load(FACES, device="cpu"), seeds=[5]).save(tmp_path / "drawn", each=True)
    studio = Studio(browser, server.port).show().open(FACES)
    studio.drop(tmp_path / "drawn" / "seed-0005.png")
    studio.wait(lambda: len(studio.all("#photograph canvas")) == 3 and studio.settled, 300)
    captions = [one.text for one in studio.all("#photograph figcaption")]
    assert captions == ["Original", "Found", "Difference"] and "PSNR" in studio.text("#photograph .hint")
    tell = "const [a, b] = document.querySelectorAll('#photograph canvas'); return [a.toDataURL(), b.toDataURL()]"
    studio.wait(lambda: all(len(one) > 1000 for one in studio.browser.execute_script(tell)))
    assert not studio.all("#tune"), "the network draws this picture already"
    studio.one("#choose-none").click()
    studio.wait(lambda: not studio.one("#photograph").is_displayed())


@pytest.mark.long
def test_two_browsers_at_once_know_nothing_of_each_other(small: Studio, tmp_path: Path) -> None:
    with chromium(tmp_path / "profile") as second:
        resize(second, 1280)
        other = Studio(second, small.port).show().open(SMALL)
        assert not other.all("li.direction")
        drawn = other.picture
        small.pull(5)
        moved = small.picture
        assert other.picture == drawn != moved
        other.find("sefa", k="2")
        other.pull(-5)
        assert other.picture not in {drawn, moved}
        assert len(other.all("li.direction")) == 2
        assert len(small.all("li.direction")) == 3 and small.picture == moved


def started(folder: Path, port: int, *, killed: bool) -> Callable[[], None]:
    """Start a studio; what is returned ends it, in order or by a signal that leaves it no time."""
    if killed:
        process = killable(folder, port)

        def kill() -> None:
            os.kill(process.pid, signal.SIGKILL)
            assert process.wait() == -signal.SIGKILL

        return kill
    opened = ExitStack()
    opened.enter_context(running(folder / "runs", port=port))
    return opened.close


@pytest.mark.long
@pytest.mark.parametrize("killed", [False, True])
def test_a_server_that_ends_mid_drag_is_found_again(browser: webdriver.Chrome, tmp_path: Path, killed: bool) -> None:
    """Nothing that was named or starred is lost, and the drag goes on."""
    port = free_port()
    end = started(tmp_path, port, killed=killed)
    studio = Studio(browser, port)
    find(port, studio.session)
    studio.show().open(SMALL)
    studio.name("open mouth")
    studio.one("li.direction .star").click()
    studio.wait(lambda: studio.one("li.direction .star").get_attribute("aria-pressed") == "true")
    studio.mouse("mousePressed", 0.5)
    studio.mouse("mouseMoved", 0.6)
    end()
    studio.mouse("mouseMoved", 0.7)
    studio.wait(lambda: "does not answer" in studio.text("#alert"))
    before = studio.picture
    end = started(tmp_path, port, killed=killed)
    studio.wait(lambda: studio.picture != before)
    assert "does not answer" not in studio.text("#alert")
    moved = studio.picture
    studio.mouse("mouseMoved", 0.2)
    studio.mouse("mouseReleased", 0.2)
    studio.wait(lambda: studio.picture != moved and studio.settled)
    studio.show()  # what was named and starred is read from the server
    studio.wait(lambda: studio.all("li.direction") and studio.drawn)
    assert studio.text("li.direction .name") == "open mouth"
    assert studio.one("li.direction .star").get_attribute("aria-pressed") == "true"
    assert studio.text("#pictures figcaption").startswith("seed 0") and studio.value("li.direction input") != "0"
    end()


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """An empty working folder, in which the studio and the copied commands run."""
    before = Path.cwd()
    os.chdir(tmp_path)
    yield tmp_path
    os.chdir(before)


def save(studio: Studio, what: str, name: str) -> str:
    """Save in the dialog, and return the command that it shows."""
    studio.one("#save").click()
    studio.one(f"#what input[value={what}]").click()
    studio.wait(lambda: re.search(r"--out=runs/\S+", studio.text("#command")))  # a name that is free is offered
    studio.one("#name").clear()
    studio.one("#name").send_keys(name)
    studio.wait(lambda: f"--out=runs/{name}" in studio.text("#command"))
    command = studio.text("#command")
    studio.one("#save-now").click()
    studio.wait(lambda: "Saved in" in studio.text("#save-status"))
    assert studio.all("#saved button") and studio.text("#status") == studio.text("#save-status")
    studio.one("#save-now").click()
    studio.wait(lambda: "exists. Give another name" in studio.text("#save-status"))
    studio.one("#save-dialog .close").click()
    return command


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


@pytest.mark.real
@pytest.mark.long
def test_a_mouth_is_painted_found_pulled_named_starred_and_saved(browser: webdriver.Chrome, folder: Path) -> None:
    """What is saved equals what the copied commands write: byte for byte, the report of the analysis too."""
    with running(Path("runs")) as page:
        studio = Studio(browser, page.port).show().open(FACES)
        studio.one("#choose-none").click()
        for seed in (0, 5):
            studio.one(f"#gallery [aria-label='seed {seed}']").click()
        studio.wait(lambda: studio.drawn and studio.settled)
        studio.one("#draw input[value=brush]").click()
        studio.drag(studio.one("#pictures .picture"), (0.35, 0.8), (0.5, 0.85), (0.65, 0.8))
        studio.wait(lambda: studio.value("#region").startswith("mask:runs/studio/masks/"))
        studio.find("nullspace", k="3")
        studio.pull(10)
        studio.name("open mouth", by_key=True)
        studio.one("li.direction .star").click()
        studio.wait(lambda: studio.one("li.direction .star").get_attribute("aria-pressed") == "true")
        commands = {name: save(studio, name, name) for name in ("run", "edit", "codes")}
    for name, command in commands.items():
        for line in command.replace(f"runs/{name}", f"again-{name}").split(" && "):
            assert run([*shlex.split(line)[1:], "-q"]) == 0
        assert contents(folder / f"again-{name}") == contents(folder / "runs" / name), name

    assert (folder / "runs" / "run" / "report.html").exists()
    assert "--region mask:runs/studio/masks/" in commands["run"] and "--seeds 0,5" in commands["run"]
