"""Bad calls: each prints one clear line, exits with 2, executes nothing and writes nothing.

Every call runs in a folder furnished by `hostile.furnish`. With ``BAD_CALLS_LISTING=FILE`` in the environment, what
each call printed is appended to that file.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import json
import os
import pickle
import re
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import warnings
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import huggingface_hub
import numpy as np
import pytest
import torch

from tests.support import containers, hostile
from tests.support.hostile import Builder, FakePip, Payload, Refusal
from tests.support.marks import mostly_long
from zoo import cli
from zoo._utils.writing.manifest import write_manifest

SECONDS = 5  # of processor time
WAITING = 60  # seconds on the clock, for what waits and computes nothing
LONGEST = 1000
LONG = "n" * 300
FORBIDDEN = ("Traceback", "internal error", "Usage:", "Error:")


@dataclass(frozen=True)
class Bad:
    """A bad call: its arguments, words that the line must hold (``|`` between), and files to make beforehand.

    `early`: it must be refused before weights are touched, so that no licence is shown either.
    """

    id: str
    call: str
    words: str
    make: Mapping[str, Builder] = field(default_factory=dict)
    early: bool = False


# --- the furnished folder, and how a call is made --------------------------------------------------------------------


@pytest.fixture(scope="session")
def furnished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("furnished")
    hostile.furnish(folder)
    return folder


@pytest.fixture
def home(furnished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh furnished folder to work in; cache and temporary folder lie beside it, within the snapshot."""
    folder = tmp_path / "home"
    shutil.copytree(furnished, folder)
    (tmp_path / "temporary").mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path / "config"))
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    return folder


@pytest.fixture(scope="module", autouse=True)
def _imported() -> None:
    """Import what takes seconds before the calls, so that these seconds are not counted as theirs."""
    importlib.import_module("timm")


@pytest.fixture(autouse=True)
def impatient() -> Iterator[None]:
    """Interrupt what hangs: a hostile file must not keep anybody busy."""

    def ring(*_: object) -> None:
        raise TimeoutError(f"took more than {SECONDS} s of processor time, or {WAITING} s")

    before = {number: signal.signal(number, ring) for number in (signal.SIGPROF, signal.SIGALRM)}
    try:
        yield
    finally:
        set_alarms(0, 0)
        for number, handler in before.items():
            signal.signal(number, handler)


