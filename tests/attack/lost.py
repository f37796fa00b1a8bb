"""What could be lost: files that appear while zoo writes, folders under --force, caches, and interrupted commands."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest.mock import patch

import torch

from tests.attack.attack import READ, Attack
from tests.support.hostile import directions_card, toy_state, write_directions
from zoo._utils.writing import system_calls
from zoo._utils.writing.manifest import NAME
from zoo.cli import run
from zoo.errors import OutputError

SAMPLE = ["sample", "./toy.pt", "--samples", "1"]
WRITERS = {
    "sample": SAMPLE,
    "edit": ["edit", "./toy.pt", "./dirs.safetensors", "--samples", "1", "--frames", "2", "--video", "gif"],
    "analyze": ["analyze", "./toy.pt", "-a", "sefa", "--show", "1", "--unseen", "1"],
    "compare": ["compare", "dirs.safetensors", "dirs.safetensors"],
}
SETTINGS = {"ZOO_JACOBIANS": "1GB"}


def furnish(folder: Path) -> None:
    """Make a model and directions, beside a file of the user's own."""
    torch.save(toy_state(), folder / "toy.pt")
    write_directions(folder / "dirs.safetensors", torch.eye(12)[:2], json.dumps(directions_card()))
    (folder / "thesis.tex").write_text("three years of work")


def user_makes(path: Path) -> None:
    """Make a folder of the user's own, two levels deep, unless it is there."""
    (path / "data").mkdir(parents=True, exist_ok=True)
    (path / "thesis.tex").write_text("three years of work")
    (path / "data" / "a.csv").write_text("1,2\n")


def require_theirs(path: Path) -> None:
    """Require that a folder holds what the user made, and nothing else."""
    found = sorted(one.relative_to(path).as_posix() for one in path.rglob("*"))
    assert found == ["data", "data/a.csv", "thesis.tex"], f"{path.name} holds {found}"


def require_result(path: Path) -> None:
    """Require a whole run folder, with everything on its list."""
    listed = json.loads((path / NAME).read_text("utf-8"))["files"]
    found = {one.name for one in path.iterdir()}
    assert listed and found == {NAME, *listed}, f"{path.name} holds {found}"


def require_clean(folder: Path) -> None:
    """Require that nothing staged is left."""
    left = [one.name for one in folder.rglob(".*") if one.name != NAME]
    assert not left, f"left {left}"


def call(arguments: list[str]) -> tuple[int, str]:
    """Run a command here: its exit code and what it printed to standard error."""
    errors = io.StringIO()
    with contextlib.redirect_stderr(errors), contextlib.redirect_stdout(io.StringIO()):
        code = run(arguments)
    return code, errors.getvalue()


@contextlib.contextmanager
def before_rename(act: Callable[[Path, Path], object], *, native: bool = True) -> Iterator[None]:
    """Do something at the last moment before each final rename; without `native`, as on systems without the call."""
    real = system_calls._exclusive_rename

    def rename(source: Path, target: Path) -> None:
        act(source, target)
        if native:
            real(source, target)
        else:
            raise OSError(22, "Invalid argument")

    system_calls._exclusive_rename = rename
    try:
        yield
    finally:
        system_calls._exclusive_rename = real


def folder_appears(verb: str, *, native: bool = True, empty: bool = False) -> Callable[[Path], None]:
    """The user makes the folder at the very last moment."""

    def attack(folder: Path) -> None:
        def act(_source: Path, target: Path) -> None:
            if target.name == "out":
                target.mkdir() if empty else user_makes(target)

        with before_rename(act, native=native):
            code, words = call([*WRITERS[verb], "--out", "out"])
        assert code == 2 and "out-2" in words, (code, words)
        if empty:
            assert not list((folder / "out").iterdir())
        else:
            require_theirs(folder / "out")
        require_result(folder / "out-2")
        require_clean(folder)

    return attack