def set_alarms(seconds: float, waiting: float) -> None:
    """Ring after so much processor time, and after so much time on the clock; 0 rings never."""
    signal.setitimer(signal.ITIMER_PROF, seconds)
    signal.setitimer(signal.ITIMER_REAL, waiting)


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """Networks as tiny as these are slowed down by every further thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def call(arguments: str) -> int:
    """Run the command line as a process of its own would: licences not shown yet, warnings printed, not raised."""
    words = shlex.split(arguments)
    if words and "--registry" not in words:
        words = ["--registry", "zoo.yaml", *words]
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        patch.setattr("zoo._utils.showing._shown", set())
        warnings.simplefilter("default")
        for category in (DeprecationWarning, PendingDeprecationWarning, ResourceWarning, ImportWarning):
            warnings.simplefilter("ignore", category)
        set_alarms(SECONDS, WAITING)
        try:
            return cli.run(words)
        finally:
            set_alarms(0, 0)


def snapshot(folder: Path) -> dict[str, str]:
    """Everything below a folder: hashes of files, `folder` for folders."""
    found = {}
    for path in sorted(folder.rglob("*")):
        if path.name.startswith("torchinductor_"):  # made by torch itself when it is first asked for a derivative
            continue
        found[str(path.relative_to(folder))] = (
            f"link to {path.readlink()}"
            if path.is_symlink()
            else "folder"
            if path.is_dir()
            else hashlib.sha256(path.read_bytes()).hexdigest()
        )
    return found


# What is said of weights before they are used: their licence, and the settings that a file leaves open.
LICENCE = r"(toy|file)\.[\w-]+ · weights: .+"
ASSUMED = r".+ does not say all of its settings\. Assumed: .+"


def check_line(streams: tuple[str, str], words: str, *, early: bool = False) -> None:
    """Assert that nothing went to stdout and one clear line to stderr, after what is said of weights."""
    out, err = streams
    *before, line = err.removesuffix("\n").split("\n")
    licences = [one for one in before if re.fullmatch(LICENCE, one)]
    assumed = [one for one in before if re.fullmatch(ASSUMED, one)]
    assert out == ""
    assert before == licences + assumed and len(licences) <= 1 and len(assumed) <= 1, err
    assert line.startswith("zoo: ") and line.isprintable() and len(line) < LONGEST, line
    assert not [word for word in FORBIDDEN if word in line], line
    assert not [word for word in words.split("|") if word not in line], line
    if early:
        assert not licences, "refused only after the weights were announced"


def note(arguments: str, code: int, streams: tuple[str, str]) -> None:
    """Append what a call printed to the listing, if one was asked for."""
    listing = os.environ.get("BAD_CALLS_LISTING")
    if listing:
        name = os.environ.get("PYTEST_CURRENT_TEST", "").rpartition("::")[2].removesuffix(" (call)")
        texts = [text.replace(str(Path.cwd()), "…").splitlines() for text in streams]
        printed = "".join(f"    {line[:400]}\n" for lines in texts for line in lines)
        shown = arguments if len(arguments) < 200 else f"{arguments[:200]}…"
        with Path(listing).open("a", encoding="utf-8", errors="backslashreplace") as file:
            file.write(f"# {name}\n$ zoo {shown}\n{printed}    exit {code}\n")


def refuse(home: Path, arguments: str, words: str, capsys: pytest.CaptureFixture[str], *, early: bool = False) -> None:
    """Make a bad call and assert all that is promised of it."""
    before = snapshot(home.parent)
    capsys.readouterr()
    code = call(arguments)
    streams = capsys.readouterr()
    note(arguments, code, streams)
    check_line(streams, words, early=early)
    assert code == 2
    assert snapshot(home.parent) == before


# --- names, commands, flags ------------------------------------------------------------------------------------------

NAMES = [
    Bad("no-command", "--registry zoo.yaml", "Missing command|--help", early=True),
    Bad("unknown-command", "frobnicate", "No such command|frobnicate|--help", early=True),
    Bad("near-command", "analyse toy", "analyse|analyze", early=True),
    Bad("unknown-flag", "list --colour", "No such option|--colour", early=True),
    Bad("near-flag", "analyze toy --sample 3", "--sample|--samples", early=True),
    Bad("flag-without-value", "analyze toy --seed", "--seed|argument", early=True),
    Bad("no-model", "analyze", "MODEL", early=True),
    Bad("no-directions", "edit toy", "DIRECTIONS", early=True),
    Bad("no-name-to-pull", "pull", "Missing argument|--help", early=True),
    Bad("too-many-arguments", "analyze toy toy", "unexpected extra argument|toy", early=True),
    Bad("unknown-model", "sample zebra", "model|'zebra'|there are|biggan.imagenet128", early=True),
    Bad("near-model", "sample toy.plian", "no model|'toy.plian'|did you mean toy.plain", early=True),
    Bad("near-family", "analyze dcgna", "no model|'dcgna'|did you mean", early=True),
    Bad("empty-model", "sample ''", "no model|''", early=True),
    Bad("model-in-capitals", "sample TOY.PLAIN", "no model|'TOY.PLAIN'", early=True),
    Bad("model-with-escapes", "sample 'toy\x1b[2J'", "no model", early=True),
    Bad("missing-file", "sample ./none.pt", "no file|none.pt", early=True),
    Bad("folder-for-a-file", "sample ./earlier", "earlier", early=True),
    Bad("long-file-name", f"sample ./{LONG}.pt", LONG, early=True),
    Bad("unknown-model-pulled", "pull toy.plain zebra", "no model|'zebra'", early=True),
    Bad("file-pulled", "pull ./toy.pt", "no model|toy.pt", early=True),
    Bad("unknown-model-of-an-architecture", "pull biggan.x", "no model|'biggan.x'", early=True),
    Bad("unknown-pattern", "list zebra*", "no model|'zebra*'|there are", early=True),
    Bad("unknown-info", "info zebra", "model, adapter, analyzer, scorer or projector|'zebra'", early=True),
    Bad("near-info", "info nulspace", "'nulspace'|did you mean nullspace", early=True),
    Bad("unknown-kind", "info planet:earth", "kind|'planet'|analyzer", early=True),
    Bad("unknown-name-of-a-kind", "info adapter:sefa", "no adapter|'sefa'|dcgan", early=True),
    Bad("new-of-nothing", "new", "Missing argument|KIND", early=True),
    Bad("new-without-a-name", "new adapter", "Missing argument|NAME", early=True),
    Bad("new-kind-unknown", "new adaptor mine", "kind of package|'adaptor'|did you mean adapter", early=True),
    Bad("new-name-in-capitals", "new adapter MyGAN", "'MyGAN'|adapter|lower-case letters|my-gan", early=True),
    Bad("new-name-with-a-path", "new analyzer ../mine", "'../mine'|lower-case letters", early=True),
    Bad("new-name-with-escapes", "new analyzer 'a\x1b[2J'", "lower-case letters", early=True),
    Bad("new-name-too-long", f"new adapter {LONG}", "at most 30", early=True),
    Bad("new-name-taken", "new adapter dcgan", "there is an adapter dcgan already", early=True),
    Bad("new-module-taken", "new analyzer adapters", "a module zoo_adapters already", early=True),
    Bad("new-folder-exists", "new analyzer mine earlier", "earlier exists|another folder", early=True),
    Bad("new-folder-is-a-file", "new analyzer mine toy.pt", "toy.pt exists|another folder", early=True),
    Bad(
        "new-folder-within-a-file",
        "new analyzer mine toy.pt/deep",
        "toy.pt/deep|a part of the path is a file",
        early=True,
    ),
    Bad("new-folder-name-too-long", f"new analyzer mine {LONG}", "the name is too long", early=True),
    Bad("check-without-a-name", "check card", "Missing argument|NAME", early=True),
    Bad("check-kind-unknown", "check model toy", "kind of thing to check|'model'|adapter", early=True),
    Bad("check-near-adapter", "check adapter dcgna", "no adapter|did you mean dcgan", early=True),
    Bad("check-unknown-scorer", "check scorer zebra", "no scorer|'zebra'", early=True),
    Bad("check-unknown-card", "check card zebra", "no model|'zebra'", early=True),
    Bad("unknown-analyzer", "analyze toy -a pca", "no analyzer|'pca'|sefa", early=True),
    Bad("near-analyzer", "analyze toy -a lowrnak", "no analyzer|did you mean lowrank", early=True),
    Bad("analyzer-named-in-capitals", "analyze toy -a SeFa", "no analyzer|'SeFa'", early=True),
    Bad("label-of-an-unconditional-model", "sample toy --label red", "--label red|toy.plain|not conditional"),
    Bad("unknown-label", "sample toy.eyes --label purple", "class of toy.eyes|'purple'|red"),
    Bad("near-label", "analyze toy.eyes --label gren", "'gren'|did you mean green"),
    Bad("label-index-too-large", "sample toy.eyes --label 8", "--label 8|0 to 7"),
    Bad("label-index-negative", "sample toy.eyes --label=-1", "'-1'|amber"),
    Bad("label-with-codes", "sample toy --codes codes.safetensors --label 1", "--label 1|not conditional"),
    Bad("unknown-space", "sample toy --space w", "space|'w'|z"),
]

# --- regions ---------------------------------------------------------------------------------------------------------

REGIONS = [
    Bad("unknown-region", "analyze toy -r knee", "region|'knee'|mouth|center"),
    Bad("near-region", "analyze toy -r moth", "region|'moth'|did you mean mouth"),
    Bad("empty-region", "analyze toy -r ''", "empty|mouth"),
    Bad("region-ends-with-plus", "analyze toy -r mouth+", "ends with '+'"),
    Bad("region-begins-with-plus", "analyze toy -r +mouth", "empty"),
    Bad("not-nothing", "analyze toy -r not:", "empty"),
    Bad("not-everything", "analyze toy -r not:all", "not:all|holds no pixel|16x16"),
    Bad("unknown-region-kind", "analyze toy -r disc:3,3,1", "disc:|no kind of region|box:"),
    Bad("box-of-three", "analyze toy -r box:1,2,3", "box:1,2,3|box:top,left,height,width"),
    Bad("box-of-five", "analyze toy -r box:1,2,3,4,5", "box:top,left,height,width"),
    Bad("box-of-nothing", "analyze toy -r box:", "box:top,left,height,width"),
    Bad("box-of-words", "analyze toy -r box:a,0,1,1", "'a'|not a number"),
    Bad("box-with-a-gap", "analyze toy -r box:0,,1,1", "''|not a number"),
    Bad("box-of-nan", "analyze toy -r box:nan,0,1,1", "'nan'|not a number"),
    Bad("box-that-overflows", "analyze toy -r box:1.e400,0,1,1", "1.e400|not a finite number"),
    Bad("box-of-a-huge-integer", f"analyze toy -r box:0,0,1,{'9' * 400}", "box:|is not a number"),
    Bad("box-of-a-monstrous-integer", f"analyze toy -r box:0,0,1,{'9' * 5000}", "box:|longer than 4,000 characters"),
    Bad("box-too-flat", "analyze toy -r box:0,0,0,4", "height and width must be above 0"),
    Bad("box-negative-height", "analyze toy -r box:4,4,-2,2", "height and width must be above 0"),
    Bad("box-starts-outside", "analyze toy -r box:-1,0,4,4", "leaves the 16x16 image|rows -1 to 3"),
    Bad("box-ends-outside", "analyze toy -r box:0,8,4,9", "leaves the 16x16 image|columns 8 to 17"),
    Bad("fraction-ends-outside", "analyze toy -r box:0.5,0.0,0.6,1.0", "leaves the 16x16 image"),
    Bad("box-between-centres", "analyze toy -r box:0.0,0.0,0.01,0.01", "holds no pixel|16x16"),
    Bad("region-of-the-card-outside", "analyze toy -r outside", "box:0,0,99,1|leaves the 16x16 image"),
    Bad("region-of-the-card-dangling", "analyze toy -r dangling", "'nothing'"),
    Bad("region-defined-by-itself", "analyze toy -r loop", "loop|defined by itself|spiral"),
    Bad("deep-region", f"analyze toy -r {'not:' * 3000}mouth", "region"),
    Bad("mask-missing", "analyze toy -r mask:none.png", "mask:none.png|no such file"),
    Bad("mask-without-a-name", "analyze toy -r mask:", "mask:"),
    Bad("mask-is-a-folder", "analyze toy -r mask:earlier", "mask:earlier|folder"),
    Bad("mask-of-another-size", "analyze toy -r mask:m.png", "17 x 16|16 x 16", {"m.png": hostile.picture(16, 17)}),
    Bad("mask-all-dark", "analyze toy -r mask:m.png", "127 everywhere", {"m.png": hostile.picture(16, 16, 127)}),
    Bad("mask-no-picture", "analyze toy -r mask:m.png", "no readable PNG", {"m.png": hostile.text("mouth")}),
    Bad("mask-empty-file", "analyze toy -r mask:m.png", "no readable PNG", {"m.png": hostile.text("")}),
    Bad(
        "mask-truncated",
        "analyze toy -r mask:m.png",
        "mask:m.png|no readable PNG",
        {"m.png": hostile.truncated(hostile.picture(16, 16), 50)},
    ),
    Bad("mask-bad-checksum", "analyze toy -r mask:m.png", "m.png|picture", {"m.png": hostile.bad_crc_png}),
    Bad(
        "mask-large-claim",
        "analyze toy -r mask:m.png",
        "mask:m.png",
        {"m.png": hostile.raw(hostile.png(10_000, 10_000, hostile.chunk(b"IDAT", b"")))},
    ),
    Bad(
        "mask-huge-claim",
        "analyze toy -r mask:m.png",
        "mask:m.png",
        {"m.png": hostile.raw(hostile.png(200_000, 200_000, hostile.chunk(b"IDAT", b"")))},
    ),
    Bad(
        "mask-text-bomb",
        "analyze toy -r mask:m.png",
        "mask:m.png",
        {"m.png": hostile.raw(hostile.png(16, 16, hostile.TEXT_BOMB))},
    ),
    Bad(
        "nullspace-of-all", "analyze toy -a nullspace", "nullspace|rest of the image|--region|mouth|center", early=True
    ),
    Bad("resefa-of-all", "analyze toy -a resefa", "resefa|rest of the image|--region|mouth|center", early=True),
    Bad("nullspace-of-everything", "analyze toy -a nullspace -r top+bottom", "whole image|rest of the image"),
]

# --- options ---------------------------------------------------------------------------------------------------------

NETWORK, FILE = "-o output=timm:test_vit", "-o features=toy.pt"
OPTIONS = [
    Bad("option-unknown", "analyze toy -o size=3", "option of sefa|'size'|k|normalize", early=True),
    Bad("option-near", "analyze toy -o normalise=no", "'normalise'|did you mean normalize", early=True),
    Bad("option-of-another-analyzer", "analyze toy -o energy=0.5", "option of sefa|'energy'", early=True),
    Bad("option-without-value", "analyze toy -o k", "-o k|name=value", early=True),
    Bad("option-without-name", "analyze toy -o =3", "-o =3|name=value", early=True),
    Bad("option-twice", "analyze toy -o k=1 -o k=2", "-o k=2|twice", early=True),
    Bad("option-of-wrong-type", "analyze toy -o k=many", "sefa|k='many'|integer", early=True),
    Bad("option-empty", "analyze toy -o k=", "sefa|k=''|integer", early=True),
    Bad("option-too-small", "analyze toy -o k=0", "k='0'|greater than or equal to 1", early=True),
    Bad("option-a-fraction", "analyze toy -o k=1.5", "k='1.5'|integer", early=True),
    Bad("option-no-boolean", "analyze toy -o normalize=perhaps", "normalize='perhaps'|boolean", early=True),
    Bad("option-nan", "analyze toy -a lowrank -o energy=nan", "energy='nan'|finite", early=True),
    Bad("option-too-large", "analyze toy -a lowrank -o energy=1.1", "energy='1.1'|less than or equal to 1", early=True),
    Bad(
        "option-no-choice",
        "analyze toy -a lowrank -o factorization=svd",
        "'svd'|spectrum|pursuit|published",
        early=True,
    ),
    Bad(
        "option-tau-negative",
        "analyze toy -a resefa -r mouth -o tau=-1",
        "tau='-1'|greater than or equal to 0",
        early=True,
    ),
    Bad("option-tau-infinite", "analyze toy -a resefa -r mouth -o tau=inf", "tau='inf'|finite", early=True),
    Bad("option-no-directions-at-all", "analyze toy -a resefa -r mouth -o k=0", "k='0'|greater than", early=True),
    Bad("option-monstrous", f"analyze toy -o k={'9' * 5000}", "k=", early=True),
    Bad("option-names-no-file", "analyze toy -a nullspace -r mouth -o directions=none.npy", "none.npy|no such file"),
    Bad("output-unknown", "analyze toy -a lowrank -o output=lab", "output='lab'|grey, rgb|timm:NAME", early=True),
    Bad("output-empty", "analyze toy -a nullspace -r mouth -o output=", "output=''|grey, rgb", early=True),
    Bad("output-of-the-weights", "analyze toy -o output=rgb", "option of sefa|'output'", early=True),
    Bad("output-of-any-repository", "analyze toy -a lowrank -o output=timm:hf-hub:a/b", "grey, rgb", early=True),
    Bad("output-near-network", "analyze toy -a lowrank -o output=timm:resnet1O", "'resnet1O'|did you mean"),
    Bad("output-unknown-weights", "analyze toy -a lowrank -o output=timm:test_vit.mine", "test_vit.r160_in1k"),
    Bad("features-of-grey", f"analyze toy -a lowrank {FILE}", "features='toy.pt'|output=timm:NAME", early=True),
    Bad("features-missing", f"analyze toy -a lowrank {NETWORK} -o features=none.pt", "no such file", early=True),
    Bad("features-a-folder", f"analyze toy -a lowrank {NETWORK} -o features=earlier", "it is a folder", early=True),
    Bad(
        "features-of-another-network", f"analyze toy -a lowrank {NETWORK} {FILE}", "toy.pt|output=timm:test_vit|missing"
    ),
    Bad(
        "features-a-payload",
        f"analyze toy -a nullspace -r mouth {NETWORK} -o features=f.pt",
        "f.pt was refused",
        {"f.pt": hostile.pickled(Payload())},
    ),
    Bad("layers-of-one-row-images", "analyze toy -a lowrank -r mouth --layers 0", "--layers|single row|lowrank"),
    Bad("layers-out-of-range", "analyze toy --layers 1", "--layers 1|0-0"),
    Bad("layers-backwards", "analyze toy --layers 3-1", "--layers 3-1"),
    Bad("layers-no-numbers", "analyze toy --layers all", "--layers all|4-7"),
    Bad("layers-empty", "analyze toy --layers ''", "--layers|4-7"),
    Bad("layers-monstrous", "analyze toy --layers 0-99999999999", "--layers"),
    Bad("layers-of-an-edit", "edit toy dirs.safetensors --layers 0", "single row|layers"),
    Bad("layers-of-an-edit-empty", "edit toy dirs.safetensors --layers ''", "--layers|single row"),
    Bad("seed-negative", "analyze toy --seed=-1", "--seed -1|4294967295", early=True),
    Bad("seed-too-large", f"sample toy --seed {2**32}", f"--seed {2**32}|4294967295"),
    Bad("seed-no-number", "sample toy --seed x", "--seed|'x'", early=True),
    Bad("seed-a-fraction", "edit toy dirs.safetensors --seed 1.5", "--seed|'1.5'", early=True),
    Bad("samples-zero", "analyze toy --samples 0", "--samples|at least 1", early=True),
    Bad("samples-negative", "sample toy --samples=-4", "--samples -4|at least 1"),
    Bad("samples-beyond-measure", "sample toy --samples 99999999999", "--samples"),
    Bad("samples-of-an-edit-zero", "edit toy dirs.safetensors --samples 0", "--samples 0|at least 1"),
    Bad("truncation-negative", "sample toy --truncation=-0.5", "--truncation -0.5|within 0"),
    Bad("truncation-too-large", "analyze toy --truncation 2.01", "--truncation 2.01|within 0 and 2"),
    Bad("truncation-nan", "sample toy --truncation nan", "--truncation nan"),
    Bad("truncation-no-number", "sample toy --truncation half", "--truncation|'half'", early=True),
    Bad("show-zero", "analyze toy --show 0", "--show|at least 1", early=True),
    Bad("unseen-negative", "analyze toy --unseen=-1", "--unseen|at least 0", early=True),
    Bad("device-not-there", "sample toy --device cuda:99", "--device cuda:99|not usable here|cpu", early=True),
    Bad("device-nonsense", "sample toy --device toaster", "--device toaster|not usable here|cpu", early=True),
    Bad("device-that-holds-nothing", "sample toy --device meta", "--device meta|cpu", early=True),
    Bad("device-empty", "sample toy --device ''", "--device|cpu", early=True),
    Bad("dtype-unknown", "analyze toy --dtype float16", "--dtype float16|float32 and float64", early=True),
    Bad("index-out-of-range", "edit toy dirs.safetensors --index 3", "no direction 3|0 to 2"),
    Bad("index-negative", "edit toy dirs.safetensors --index=-1", "no direction -1|0 to 2"),
    Bad("index-no-number", "edit toy dirs.safetensors --index first", "'first'|0 to 2"),
    Bad("index-empty", "edit toy dirs.safetensors --index ''", "--index|0,2", early=True),
    Bad("index-weight-missing", "edit toy dirs.safetensors --index 0=", "--index 0=|0=2,smile=-1.5", early=True),
    Bad("index-weight-no-number", "edit toy dirs.safetensors --index 0=much", "--index 0=much|0,2", early=True),
    Bad("index-weight-nan", "edit toy dirs.safetensors --index 0=nan", "weight nan of direction 0|finite"),
    Bad("index-monstrous", f"edit toy dirs.safetensors --index {'9' * 5000}", "--index|0,2", early=True),
    Bad("directions-after-colon", "edit toy dirs.safetensors:first", "'first'|0 to 2"),
    Bad("directions-after-colon-none", "edit toy dirs.safetensors:", "dirs.safetensors:|0,2", early=True),
    Bad("directions-after-colon-out-of-range", "edit toy dirs.safetensors:0,7", "no direction 7|0 to 2"),
    Bad("directions-second-missing", "edit toy dirs.safetensors none.npy:0", "none.npy|no such file"),
    Bad("grid-of-one", "edit toy dirs.safetensors --grid", "--grid|one direction across and one down|not 1"),
    Bad("grid-of-three", "edit toy dirs.safetensors:0,1,2 --grid", "--grid|not 3"),
    Bad("grid-together", "edit toy dirs.safetensors:0,1 --grid --together", "--together and --grid"),
    Bad("strengths-too-many", f"edit toy dirs.safetensors --strengths {'1,' * 40}1", "--strengths|41|at most 32"),
    Bad("samples-of-an-edit-too-many", "edit toy dirs.safetensors --samples 9999", "69,993|6,000|fewer codes"),
    Bad("samples-too-many-for-a-sheet", "sample toy --samples 60000", "60,000|16 x 16|memory|at most|fewer codes"),
    Bad("video-unknown", "edit toy dirs.safetensors --video avi", "--video avi|auto|gif|mp4", early=True),
    Bad("video-empty", "edit toy dirs.safetensors --video ''", "--video|auto", early=True),
    Bad("frames-too-few", "edit toy dirs.safetensors --frames 1", "--frames 1|2 to 1000", early=True),
    Bad("frames-too-many", "edit toy dirs.safetensors --frames 1001", "--frames 1001|2 to 1000", early=True),
    Bad("frames-no-number", "edit toy dirs.safetensors --frames many", "--frames|'many'", early=True),
    Bad("strengths-nonsense", "edit toy dirs.safetensors --strengths strong", "--strengths strong", early=True),
    Bad("strengths-with-a-gap", "edit toy dirs.safetensors --strengths 1,,2", "--strengths 1,,2", early=True),
    Bad("strengths-nan", "edit toy dirs.safetensors --strengths 0,nan", "--strengths|finite"),
    Bad("strengths-infinite", "edit toy dirs.safetensors --strengths 1e999", "--strengths|finite"),
    Bad("strengths-overflow", "edit toy dirs.safetensors --strengths 1e300", "--strengths"),
]

# --- codes files -----------------------------------------------------------------------------------------------------

ONE = torch.zeros(1, 12)
CODES = [
    Bad("codes-missing", "sample toy --codes none.safetensors", "none.safetensors|no such file", early=True),
    Bad("codes-a-folder", "sample toy --codes earlier", "codes from earlier"),
    *(
        Bad(f"{verb}-seeds-{name}", f"{call} --seeds {seeds}", f"--seeds|{words}", early=True)
        for verb, call in (("sample", "sample toy"), ("edit", "edit toy dirs.safetensors"), ("analyze", "analyze toy"))
        for name, seeds, words in (
            ("words", "one", "write seeds as 1,2,3 or 1-8"),
            ("backwards", "8-1", "8-1 runs backwards"),
            ("twice", "1-8,3", "seed 3 is there twice"),
            ("beside-samples", "1,2 --samples 2", "--samples and --seeds both"),
            ("beside-seed", "1,2 --seed 0", "--seed and --seeds both"),
        )
    ),
    Bad("codes-long-name", f"sample toy --codes {LONG}.npy", "there is no such file", early=True),
    *(
        Bad(f"codes-{name}", f"sample toy --codes {file}", f"{file}|{words}", {file: build})
        for name, file, words, build in [
            ("wrong-dim", "c.safetensors", "10 numbers|z (12)", hostile.codes(torch.zeros(1, 10))),
            ("wrong-dim-array", "c.npy", "10 numbers|z (12)", hostile.array(np.zeros((1, 10)))),
            ("of-layers", "c.safetensors", "3 x 12|z (12)", hostile.codes(torch.zeros(1, 3, 12))),
            ("of-one-axis", "c.npy", "holds 11 numbers|z (12)", hostile.array(np.zeros(11))),
            ("of-four-axes", "c.npy", "2 x 1 x 2 x 12", hostile.array(np.zeros((2, 1, 2, 12)))),
            ("none", "c.npy", "no code", hostile.array(np.zeros((0, 12)))),
            ("nan", "c.safetensors", "not finite", hostile.codes(ONE * float("nan"))),
            ("nan-array", "c.npy", "not finite", hostile.array(np.full((1, 12), np.nan))),
            ("overflow", "c.npy", "finite", hostile.array(np.full((1, 12), 1e300))),
            ("integers", "c.npy", "floating point", hostile.array(np.zeros((1, 12), dtype=int))),
            ("complex", "c.safetensors", "floating point", hostile.codes(ONE.to(torch.complex64))),
            ("long-doubles", "c.npy", "float", hostile.array(np.zeros((1, 12), dtype=np.longdouble))),
            ("eight-bit", "c.safetensors", "float", hostile.codes(ONE.to(torch.float8_e4m3fn))),
            ("labels-where-none", "c.safetensors", "labels|takes none", hostile.codes(ONE, torch.tensor([0]))),
            ("labels-too-few", "c.safetensors", "labels", hostile.codes(torch.zeros(2, 12), torch.tensor([0]))),
            ("labels-of-floats", "c.safetensors", "labels int64", hostile.codes(ONE, torch.zeros(1))),
            ("of-another-name", "c.safetensors", "holds w|--space w|z (12)", hostile.codes(ONE, name="w")),
            ("of-another-space", "c.safetensors", "space w|z (12)", hostile.codes(ONE, text='{"space":{"name":"w"}}')),
            ("truncated", "c.safetensors", "cannot read codes", hostile.truncated(hostile.codes(ONE), 60)),
            ("no-safetensors", "c.safetensors", "cannot read codes", hostile.text("hello")),
            ("empty", "c.safetensors", "cannot read codes", hostile.text("")),
            ("lying-header", "c.safetensors", "cannot read codes", hostile.safetensors({}, length=2**63)),
            ("card-no-json", "c.safetensors", "cannot read codes", hostile.codes(ONE, text="{")),
            ("card-a-list", "c.safetensors", "JSON object", hostile.codes(ONE, text="[]")),
            ("card-deep", "c.safetensors", "cannot read codes", hostile.codes(ONE, text=hostile.DEEP_JSON)),
            (
                "card-huge-number",
                "c.safetensors",
                "truncation",
                hostile.codes(ONE, text='{"truncation": 1' + "0" * 400 + "}"),
            ),
            ("array-empty", "c.npy", "cannot read codes", hostile.text("")),
            ("array-truncated", "c.npy", "cannot read codes", hostile.truncated(hostile.array(np.zeros((1, 12))))),
            ("array-no-numpy", "c.npy", "cannot read codes", hostile.text("1 2 3")),
            ("array-archive", "c.npy", "holds several arrays|FILE#a|b (1 x 12)", hostile.array_archive),
            ("array-of-objects", "c.npy", "codes", hostile.array(hostile.object_array(), allow_pickle=True)),
            ("array-pickle", "c.npy", "codes", hostile.pickled(Payload())),
            ("array-of-text", "c.npy", "floating point", hostile.array(np.array([["a"] * 12]))),
            (
                "array-lying-header",
                "c.npy",
                "cannot read codes",
                hostile.array_header("{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999, 12)}"),
            ),
            ("array-deep-header", "c.npy", "cannot read codes", hostile.array_header("(" * 9000)),
        ]
    ),
    Bad(
        "codes-without-labels",
        "sample toy.eyes --codes c.npy",
        "no labels|conditional|--label",
        {"c.npy": hostile.array(np.zeros((1, 100)))},
    ),
    Bad(
        "codes-labels-out-of-range",
        "analyze toy.eyes --codes c.safetensors",
        "labels|0 to 7",
        {"c.safetensors": hostile.codes(torch.zeros(1, 100), torch.tensor([8]))},
    ),
]

# --- directions files ------------------------------------------------------------------------------------------------

SPACE = {"name": "z", "dim": 12, "layers": 1}
HUGE = 10**400
DIRECTIONS = [
    Bad("directions-missing", "edit toy none.safetensors", "none.safetensors|no such file"),
    Bad("directions-folder-without", "edit toy earlier", "earlier/directions.safetensors|no such file"),
    Bad("directions-long-name", f"edit toy {LONG}", "cannot read directions"),
    *(
        Bad(f"directions-{name}", f"edit toy {file}", f"{file}|{words}", {file: build})
        for name, file, words, build in [
            ("truncated", "d.safetensors", "cannot read", hostile.truncated(hostile.directions())),
            ("empty", "d.safetensors", "cannot read", hostile.text("")),
            ("picture", "d.safetensors", "cannot read", hostile.picture(4, 4)),
            ("pickle", "d.safetensors", "cannot read", hostile.pickled(Payload())),
            ("of-another-space", "d.safetensors", "w (12)|z (12)", hostile.directions(space={**SPACE, "name": "w"})),
            (
                "of-another-dimension",
                "d.safetensors",
                "z (8)|z (12)",
                hostile.directions(torch.eye(8), space={**SPACE, "dim": 8}),
            ),
            ("of-a-lie", "d.safetensors", "(k, 13)|(2, 12)", hostile.directions(space={**SPACE, "dim": 13})),
            ("not-unit", "d.safetensors", "unit rows|length 2", hostile.directions(torch.eye(12)[:2] * 2)),
            ("nan", "d.safetensors", "not finite", hostile.directions(torch.full((1, 12), float("nan")))),
            ("none", "d.safetensors", "no direction", hostile.directions(torch.zeros(0, 12))),
            ("complex", "d.safetensors", "numbers", hostile.directions(torch.eye(12)[:2].to(torch.complex64))),
            ("of-codes", "d.safetensors", "holds latents|names codes", hostile.codes(ONE)),
            ("card-no-json", "d.safetensors", "cannot read", hostile.directions_text("{")),
            ("card-deep", "d.safetensors", "cannot read", hostile.directions_text(hostile.DEEP_JSON)),
            ("card-of-another-format", "d.safetensors", "zoo-directions/1", hostile.directions(format="other/1")),
            ("card-without-space", "d.safetensors", "cannot read", hostile.directions(space=None)),
            ("card-space-a-list", "d.safetensors", "cannot read", hostile.directions(space=[1])),
            ("card-dim-infinite", "d.safetensors", "cannot read", hostile.directions(space={**SPACE, "dim": np.inf})),
            ("card-layers-text", "d.safetensors", "cannot read", hostile.directions(layers="abc")),
            ("card-layers-of-one-row", "d.safetensors", "layers", hostile.directions(layers=[5])),
            ("card-kept-too-short", "d.safetensors", "kept", hostile.directions(kept=[1.0])),
            ("card-kept-huge", "d.safetensors", "cannot read", hostile.directions(kept=[HUGE, 1])),
            (
                "without-scores",
                "d.safetensors",
                "scores",
                hostile.codes(torch.eye(12), name="vectors", text=json.dumps(hostile.directions_card())),
            ),
            ("array-truncated", "d.npy", "cannot read", hostile.truncated(hostile.array(np.eye(12)))),
            ("array-empty", "d.npy", "cannot read", hostile.text("")),
            ("array-wrong-dim", "d.npy", "10 numbers|z (12)", hostile.array(np.eye(10))),
            ("array-zero", "d.npy", "zero or not finite", hostile.array(np.zeros((1, 12)))),
            ("array-nan", "d.npy", "not finite", hostile.array(np.full((1, 12), np.nan))),
            ("array-of-three-axes", "d.npy", "1 x 2 x 12|z (12)", hostile.array(np.zeros((1, 2, 12)))),
            ("array-archive", "d.npy", "holds several arrays|FILE#a|b (1 x 12)", hostile.array_archive),
            ("array-of-objects", "d.npy", "d.npy", hostile.array(hostile.object_array(), allow_pickle=True)),
            ("array-pickle", "d.npy", "d.npy", hostile.pickled(Payload())),
            (
                "array-lying-header",
                "d.npy",
                "cannot read",
                hostile.array_header("{'descr': '<f8', 'fortran_order': False, 'shape': (9999999999999, 12)}"),
            ),
        ]
    ),
]

COMPARISONS = [
    Bad("compare-one", "compare dirs.safetensors", "Missing argument|B", early=True),
    Bad("compare-three", "compare dirs.safetensors dirs.safetensors c", "3 sets|--rank", early=True),
    Bad("compare-missing", "compare dirs.safetensors none.npy", "none.npy|no such file", early=True),
    Bad("compare-folder-without", "compare earlier dirs.safetensors", "earlier|no such file", early=True),
    Bad(
        "compare-another-space",
        "compare dirs.safetensors d.safetensors",
        "z (12)|cannot be compared|w (12)",
        {"d.safetensors": hostile.directions(space={**SPACE, "name": "w"})},
        True,
    ),
    Bad(
        "compare-another-dimension",
        "compare d.npy dirs.safetensors",
        "10 x 10 numbers|z (12)",
        {"d.npy": hostile.array(np.eye(10))},
        True,
    ),
    Bad("compare-pickle", "compare d.npy d.npy", "d.npy", {"d.npy": hostile.pickled(Payload())}, True),
    Bad("compare-analysis-without-model", "compare sefa dirs.safetensors", "sefa is an analysis|--model", early=True),
    Bad("compare-local-of-all", "compare nullspace sefa --model toy", "nullspace|whole image|--region", early=True),
    Bad("compare-region-without-model", "compare dirs.safetensors dirs.safetensors -r top", "-r|--model", early=True),
    Bad("compare-option-of-nobody", "compare sefa dirs.safetensors --model toy -o kk=3", "kk"),
    Bad("compare-option-out-of-range", "compare sefa dirs.safetensors --model toy -o k=0", "sefa|k", early=True),
    Bad("compare-top-zero", "compare dirs.safetensors dirs.safetensors --top 0", "--top 0|at least 1", early=True),
    Bad("compare-unknown-model", "compare dirs.safetensors dirs.safetensors --model zebra", "'zebra'", early=True),
    Bad(
        "compare-in-another-space",
        "compare d.npy d.npy --model toy",
        "10 numbers|z (12)",
        {"d.npy": hostile.array(np.eye(10))},
    ),
    Bad("compare-too-many-codes", "compare dirs.safetensors dirs.safetensors --model toy --samples 999", "2,997|1,000"),
    Bad(
        "compare-codes-missing",
        "compare dirs.safetensors dirs.safetensors --model toy --codes none.npy",
        "none.npy",
        early=True,
    ),
    Bad(
        "compare-codes-without-model",
        "compare dirs.safetensors dirs.safetensors --codes c.npy",
        "--codes|--model",
        {"c.npy": hostile.array(np.ones(12))},
        early=True,
    ),
    Bad(
        "compare-label-without-model",
        "compare dirs.safetensors dirs.safetensors --label red",
        "--label|--model",
        early=True,
    ),
    Bad("compare-out-exists", "compare dirs.safetensors dirs.safetensors --out earlier", "earlier exists", early=True),
    Bad(
        "compare-out-under-a-file",
        "compare dirs.safetensors dirs.safetensors --out toy.pt/c",
        "cannot write",
        early=True,
    ),
]

SCORE = "score toy.avatars dirs.safetensors"
SCORES = [
    Bad("score-without-directions", "score toy.avatars", "Missing argument|DIRECTIONS", early=True),
    Bad("score-unknown-model", "score zebra dirs.safetensors", "no model|'zebra'", early=True),
    Bad("score-nothing-fits", "score toy dirs.safetensors", "no scorer fits toy.plain|avatars (|a plugin", early=True),
    Bad(
        "score-another-fits",
        "score toy dirs.safetensors --scorer avatars",
        "the scorer avatars does not fit toy.plain, but none does",
        early=True,
    ),
    Bad("score-nothing-fits-a-file", "score ./toy.pt dirs.safetensors", "no scorer fits file.toy|avatars ("),
    Bad("score-unknown-scorer", f"{SCORE} --scorer smiles", "no scorer is called 'smiles'|avatars", early=True),
    Bad("score-near-scorer", f"{SCORE} --scorer avatar", "'avatar'|did you mean avatars", early=True),
    Bad("score-missing", "score toy.avatars none.npy", "none.npy|no such file"),
    Bad("score-folder-without", "score toy.avatars earlier", "earlier/directions.safetensors|no such file"),
    Bad(
        "score-of-another-space",
        "score toy.avatars d.npy",
        "d.npy|holds 10 numbers|z (12)",
        {"d.npy": hostile.array(np.ones(10))},
    ),
    Bad("score-pickle", "score toy.avatars d.npy", "d.npy", {"d.npy": hostile.pickled(Payload())}),
    Bad("score-one-code", f"{SCORE} --samples 1", "--samples 1|at least 2"),
    Bad("score-too-many-codes", f"{SCORE} --samples 100001", "--samples 100001|at most 100,000"),
    Bad("score-samples-no-number", f"{SCORE} --samples few", "--samples|'few'", early=True),
    Bad("score-seed-negative", f"{SCORE} --seed=-1", "--seed -1|0 and"),
    Bad("score-step-zero", f"{SCORE} --step 0", "--step 0|above 0"),
    Bad("score-step-negative", f"{SCORE} --step=-2", "--step -2|above 0"),
    Bad("score-step-nan", f"{SCORE} --step nan", "--step nan|finite"),
    Bad("score-step-infinite", f"{SCORE} --step 1e999", "--step inf|finite"),
    Bad("score-step-no-number", f"{SCORE} --step far", "--step|'far'", early=True),
    Bad("score-step-overflows", f"{SCORE} --step 1e300 --samples 2", "not finite|--step"),
    Bad("score-unknown-region", f"{SCORE} -r knee", "region|'knee'|center"),
    Bad("score-show-zero", f"{SCORE} --show 0", "--show 0|at least 1"),
    Bad("score-layers", f"{SCORE} --layers 0", "--layers|single row"),
    Bad("score-label", f"{SCORE} --label red", "--label red|not conditional"),
    Bad("score-truncation", f"{SCORE} --truncation 9", "--truncation 9|0 and 2"),
    Bad("score-unknown-space", f"{SCORE} --space w", "space|'w'|z"),
    Bad("score-option-unknown", f"{SCORE} -o depth=3", "option of dcgan|'depth'", early=True),
    Bad("score-codes-missing", f"{SCORE} --codes none.npy", "none.npy|no such file", early=True),
    Bad(
        "score-codes-too-few",
        f"{SCORE} --codes c.npy",
        "codes 1|at least 2",
        {"c.npy": hostile.array(np.ones((1, 12)))},
    ),
    Bad("score-out-exists", f"{SCORE} --out earlier", "earlier exists|--force", early=True),
    Bad("score-out-under-a-file", f"{SCORE} --samples 2 --show 1 --step 1 --out toy.pt/s", "cannot write"),
]

# --- checkpoints -----------------------------------------------------------------------------------------------------


def _clash() -> Any:
    return {"a.b": torch.zeros(1), "a": {"b": torch.ones(1)}}


def _drop(ending: str) -> Builder:
    return hostile.rezipped(lambda name, content: None if name.endswith(ending) else (name, content))


def _garble(ending: str, garbage: bytes) -> Builder:
    return hostile.rezipped(lambda name, content: (name, garbage if name.endswith(ending) else content))


NAN = torch.full((16, 12, 4, 4), float("nan"))
CHECKPOINTS = [
    Bad(f"checkpoint-{name}", "sample ./bad.pt", f"bad.pt|{words}", {"bad.pt": build})
    for name, words, build in [
        ("empty", "an empty file", hostile.text("")),
        ("html", "HTML page", hostile.text("<!DOCTYPE html><html><body>404</body></html>")),
        ("git-lfs", "Git LFS pointer", hostile.text("version https://git-lfs.github.com/spec/v1\noid sha256:0")),
        ("picture", "PNG picture", hostile.picture(8, 8)),
        ("gzip", "an archive that cannot be read", hostile.raw(b"\x1f\x8b\x08\x00" + bytes(40))),
        ("garbage", "neither a safetensors nor a torch file", hostile.raw(bytes(range(200, 250)))),
        ("payload-pickle", "refused|system", hostile.pickled(Payload())),
        ("payload-pickle-4", "refused", hostile.pickled({"a": Payload()}, 4)),
        ("payload-pickle-text", "neither", hostile.pickled(Payload(), 0)),
        ("payload-torch", "refused|system", hostile.torch_file(Payload())),
        ("payload-among-weights", "refused|system", hostile.toy_but(convTr9__weight=Payload())),
        ("payload-legacy", "refused|system", hostile.torch_file({"a": Payload()}, legacy=True)),
        ("whole-module", "fits no known layout|begin bias, weight", hostile.torch_file(torch.nn.Linear(2, 2))),
        ("torchscript", "TorchScript", hostile.torchscript),
        ("bomb", "its members are compressed", hostile.bomb),
        ("compressed", "refused", hostile.rezipped(lambda *pair: pair, zipfile.ZIP_DEFLATED)),
        ("truncated-zip", "truncated or broken zip", hostile.truncated_torch),
        (
            "other-zip",
            "holds no weights file|word/x.xml",
            lambda path: hostile.write_zip(path, {"word/x.xml": b""}),
        ),
        ("pickle-garbage", "", _garble("data.pkl", b"\x80\x02\xff\xff\xff.")),
        ("pickle-cut", "", _garble("data.pkl", b"\x80\x02}q\x00(X\x07\x00")),
        ("without-a-storage", "broken", _drop("data/0")),
        ("byteorder-nonsense", "", _garble("byteorder", b"middle")),
        ("lying-storage", "claims 1,000 numbers|16 bytes", hostile.lying_storage),
        (
            "expanded",
            "convTr1.weight|claims more numbers",
            hostile.toy_but(convTr1__weight=torch.zeros(1).expand(10**9)),
        ),
        ("shared-storage", "more", hostile.shared_storage),
        ("deep", "nested too deeply", hostile.torch_file(hostile.nested(40))),
        ("very-deep", "", hostile.deeply_pickled),
        ("recursive", "no known layout|nested too deeply", hostile.torch_file(hostile.recursive())),
        ("lattice", "too many values", hostile.torch_file(hostile.lattice())),
        ("many-values", "no known layout|a log of 300,000 values", hostile.torch_file(hostile.many_plain_values())),
        ("list", "holds a list|not a dictionary", hostile.torch_file([torch.zeros(1)])),
        ("tensor", "holds a tensor|not a dictionary", hostile.torch_file(torch.zeros(1))),
        ("no-tensor", "no tensor", hostile.torch_file({"epoch": 3})),
        ("names-clash", "two tensors are called a.b", hostile.torch_file(_clash())),
        (
            "unknown-keys",
            "fits no known layout|begin strange.w|files of biggan, ",
            hostile.torch_file({"strange.w": ONE}),
        ),
        ("keys-with-escapes", "fits no known layout", hostile.torch_file({"\x1b[2J\x1b[Hfine\r": ONE})),
        ("keys-with-newlines", "fits no known layout", hostile.torch_file({"a\nzoo: all is well\n": ONE})),
        ("keys-endless", "fits no known layout", hostile.torch_file({"a" * 100_000: ONE})),
        ("missing-key", "missing: norms.0.bias", hostile.toy_but(batchNorm1__bias=None)),
        ("left-over-key", "left over: convs.4.bias", hostile.toy_but(convTr5__bias=torch.zeros(3))),
        ("keys-of-no-layer", "missing", hostile.toy_but(convTr2__weight=None)),
        ("wrong-shape", "of another shape|norms.0.weight (7,)", hostile.toy_but(batchNorm1__weight=torch.zeros(7))),
        ("wrong-axes", "4-d", hostile.toy_but(convTr1__weight=torch.zeros(12, 16))),
        ("wrong-kernel", "of another shape|convs.0.weight", hostile.toy_but(convTr1__weight=torch.zeros(12, 16, 3, 3))),
        ("two-channels", "a dcgan of 2 channels", hostile.toy_but(convTr3__weight=torch.zeros(12, 2, 4, 4))),
        ("nan", "not finite|norms.0.bias", hostile.toy_but(batchNorm1__bias=torch.full((16,), float("nan")))),
        ("infinite", "not finite", hostile.toy_but(batchNorm1__bias=torch.full((16,), float("inf")))),
        (
            "overflow",
            "finite",
            hostile.toy_but(batchNorm1__bias=torch.full((16,), 1e300, dtype=torch.float64)),
        ),
        (
            "integers",
            "convs.0.weight|int",
            hostile.toy_but(convTr1__weight=torch.ones(12, 16, 4, 4, dtype=torch.int64)),
        ),
        ("complex", "convs.0.weight|complex", hostile.toy_but(convTr1__weight=torch.ones(12, 16, 4, 4) * 1j)),
        (
            "eight-bit",
            "does not read|_rebuild_tensor_v3",
            hostile.toy_but(convTr1__weight=torch.ones(12, 16, 4, 4).to(torch.float8_e4m3fn)),
        ),
        (
            "sparse",
            "a kind that zoo does not read|_rebuild_sparse_tensor",
            hostile.toy_but(convTr1__weight=torch.eye(12).to_sparse()),
        ),
        (
            "meta",
            "a kind that zoo does not read|_rebuild_meta_tensor",
            hostile.toy_but(convTr1__weight=torch.ones(3, device="meta")),
        ),
        ("safetensors-length-lie", "safetensors", hostile.safetensors({}, length=2**40)),
        ("safetensors-length-monstrous", "safetensors", hostile.safetensors({}, length=2**64 - 1)),
        ("safetensors-length-short", "broken safetensors", hostile.safetensors(b'{"a":{}}', length=4)),
        ("safetensors-no-json", "broken safetensors", hostile.safetensors(b"{hello there}")),
        ("safetensors-deep", "broken safetensors", hostile.safetensors(hostile.DEEP_JSON.encode())),
        ("safetensors-no-tensor", "no tensor", hostile.safetensors({"__metadata__": {"a": "b"}})),
        (
            "safetensors-offsets-outside",
            "broken safetensors",
            hostile.safetensors(hostile.one_tensor("F32", [9, 9], 0, 324), bytes(8)),
        ),
        (
            "safetensors-shape-lie",
            "broken safetensors",
            hostile.safetensors(hostile.one_tensor("F32", [9, 9], 0, 8), bytes(8)),
        ),
        (
            "safetensors-shape-overflow",
            "broken safetensors",
            hostile.safetensors(hostile.one_tensor("F32", [2**63, 2], 0, 0)),
        ),
        (
            "safetensors-odd-type",
            "broken safetensors",
            hostile.safetensors(hostile.one_tensor("F6_E2M3", [4], 0, 3), bytes(3)),
        ),
        ("safetensors-truncated", "broken safetensors", hostile.truncated_safetensors),
        ("safetensors-nan", "not finite", hostile.safetensors_but(batchNorm1__bias=torch.full((16,), float("nan")))),
        ("safetensors-integers", "int", hostile.safetensors_but(batchNorm1__bias=torch.ones(16, dtype=torch.int32))),
    ]
]
CHECKPOINTS.append(
    Bad(
        "checkpoint-negative-variance",
        "sample ./bad.pt",
        "file.bad|finite",
        {"bad.pt": hostile.toy_but(batchNorm1__running_var=torch.full((16,), -1.0))},
    )
)

_SOURCE = containers.nvidia_pickle({"G_ema": containers.network({"w": ONE})})
_PAYLOAD = containers.nvidia_pickle({}, G_ema=Payload())
_OBJECTS = containers.nvidia_pickle({}, G_ema={"w": hostile.object_array()})
_VERSION = containers.tensorflow_pickle({"lod": 0.0}, {}, version=6)
PICKLES = [
    Bad(f"pickle-{name}-{command}", f"{command} ./bad.pkl", f"bad.pkl|{words}", {"bad.pkl": hostile.raw(content)})
    for command in ("sample", "analyze", "add --name dcgan.bad")
    for name, words, content in [
        ("with-source", "fits no known layout|begin G_ema.w", _SOURCE),
        ("with-a-payload", "bad.pkl was refused|posix.system", _PAYLOAD),
        ("of-objects", "bad.pkl was refused|G_ema.w|not plain numbers", _OBJECTS),
        ("of-another-version", "bad.pkl was refused|version 6; zoo reads 2 to 5", _VERSION),
        ("truncated", "bad.pkl is broken|ends in the middle", _SOURCE[:-100]),
    ]
]

WEIGHTS = [
    Bad("weights-missing", "sample toy.lost", "toy.lost|lost.pt"),
    Bad("weights-missing-pulled", "pull toy.lost", "toy.lost|lost.pt"),
    Bad("weights-of-another-hash", "sample toy.swapped", f"toy.swapped|toy.pt|sha256|{hostile.ZEROS}"),
    Bad("weights-of-another-hash-pulled", "pull toy.swapped", f"sha256|{hostile.ZEROS}"),
    Bad("weights-of-unknown-adapter", "sample toy.alien", "adapter|'dcgam'|did you mean dcgan", early=True),
    Bad("weights-of-unknown-adapter-analyzed", "analyze toy.alien", "adapter|'dcgam'", early=True),
    Bad("weights-with-unknown-config", "sample toy.config", "option of dcgan|'depth'"),
]

STYLEGAN2, BIGGAN = ({"file.pt": hostile.golden(name)} for name in ("stylegan2_ada", "biggan_ajbrock"))
PGGAN, STYLEGAN = ({"file.pt": hostile.golden(name)} for name in ("pggan", "stylegan1"))
DEEP, UNCONDITIONAL = ({"file.pt": hostile.golden(name)} for name in ("biggan_deep", "studiogan_sngan_uncond"))
STYLEGAN3, R3GAN = ({"file.pt": hostile.golden(name)} for name in ("stylegan3_t", "r3gan"))
OTHER_FAMILIES = [
    Bad("lod-negative", "sample ./file.pt -o lod=-1", "pggan: option lod|greater than or equal to 0", PGGAN),
    Bad("lod-beyond-the-network", "sample ./file.pt -o lod=3.5", "level of detail 3.5|from 0 to 3", PGGAN),
    Bad("fused-of-no-sense", "sample ./file.pt -o fused=perhaps", "pggan: option fused|'perhaps'", PGGAN),
    Bad("fused-where-the-file-is-not", "sample ./file.pt -o fused=true", "doubles.2.weight|of another shape", PGGAN),
    Bad("truncation-of-a-pggan", "sample ./file.pt --truncation 0.5", "a PGGAN has no truncation", PGGAN),
    Bad("lod-beyond-a-stylegan", "sample ./file.pt -o lod=3.5", "level of detail 3.5|from 0 to 3", STYLEGAN),
    Bad("fused-of-no-kind", "sample ./file.pt -o fused=yes", "stylegan: option fused|'yes'|'auto'", STYLEGAN),
    Bad("cutoff-of-a-stylegan", "sample ./file.pt -o cutoff=-1", "stylegan: option cutoff|'-1'", STYLEGAN),
    Bad("noise-of-a-stylegan", "sample ./file.pt -o noise=loud", "stylegan: option noise|'loud'", STYLEGAN),
    Bad("row-beyond-the-last", "analyze ./file.pt -a lowrank --layers 8", "layers|8", STYLEGAN),
    Bad("clamp-of-zero", "sample ./file.pt -o conv_clamp=0", "stylegan2: option conv_clamp|greater than 0", STYLEGAN2),
    Bad(
        "unknown-noise", "sample ./file.pt -o noise=loud", "stylegan2: option noise|'loud'|'none' or 'drawn'", STYLEGAN2
    ),
    Bad("noise-seed-negative", "sample ./file.pt -o noise_seed=-1", "option noise_seed|'-1'", STYLEGAN2),
    Bad("cutoff-negative", "sample ./file.pt -o cutoff=-1", "option cutoff|'-1'", STYLEGAN2),
    Bad("classes-of-an-unconditional-network", "sample ./file.pt -o classes=a,b", "classes|has 0 classes", STYLEGAN2),
    Bad("label-of-an-unconditional-network", "sample ./file.pt --label 1", "--label 1|not conditional", STYLEGAN2),
    Bad("space-of-no-network", "sample ./file.pt --space p", "space of a StyleGAN2|'p'|s, w, z", STYLEGAN2),
    Bad("sefa-in-z", "analyze ./file.pt --space z", "sefa needs projection|in z", STYLEGAN2),
    Bad("rows-beyond-the-last", "analyze ./file.pt -a lowrank --layers 6-8", "layers|8", STYLEGAN2),
    Bad("too-few-class-names", "sample ./file.pt -o classes=a,b", "2 different names|10 classes", BIGGAN),
    Bad("class-names-twice", "sample ./file.pt -o classes=a,b,c,d,e,f,g,h,i,a", "9 different names|10 classes", BIGGAN),
    Bad("epsilon-zero", "sample ./file.pt -o epsilon=0", "biggan: option epsilon|greater than 0", BIGGAN),
    Bad("class-beyond-the-last", "sample ./file.pt --label 10", "--label 10|0 to 9", BIGGAN),
    Bad("rows-of-one-row", "analyze ./file.pt -a lowrank --layers 0", "layers", BIGGAN),
    Bad("parts-beyond-the-last", "analyze ./file.pt --layers 7", "--layers 7|0-3", BIGGAN),
    Bad("truncation-without-statistics", "sample ./file.pt --truncation 1.5", "1.5: a BigGAN-deep|from 0 to 1", DEEP),
    Bad("deep-epsilon-zero", "sample ./file.pt -o epsilon=0", "biggan-deep: option epsilon|greater than 0", DEEP),
    Bad("deep-space-of-no-network", "sample ./file.pt --space w", "space of a BigGAN-deep|'w'|z", DEEP),
    Bad("unknown-option", "sample ./file.pt -o slope=1", "option of studiogan|'slope'|classes", UNCONDITIONAL),
    Bad("label-of-an-unconditional-resnet", "sample ./file.pt --label 1", "--label 1|not conditional", UNCONDITIONAL),
    Bad("layers-that-read-no-code", "analyze ./file.pt --layers 1", "--layers 1|0-0", UNCONDITIONAL),
    Bad("noise-of-a-network-without", "sample ./file.pt -o noise=none", "option of stylegan3|'noise'", STYLEGAN3),
    Bad("pose-beyond-the-last-row", "analyze ./file.pt --layers 16", "--layers 16|0-15", STYLEGAN3),
    Bad("space-of-no-stylegan3", "sample ./file.pt --space s", "space of a StyleGAN3|'s'|w, z", STYLEGAN3),
    Bad("truncation-where-there-is-none", "sample ./file.pt --truncation 0.7", "truncation 0.7|R3GAN has none", R3GAN),
    Bad("w-where-there-is-none", "sample ./file.pt --space w", "space of an R3GAN|'w'|z", R3GAN),
]

# --- registries ------------------------------------------------------------------------------------------------------


def _twice(path: Path) -> None:
    hostile.write_cards(path, hostile.card("new.one", "a.pt"), hostile.card("new.one", "b.pt"))


def _two_defaults(path: Path) -> None:
    both = [hostile.card(name, "a.pt", default=True) for name in ("new.one", "new.two")]
    hostile.write_cards(path, *both)


def _yaml(text: str) -> Builder:
    return hostile.text(text)


REGISTRIES = [
    Bad("registry-missing", "--registry none.yaml list", "registry none.yaml|No such file", early=True),
    Bad("registry-a-folder", "--registry earlier list", "registry earlier|folder", early=True),
    *(
        Bad(f"registry-{name}", "--registry bad.yaml list", f"bad.yaml|{words}", {"bad.yaml": build}, early=True)
        for name, words, build in [
            ("not-yaml", "not YAML", _yaml("models: [")),
            ("not-text", "not YAML", hostile.raw(b"models: \xff\xfe")),
            ("payload", "tag", _yaml("models: !!python/object/apply:os.system ['touch PWNED']")),
            ("bad-date", "not YAML|month", _yaml("models: [{name: a.b, summary: 2024-13-45}]")),
            ("bad-tag", "tag !!int", _yaml("models: [{name: !!int abc}]")),
            ("deep", "", _yaml("models: " + "[" * 3000 + "]" * 3000)),
            ("recursive", "alias", _yaml("models: &a [*a]")),
            ("bomb", "alias", _yaml(hostile.YAML_BOMB)),
            ("empty", "'models:'|list", _yaml("")),
            ("no-models", "'models:'|list", _yaml("modles: []")),
            ("models-no-list", "'models:'|list", _yaml("models: {name: a.b}")),
            ("card-no-mapping", "card number 1", _yaml("models: [dcgan]")),
            ("card-odd-keys", "card number 1", _yaml("models: [{1: 2}]")),
            ("field-missing", "card new.one|licence|required", hostile.cards(licence=None)),
            ("field-unknown", "card new.one|licnce|nexpected", hostile.cards(licnce="CC0")),
            ("nested-field-unknown", "licence.terms", hostile.cards(licence={"weights": "CC0", "terms": "x"})),
            ("field-of-wrong-type", "resolution|integer", hostile.cards(resolution="large")),
            ("resolution-zero", "new.one|above 0", hostile.cards(resolution=0)),
            ("dim-negative", "new.one|above 0", hostile.cards(dim=-1)),
            ("bad-name", "architecture.variant", hostile.cards(name="New One")),
            ("name-a-list", "name", hostile.cards(name=["new.one"])),
            ("region-name-taken", "'center'|taken", hostile.cards(regions={"center": "box:0,0,1,1"})),
            ("region-name-odd", "'a+b'|letters", hostile.cards(regions={"a+b": "box:0,0,1,1"})),
            ("region-no-text", "regions.mouth", hostile.cards(regions={"mouth": 5})),
            ("unknown-scheme", "ftp://|pypi://", hostile.cards(weights={"sources": [{"url": "ftp://x/y.pt"}]})),
            ("no-source", "at least one source", hostile.cards(weights={"sources": []})),
            ("plain-http-without-hash", "sha256", hostile.cards(weights={"sources": [{"url": "http://a/b.pt"}]})),
            ("option-for-pip", "write pypi://", hostile.cards(weights={"sources": [{"url": "pypi://-r==1.0/toy.pt"}]})),
            ("bad-hash", "64 lower-case", hostile.cards(weights={"sources": [{"url": "a.pt"}], "sha256": "ABC"})),
            ("bad-size", "size|above 0", hostile.cards(weights={"sources": [{"url": "a.pt"}], "size": 0})),
            ("endless-field", "new.one", hostile.cards(resolution="9" * 5000)),
        ]
    ),
    Bad("registry-name-twice", "--registry bad.yaml list", "'new.one'|claimed by both", {"bad.yaml": _twice}, True),
    Bad(
        "registry-name-taken",
        "--registry bad.yaml info dcgan",
        "'dcgan.digiface64'|claimed by both|zoo itself|bad.yaml",
        {"bad.yaml": lambda path: hostile.write_cards(path, hostile.card("dcgan.digiface64", "a.pt"))},
        True,
    ),
    Bad("registry-twice", "--registry zoo.yaml --registry zoo.yaml list", "claimed by both|zoo.yaml", early=True),
    Bad(
        "registry-two-defaults",
        "--registry bad.yaml list",
        "new.one|new.two|default",
        {"bad.yaml": _two_defaults},
        True,
    ),
]

# --- where results go ------------------------------------------------------------------------------------------------

FOREIGN = {"earlier/notes.txt": hostile.text("my notes")}
OUTPUTS = [
    Bad("out-exists", "sample toy --out earlier", "earlier exists|--force|--out", early=True),
    Bad("out-exists-analyze", "analyze toy --out earlier", "earlier exists|--force|--out", early=True),
    Bad("out-exists-edit", "edit toy dirs.safetensors --out earlier", "earlier exists|--force|--out", early=True),
    Bad("out-foreign", "sample toy --out earlier --force", "'notes.txt'|--force will not|--out", FOREIGN, True),
    Bad("out-foreign-analyze", "analyze toy --out earlier --force", "'notes.txt'", FOREIGN, True),
    Bad("out-foreign-edit", "edit toy dirs.safetensors --out earlier --force", "'notes.txt'", FOREIGN, True),
    Bad("out-a-file", "sample toy --out toy.pt", "toy.pt exists", early=True),
    Bad("out-a-file-forced", "analyze toy --out toy.pt --force", "toy.pt|not a folder", early=True),
    Bad("out-under-a-file", "sample toy --out toy.pt/run", "toy.pt/run|cannot write|a part of the path is a file"),
    Bad("out-deep-under-a-file", "analyze toy --out toy.pt/a/b/run", "cannot write|a part of the path is a file"),
    Bad("out-here", "sample toy --out .", "exists|--out", early=True),
    Bad("out-here-forced", "sample toy --out . --force", "--out", early=True),
    Bad("out-empty", "sample toy --out ''", "--out", early=True),
    Bad("out-name-too-long", f"analyze toy --out {LONG}", "cannot write|the name is too long"),
    Bad("out-parent-too-long", f"analyze toy --out {LONG}/run", "cannot write|the name is too long"),
    Bad("out-under-a-device", "sample toy --out /dev/null/run", "cannot write|a part of the path is a file"),
]

TABLE = [
    *NAMES,
    *REGIONS,
    *OPTIONS,
    *CODES,
    *DIRECTIONS,
    *COMPARISONS,
    *SCORES,
    *CHECKPOINTS,
    *PICKLES,
    *WEIGHTS,
    *OTHER_FAMILIES,
    *REGISTRIES,
    *OUTPUTS,
]


# Like others: the same mistake in another command, file or number.
_RARE = """
    no-directions no-name-to-pull near-family model-in-capitals unknown-model-pulled unknown-model-of-an-architecture
    unknown-name-of-a-kind new-without-a-name new-name-with-escapes new-name-with-a-path new-folder-is-a-file
    new-folder-name-too-long check-near-adapter check-unknown-scorer near-analyzer analyzer-named-in-capitals
    near-label label-index-negative label-with-codes region-begins-with-plus box-of-five box-of-nothing box-of-words
    box-with-a-gap box-of-a-huge-integer box-starts-outside fraction-ends-outside mask-empty-file mask-large-claim
    resefa-of-all option-near option-twice option-empty option-a-fraction option-tau-negative option-tau-infinite
    option-no-directions-at-all output-empty features-missing layers-backwards layers-empty layers-monstrous
    layers-of-an-edit-empty seed-no-number seed-a-fraction samples-negative samples-of-an-edit-zero
    truncation-too-large truncation-nan unseen-negative device-that-holds-nothing device-empty index-negative
    index-empty index-weight-nan directions-after-colon-none directions-after-colon-out-of-range
    directions-second-missing grid-of-three video-empty frames-too-few frames-no-number strengths-with-a-gap
    strengths-infinite strengths-overflow codes-long-name codes-wrong-dim-array codes-of-one-axis codes-nan-array
    codes-complex codes-long-doubles codes-labels-too-few codes-of-another-space codes-no-safetensors codes-empty
    codes-card-a-list codes-card-huge-number codes-array-empty codes-array-truncated codes-array-of-text
    codes-array-of-objects codes-array-deep-header edit-seeds-words edit-seeds-backwards edit-seeds-twice
    edit-seeds-beside-samples edit-seeds-beside-seed analyze-seeds-words analyze-seeds-backwards analyze-seeds-twice
    analyze-seeds-beside-samples analyze-seeds-beside-seed directions-long-name directions-empty directions-picture
    directions-of-another-dimension directions-nan directions-complex directions-card-no-json directions-card-deep
    directions-card-space-a-list directions-card-dim-infinite directions-card-layers-text directions-card-kept-huge
    directions-array-truncated directions-array-empty directions-array-nan directions-array-archive
    directions-array-of-objects directions-array-lying-header compare-folder-without compare-another-dimension
    compare-in-another-space compare-codes-missing compare-label-without-model compare-out-under-a-file
    score-unknown-model score-near-scorer score-folder-without score-pickle score-samples-no-number
    score-seed-negative score-step-negative score-step-nan score-step-infinite score-step-no-number
    score-unknown-region score-layers score-label score-truncation score-unknown-space score-codes-missing
    score-out-under-a-file checkpoint-picture checkpoint-payload-pickle-4 checkpoint-payload-torch checkpoint-bomb
    checkpoint-pickle-cut checkpoint-very-deep checkpoint-many-values checkpoint-list checkpoint-keys-with-escapes
    checkpoint-keys-of-no-layer checkpoint-wrong-axes checkpoint-wrong-kernel checkpoint-infinite checkpoint-overflow
    checkpoint-complex checkpoint-meta checkpoint-eight-bit checkpoint-safetensors-length-monstrous
    checkpoint-safetensors-length-short checkpoint-safetensors-deep checkpoint-safetensors-shape-lie
    checkpoint-safetensors-truncated checkpoint-safetensors-nan pickle-with-source-analyze pickle-of-objects-analyze
    pickle-of-another-version-analyze pickle-truncated-analyze "pickle-with-source-add --name dcgan.bad"
    "pickle-of-objects-add --name dcgan.bad" "pickle-of-another-version-add --name dcgan.bad"
    "pickle-truncated-add --name dcgan.bad" weights-missing-pulled weights-of-another-hash-pulled
    weights-of-unknown-adapter-analyzed lod-negative fused-of-no-sense lod-beyond-a-stylegan fused-of-no-kind
    cutoff-of-a-stylegan noise-of-a-stylegan clamp-of-zero noise-seed-negative cutoff-negative
    label-of-an-unconditional-network space-of-no-network rows-beyond-the-last class-names-twice epsilon-zero
    class-beyond-the-last rows-of-one-row deep-epsilon-zero deep-space-of-no-network unknown-option
    label-of-an-unconditional-resnet pose-beyond-the-last-row space-of-no-stylegan3 w-where-there-is-none
    registry-not-text registry-models-no-list registry-card-odd-keys registry-nested-field-unknown
    registry-dim-negative registry-name-a-list registry-region-no-text registry-bad-tag registry-endless-field
    out-exists-analyze out-exists-edit out-foreign-analyze out-foreign-edit out-deep-under-a-file out-parent-too-long
"""
RARE = set(shlex.split(_RARE))
BAD = [pytest.param(bad, id=bad.id) for bad in TABLE]


@pytest.mark.parametrize("bad", mostly_long(BAD, {bad.id for bad in TABLE} - RARE))
def test_a_bad_call_prints_one_line_and_writes_nothing(
    bad: Bad, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, build in bad.make.items():
        build(home / name)
    refuse(home, bad.call, bad.words, capsys, early=bad.early)


def test_no_two_bad_calls_share_a_name() -> None:
    assert len({bad.id for bad in TABLE}) == len(TABLE)
    assert {bad.id for bad in TABLE} > RARE


# --- calls that need the surroundings changed ------------------------------------------------------------------------


@pytest.mark.parametrize("analyzer", mostly_long(["sefa", "lowrank", "nullspace", "resefa"], ("sefa", "nullspace")))
def test_finite_weights_whose_images_are_not(analyzer: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hostile.toy_but(batchNorm1__running_var=torch.full((16,), -1.0))(home / "toy.pt")
    refuse(home, f"analyze toy -a {analyzer} -r mouth", "finite", capsys)


@pytest.mark.parametrize("command", ["sample", "analyze"])
def test_a_symbolic_link_is_never_replaced(command: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "link").symlink_to("earlier")
    refuse(home, f"{command} toy --out link --force", "link|not a folder", capsys, early=True)


def test_a_dangling_link_is_refused(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (home / "link").symlink_to("nowhere")
    refuse(home, "sample toy --out link", "link exists", capsys, early=True)


@pytest.mark.parametrize(
    "command",
    ["sample toy", "analyze toy", "edit toy dirs.safetensors", "compare dirs.safetensors dirs.safetensors"],
)
def test_a_folder_that_may_not_be_written(
    command: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    refusal = Refusal(home.parent, errno.EACCES)
    refusal.install(monkeypatch)
    refusal.start(1)
    refuse(home, f"{command} --out locked/run", "cannot write locked/run|permission denied", capsys)


@pytest.mark.parametrize(
    "command",
    ["sample toy", "analyze toy", "edit toy dirs.safetensors", "compare dirs.safetensors dirs.safetensors"],
)
def test_an_earlier_folder_that_may_not_be_read(
    command: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real, before = os.scandir, snapshot(home)

    def scandir(path: Any = ".") -> Any:
        if Path(path).name == "earlier":
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    capsys.readouterr()
    assert call(f"{command} --out earlier --force") == 2
    check_line(capsys.readouterr(), "earlier|ermission denied", early=True)
    monkeypatch.undo()
    assert snapshot(home) == before


def test_a_cache_under_a_file(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("ZOO_CACHE", str(home / "toy.pt"))
    refuse(home, "pull toy.far", "cannot write|a part of the path is a file", capsys)


PULLS = [
    ("download-fails", None, "toy.far|pip could not download toy-gan==1.0|No matching distribution"),
    ("no-such-member", hostile.wheel_with(b"", "other.pt"), "holds no toy_gan/toy.pt"),
    ("other-content", hostile.wheel_with(b"other"), "gave 5 bytes|the card says"),
    ("member-too-large", hostile.wheel_with(bytes(200_000), method=zipfile.ZIP_DEFLATED), "200,000 bytes"),
    ("no-wheel-at-all", b"<html>", "neither a zip nor a tar archive"),
    ("encrypted", hostile.encrypted_wheel(), "toy-gan==1.0|cannot be read|encrypted"),
    ("strange-method", hostile.strange_method_wheel(), "toy-gan==1.0|cannot be read"),
    ("damaged", hostile.damaged_wheel(), "toy-gan==1.0|cannot be read"),
]


@pytest.mark.parametrize("command", mostly_long(["pull", "sample"], ("pull",)))
@pytest.mark.parametrize(("wheel", "words"), [pytest.param(*rest, id=name) for name, *rest in PULLS])
def test_a_fetch_that_fails(
    command: str,
    wheel: bytes | None,
    words: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    said = "WARNING: retrying\nERROR: No matching distribution found for toy-gan==1.0\n"
    monkeypatch.setattr(subprocess, "Popen", FakePip(wheel, said))
    refuse(home, f"{command} toy.far", words, capsys)


@pytest.mark.parametrize("offline", ["0", "1"])
def test_features_whose_weights_cannot_be_fetched(
    offline: str, home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise huggingface_hub.errors.LocalEntryNotFoundError("An error happened\nwhile trying to locate the file")

    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", fail)
    monkeypatch.setenv("ZOO_TIMEOUT", "0.1")
    monkeypatch.setenv("ZOO_OFFLINE", offline)
    words = "hf://timm/test_vit.r160_in1k/model.safetensors|pass it with -o features=FILE"
    refuse(home, f"analyze toy -a lowrank {NETWORK}", words, capsys)


def test_a_wheel_of_another_hash(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(subprocess, "Popen", FakePip(hostile.wheel_with((home / "toy.pt").read_bytes())))
    refuse(home, "pull toy.wheel", f"toy-gan==1.0|the archive has sha256|{hostile.ZEROS}", capsys)


def test_no_pip(home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "pip" else real(name, *rest))
    refuse(home, "pull toy.far", "toy-gan==1.0|needs pip|ensurepip", capsys)


# --- a full disk, a read-only disk, an interruption at every single write --------------------------------------------

WRITERS = [
    pytest.param("analyze toy -a sefa --show 1 --unseen 0 --npy --out earlier --force", 18, id="analyze"),
    pytest.param("sample toy --samples 2 --out deep/in/new/run", 8, id="sample-into-new-folders"),
    pytest.param("sample toy --samples 2 --out earlier --force", 6, id="sample"),
    pytest.param(
        "edit toy dirs.safetensors --samples 1 --strengths 0,1 --frames 2 --video gif --out earlier --force",
        7,
        id="edit",
    ),
    pytest.param("compare dirs.safetensors dirs.safetensors --out deep/new/run", 5, id="compare-into-new-folders"),
    pytest.param(
        "compare dirs.safetensors dirs.safetensors --model toy --top 1 --out earlier --force", 8, id="compare"
    ),
    pytest.param(
        "score toy.avatars dirs.safetensors --samples 2 --show 1 --step 1 --out earlier --force", 5, id="score"
    ),
    pytest.param("pull toy.far", 6, id="pull"),
    pytest.param("add toy.pt --name dcgan.mine", 5, id="add"),
    pytest.param("add toy.pt --name toy.far", 5, id="add-by-hand"),
]
# They strike the first write and the last, or every write, one by one. That all of them do the same at every single
# write of a file or a folder is tested in tests/_utils/test_write_faults.py.
READ_ONLY = "cannot write|the file system is read-only"
FAULTS: list[Any] = [
    pytest.param(errno.EROFS, 2, READ_ONLY, False, id="EROFS"),
    pytest.param(errno.EROFS, 2, READ_ONLY, True, id="EROFS-each", marks=pytest.mark.long),
    pytest.param(errno.ENOSPC, 2, "cannot write|the disk is full", False, id="ENOSPC"),
    pytest.param(KeyboardInterrupt, 130, "interrupted", False, id="Ctrl-C"),
]


# All commands write alike: with every test, a full disk and Ctrl-C strike one of them, and another fault all but these,
# which write into another folder than one that is struck.
STRUCK_OFTEN = "pull"
STRUCK_ELSEWHERE = ("sample", "compare", "add-by-hand")


def struck() -> list[Any]:
    """Pair commands and faults."""
    cases = []
    for writer in WRITERS:
        for fault in FAULTS:
            rare = writer.id in STRUCK_ELSEWHERE or (fault.id != "EROFS" and writer.id != STRUCK_OFTEN)
            marks = [*fault.marks, *([pytest.mark.long] if rare else [])]
            cases.append(pytest.param(*writer.values, *fault.values, id=f"{writer.id}-{fault.id}", marks=marks))
    return cases


@pytest.mark.parametrize(("command", "fewest", "fault", "expected", "words", "each"), struck())
def test_a_fault_at_any_write_leaves_everything_as_it_was(
    command: str,
    fewest: int,
    fault: int | type[BaseException],
    expected: int,
    words: str,
    each: bool,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Count the writes of a call that succeeds; then fail the first of them, the second …"""
    monkeypatch.setattr(subprocess, "Popen", FakePip(hostile.wheel_with((home / "toy.pt").read_bytes())))
    refusal = Refusal(home.parent, fault)
    faults = []
    before = snapshot(home.parent)
    code, streams = _with_fault(refusal, sys.maxsize, command, capsys)
    assert code == 0, streams
    writes = len(refusal.done)
    assert writes >= fewest
    _restore(home, before)
    for number in range(1, writes + 1) if each else (1, writes):
        code, streams = _with_fault(refusal, number, command, capsys)
        assert len(refusal.done) >= number
        point = f"{number}: {refusal.done[-1] if code else refusal.done[number - 1]}"
        note(f"{command}   # {refusal.done[number - 1]} fails", code, streams)
        faults += _faults_of(point, code, streams, expected, words)
        after = snapshot(home.parent)
        if "were saved in" in streams[1] or "what zoo wrote is in" in streams[1]:
            _restore(home, before)  # what is complete is kept
        elif after != before:
            changed = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
            faults.append(f"{point}: changed or left {changed}")
            _restore(home, before)
    assert not faults, "\n".join(faults)