def run_is_replaced_meanwhile(folder: Path) -> None:
    """With --force, the run that was there at the start is moved away, and the user's folder put in its place."""
    assert call([*SAMPLE, "--out", "out"])[0] == 0

    def act(source: Path, _target: Path) -> None:
        if source.name == "out":
            source.rename(folder / "moved")
            user_makes(source)

    with before_rename(act):
        code, words = call([*SAMPLE, "--seed", "2", "--out", "out", "--force"])
    assert code == 2 and "out-2" in words, (code, words)
    require_theirs(folder / "out")
    require_result(folder / "moved")
    require_result(folder / "out-2")
    require_clean(folder)


def file_is_put_into_the_run(folder: Path) -> None:
    """With --force, the user puts a file into the earlier run after zoo has looked at it."""
    assert call([*SAMPLE, "--out", "out"])[0] == 0

    def act(source: Path, _target: Path) -> None:
        if source.name == "out":
            (source / "notes.txt").write_text("mine")

    with before_rename(act):
        code, _ = call([*SAMPLE, "--seed", "2", "--out", "out", "--force"])
    assert code == 2 and (folder / "out" / "notes.txt").read_text() == "mine"
    require_result(folder / "out-2")
    require_clean(folder)


def two_at_once(folder: Path) -> None:
    """Two commands into the same folder: each result is whole somewhere, or its command was refused."""
    children = []
    for seed in ("1", "2", "3"):
        if (child := os.fork()) == 0:
            os._exit(call([*SAMPLE, "--seed", seed, "--out", "same"])[0])
        children.append(child)
    codes = sorted(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children)
    assert codes == [0, 2, 2], codes
    require_result(folder / "same")
    require_clean(folder)


def forced(make: Callable[[Path], object]) -> Callable[[Path], None]:
    """Something of the user's own is in an earlier run: --force must not touch it."""

    def attack(folder: Path) -> None:
        assert call([*SAMPLE, "--out", "out"])[0] == 0
        make(folder / "out")
        before = sorted((str(one), one.read_bytes() if one.is_file() else b"") for one in folder.rglob("*"))
        code, words = call([*SAMPLE, "--out", "out", "--force"])
        assert code == 2 and "--force" in words, (code, words)
        assert before == sorted((str(one), one.read_bytes() if one.is_file() else b"") for one in folder.rglob("*"))

    return attack


def folder_in_place_of_a_picture(out: Path) -> None:
    (out / "samples.png").unlink()
    user_makes(out / "samples.png")


def link_in_place_of_a_picture(out: Path) -> None:
    (out / "samples.png").rename(out.parent / "kept.png")
    (out / "samples.png").symlink_to(out.parent / "kept.png")


def list_is_copied(out: Path) -> None:
    """A folder of the user's own with the names of zoo's files, and zoo's list of a run."""
    (out / "samples.png").write_bytes(b"a photograph")


OWN_THINGS: dict[str, Callable[[Path], object]] = {
    "a file": lambda out: (out / "notes.txt").write_text("mine"),
    "a hidden file": lambda out: (out / ".git").write_text("mine"),
    "a folder": lambda out: user_makes(out / "figures"),
    "a folder with the name of a picture": folder_in_place_of_a_picture,
    "a link with the name of a picture": link_in_place_of_a_picture,
    "a file that was changed": lambda out: (out / "codes.safetensors").write_bytes(b"mine"),
    "a picture with zoo's name": list_is_copied,
    "no list": lambda out: (out / NAME).unlink(),
    "a list of brackets": lambda out: (out / NAME).write_text("[" * 100_000),
    "a pipe": lambda out: os.mkfifo(out / "sheet.png"),
}


def staged_names(folder: Path) -> None:
    """Files of the user's own with the names of what zoo stages."""
    own = [".out.backup.old", ".out.0123abcd.old", ".out.0123abcd.partial", ".out.backup.partial"]
    for name in own:
        user_makes(folder / name)
    assert call([*SAMPLE, "--out", "out"])[0] == 0
    assert call([*SAMPLE, "--out", "out", "--force"])[0] == 0
    for name in own:
        require_theirs(folder / name)
    require_result(folder / "out")