def _with_fault(
    refusal: Refusal, number: int, command: str, capsys: pytest.CaptureFixture[str]
) -> tuple[int, tuple[str, str]]:
    """Make a call whose write with a given number fails: its exit code, and what it printed."""
    with pytest.MonkeyPatch.context() as patch:
        refusal.install(patch)
        refusal.start(number)
        code = call(command)
    return code, capsys.readouterr()


def _faults_of(point: str, code: int, streams: tuple[str, str], expected: int, words: str) -> list[str]:
    try:
        assert code == expected, f"exit code {code}"
        check_line(streams, words)
    except AssertionError as error:
        return [f"{point}: {str(error).splitlines()[0][:100]} (stderr: {streams[1].strip()[-300:]!r})"]
    return []


def _restore(home: Path, before: Mapping[str, str]) -> None:
    """Bring the folder back to what it was, so that the next fault is judged by itself."""
    for path in sorted(home.parent.rglob("*"), reverse=True):
        if str(path.relative_to(home.parent)) not in before:
            shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    earlier = home / "earlier"
    earlier.mkdir(exist_ok=True)
    (earlier / "samples.png").write_bytes(b"an earlier run")
    (earlier / "codes.safetensors").write_bytes(b"precious")
    write_manifest(earlier)
    assert snapshot(home.parent) == before