def convert_over(folder: Path) -> None:
    """--force replaces converted files, and no other."""
    (folder / "own.safetensors").write_bytes((folder / "dirs.safetensors").read_bytes())
    code, words = call(["convert", "./toy.pt", "-o", "own.safetensors", "--force"])
    assert code == 2 and "--force" in words, (code, words)
    assert (folder / "own.safetensors").read_bytes() == (folder / "dirs.safetensors").read_bytes()
    os.umask(0o027)
    for force in ([], ["--force"]):
        assert call(["convert", "./toy.pt", "-o", "new.safetensors", *force])[0] == 0
        assert (folder / "new.safetensors").stat().st_mode & 0o777 == 0o640


def clean_caches(folder: Path) -> None:
    """Files of the user's own in the cache."""
    cache = Path(os.environ["ZOO_CACHE"])
    own = [
        cache / place / name
        for place in (
            *("weights", "weights/run1", f"weights/{'a' * 64}", "incoming", "incoming/mine", "incoming/a-" + "0" * 16),
            *("jacobians", "jacobians/figures", f"jacobians/{'a' * 40}", "."),
        )
        for name in ("best.pt", ".best.pt.old", "part")
    ]
    for path in own:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"mine")
    assert call(["cache", "--clean", "--drop-jacobians"])[0] == 0
    assert all(path.read_bytes() == b"mine" for path in own)


def damage_jacobians(folder: Path) -> None:
    """Bits of kept Jacobians flip: they are computed again, and named by --verify."""
    question = ["analyze", "./toy.pt", "-a", "lowrank", "-r", "center", "--show", "1", "--unseen", "1"]
    assert call([*question, "--out", "a1"])[0] == 0
    wanted = (folder / "a1" / "directions.safetensors").read_bytes()
    draw = random.Random(0)
    for number in range(2):
        files = list((Path(os.environ["ZOO_CACHE"]) / "jacobians").rglob("*.safetensors"))
        assert files
        for file in files:
            content = bytearray(file.read_bytes())
            for _ in range(1 + 20 * number):
                content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
            file.write_bytes(content)
        code, words = call(["cache", "--verify"])
        assert code == 2 and "damaged" in words, (code, words)
        assert call([*question, "--out", "a1", "--force"])[0] == 0
        found = (folder / "a1" / "directions.safetensors").read_bytes()
        assert found == wanted or number, "the directions differ"
        _same_vectors(found, wanted)


def _same_vectors(found: bytes, wanted: bytes) -> None:
    from safetensors.torch import load

    assert torch.equal(load(found)["vectors"], load(wanted)["vectors"]), "the directions differ"


def signalled(number: signal.Signals) -> Callable[[Path], None]:
    """A signal that ends processes, at many moments of a command: nothing is left, and the exit code says so."""

    def attack(folder: Path) -> None:
        draw, interrupted = random.Random(number), 0
        for _ in range(5):
            child = os.fork()
            if child == 0:
                from zoo.cli import main

                sys.argv = ["zoo", *WRITERS["edit"][:3], "--frames", "60", "--video", "gif", "--out", "out"]
                sys.stdout = sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115
                try:
                    main()
                except SystemExit as end:
                    os._exit(int(end.code or 0))
                os._exit(70)
            time.sleep(draw.uniform(0.05, 0.6))
            os.kill(child, number)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            assert code in {0, 128 + number, -number}, code
            interrupted += code != 0
            require_clean(folder)
            if code == 0:
                require_result(folder / "out")
                shutil.rmtree(folder / "out")
            assert not (folder / "out").exists()
        assert interrupted

    return attack


def pictures_fail(folder: Path) -> None:
    """The report cannot be written: directions and codes are kept, and edits take them."""

    def fail(partial: Path, *_: object) -> None:
        (partial / "sheet.png").write_bytes(b"half")
        raise OutputError("no picture")

    with patch("zoo.analysis.run.write_report", fail):
        code, words = call([*WRITERS["analyze"], "--out", "out"])
    assert code == 2 and "saved in out" in words, (code, words)
    assert {one.name for one in (folder / "out").iterdir()} == {NAME, "codes.safetensors", "directions.safetensors"}
    require_result(folder / "out")
    assert call(["edit", "./toy.pt", "out", "--out", "moved", "--video", "none", "--samples", "1"])[0] == 0


def settings(name: str, content: str | None) -> Callable[[Path], None]:
    """A file of settings that cannot be read."""

    def make(folder: Path) -> None:
        furnish(folder)
        (folder / "settings").mkdir()
        if content is None:
            (folder / "settings" / name).mkdir()
        else:
            (folder / "settings" / name).write_text(content)

    return make


def deep_folder(folder: Path) -> None:
    """A folder of two thousand parts is written, or refused in one line."""
    code, words = call([*SAMPLE, "--out", "d/" * 2000 + "out"])
    subprocess.run(["rm", "-rf", "d"], check=True)
    assert (code == 0 or (code == 2 and "cannot write" in words)) and "internal error" not in words, (
        code,
        words[-200:],
    )


def surrogate_region(folder: Path) -> None:
    """A mask whose path is not UTF-8: the report says what it can."""
    from PIL import Image

    mask = Image.new("L", (16, 16), 0)
    mask.paste(255, (0, 0, 8, 8))
    mask.save(folder / "m.png")
    name = os.fsdecode(b"m\xff.png")
    (folder / "m.png").rename(folder / name)
    assert call([*WRITERS["analyze"][:2], "-a", "lowrank", "-r", f"mask:{name}", "--out", "out"])[0] == 0
    require_result(folder / "out")


def _lost(name: str, attack: Callable[[Path], object], kind: str, *, others: bool = False) -> Attack:
    return Attack(
        "outputs",
        name,
        furnish,
        attack,
        kind=kind,
        may=(READ,),
        environment=SETTINGS,
        others=others,
        keeps=("thesis.tex", "toy.pt"),
    )


def _setting(name: str, value: str, make: Callable[[Path], object] = furnish) -> Attack:
    return Attack(
        "settings", name, make, ("list",), kind="settings that cannot be read", environment={"ZOO_CONFIG": value}
    )


_APPEARS = "a folder that appears at the last moment"
ATTACKS = [
    *(_lost(f"{verb}: a folder appears", folder_appears(verb), _APPEARS) for verb in WRITERS),
    _lost("an empty folder appears", folder_appears("sample", empty=True), _APPEARS),
    _lost("a folder appears, without the system call", folder_appears("sample", native=False), _APPEARS),
    _lost("a run is moved away and replaced", run_is_replaced_meanwhile, _APPEARS),
    _lost("a file is put into the run", file_is_put_into_the_run, _APPEARS),
    _lost("three into the same folder", two_at_once, "several commands into the same folder", others=True),
    *(_lost(f"forced: {name}", forced(make), "--force over the user's own") for name, make in OWN_THINGS.items()),
    _lost("forced: convert", convert_over, "--force over the user's own"),
    _lost("names of what is staged", staged_names, "the user's files with names as zoo's"),
    _lost("files in the cache", clean_caches, "the user's files with names as zoo's"),
    _lost("flipped bits", damage_jacobians, "damaged Jacobians"),
    *(
        _lost(f"{number.name}", signalled(number), "a signal at any moment", others=True)
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGINT)
    ),
    _lost("pictures that fail", pictures_fail, "what a report cannot show"),
    _lost("a path that is not UTF-8", surrogate_region, "what a report cannot show"),
    _setting("a file", "toy.pt"),
    _setting("a long name", "n" * 5000),
    _setting("trusted.json of brackets", "settings", settings("trusted.json", "[" * 100_000)),
    _setting("trusted.json, a folder", "settings", settings("trusted.json", None)),
    _setting("registry.yaml, a folder", "settings", settings("registry.yaml", None)),
    _lost("a deep --out", deep_folder, "a folder of 2,000 parts", others=True),
]