# --- and what must not be refused ------------------------------------------------------------------------------------

GOOD = [
    Bad("sample", "sample toy --samples 2 --out new", ""),
    Bad("sample-replaces", "sample toy --samples 2 --out earlier --force", ""),
    Bad("sample-of-a-family", "sample toy.eyes --label red --samples 2 --out new", ""),
    Bad("sample-of-codes", "sample toy --codes codes.safetensors --out new", ""),
    Bad("sample-of-an-array-of-codes", "sample toy --codes c.npy --out new", "",
        {"c.npy": hostile.array(np.zeros((2, 12)))}),
    Bad("sample-of-a-bare-file", "sample ./toy.pt --samples 1 --out new", ""),
    Bad("sample-of-an-odd-file-name", "sample './_My Net (1).pt' --samples 1 --out new", "",
        {"_My Net (1).pt": hostile.torch_file(hostile.toy_state())}),
    Bad("sample-of-a-legacy-file", "sample ./old.pt --samples 1 --out new", "",
        {"old.pt": hostile.torch_file(hostile.toy_state(), legacy=True)}),
    Bad("sample-of-safetensors", "sample ./any.bin --samples 1 --out new", "", {"any.bin": hostile.safetensors_but()}),
    Bad("sample-of-half-precision", "sample ./half.pt --samples 1 --out new", "",
        {"half.pt": hostile.torch_file(hostile.halved(hostile.toy_state()))}),
    Bad("analyze-one-pixel", "analyze toy -a nullspace -r box:0,0,1,1 --show 1 --unseen 1 --out new", ""),
    Bad("analyze-a-mask", "analyze toy -a lowrank -r mask:m.png --show 1 --unseen 0 --out new", "",
        {"m.png": hostile.picture(16, 16, 128)}),
    Bad("analyze-a-union", "analyze toy -r 'mouth + not:left' --show 1 --unseen 0 --out new", ""),
    Bad("analyze-zero-weights", "analyze ./zero.pt --show 1 --unseen 0 --out new", "",
        {"zero.pt": hostile.toy_but(convTr1__weight=torch.zeros(12, 16, 4, 4))}),
    Bad("analyze-dead-images", "analyze ./zero.pt -a sefa -r left --show 1 --unseen 0 --out new", "",
        {"zero.pt": hostile.toy_but(convTr3__weight=torch.zeros(12, 3, 4, 4))}),
    Bad("analyze-more-than-there-is", "analyze toy -o k=999 --show 999 --unseen 0 --out new", ""),
    Bad("analyze-monstrous-chunk", "analyze toy -a lowrank -r left -o chunk=99999999999999999999 --show 1 --unseen 0"
        " --out new", ""),
    Bad("edit", "edit toy dirs.safetensors --index 0,2 --samples 1 --strengths=-1,1 --out new", ""),
    Bad("edit-by-an-array", "edit toy d.npy --samples 1 --out new", "", {"d.npy": hostile.array(np.ones(12))}),
    Bad("edit-together", "edit toy dirs.safetensors:0=2,1=-.5 d.npy --together --samples 1 --frames 4 --out new", "",
        {"d.npy": hostile.array(np.ones(12))}),
    Bad("edit-a-grid", "edit toy dirs.safetensors:0,1 --grid --samples 1 --frames 4 --out new", ""),
    Bad("edit-a-file-with-a-colon", "edit toy d:0.npy:0 --samples 1 --video none --out new", "",
        {"d:0.npy": hostile.array(np.ones(12))}),
    Bad("compare", "compare dirs.safetensors dirs.safetensors", ""),
    Bad("compare-arrays-as-json", "compare d.npy dirs.safetensors --json", "", {"d.npy": hostile.array(np.ones(12))}),
    Bad("compare-in-pictures", "compare dirs.safetensors d.npy --model toy --samples 2 --out new", "",
        {"d.npy": hostile.array(np.ones((14, 12)))}),
    Bad("score", "score toy.avatars dirs.safetensors --samples 2", ""),
    Bad("score-an-array-as-json", "score toy.avatars d.npy --samples 2 --scorer avatars --step 1 --json", "",
        {"d.npy": hostile.array(np.ones(12))}),
    Bad("pull-a-path", "pull toy.plain", ""),
    Bad("nothing-at-all", "", ""),
    Bad("list", "list", ""),
    Bad("list-brackets", "list 'toy.[pe]*'", ""),
    Bad("info", "info toy.far", ""),
]  # fmt: skip


RARELY_GOOD = {"edit", "edit-by-an-array", "edit-a-grid", "analyze-a-union", "analyze-dead-images", "sample-of-codes"}


@pytest.mark.parametrize(
    "good", mostly_long([pytest.param(good, id=good.id) for good in GOOD], {good.id for good in GOOD} - RARELY_GOOD)
)
def test_a_good_call_succeeds(good: Bad, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, build in good.make.items():
        build(home / name)
    code = call(good.call)
    out, err = capsys.readouterr()
    assert code == 0, err
    assert out
    assert all(re.fullmatch(f"{LICENCE}|{ASSUMED}", line) for line in err.splitlines()), err
    if "--out new" in good.call:
        assert {"codes.safetensors"} <= {path.name for path in (home / "new").iterdir()}
    assert not [name for name in snapshot(home.parent) if "partial" in name or "PWNED" in name]


def test_the_payloads_are_live(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Anything that trusted these files would be caught: loaded with pickle, the payload does run."""
    monkeypatch.chdir(tmp_path)
    hostile.pickled(Payload())(tmp_path / "bad.pt")
    pickle.loads((tmp_path / "bad.pt").read_bytes())
    assert (tmp_path / hostile.PWNED).exists()


def test_names_do_not_hide_what_a_line_says(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`--debug` adds a traceback for those who ask, and nothing else does."""
    assert call("--debug sample zebra") == 2
    out, err = capsys.readouterr()
    assert out == "" and "Traceback" in err and err.splitlines()[-1].startswith("zoo: no model")
