"""What commands print on terminals of different kinds, in pipes and as JSON; help, global options and completion."""

from __future__ import annotations

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.registry.test_registry import CARD
from tests.support import fork_server
from tests.support.marks import mostly_long
from tests.test_startup import SLOW, loaded_by
from zoo.cli import COMMANDS, run
from zoo.cli.console import Settings
from zoo.cli.tables import print_facts, print_table
from zoo.plugins.discovery import load_plugins
from zoo.registry.registry import load_installation

ESCAPES = re.compile(r"\x1b\[[0-9;]*m")


def on_terminal(*arguments: str, columns: int = 80, **variables: Any) -> list[str]:
    """Run zoo on a terminal of so many columns, and return the lines that it printed there."""
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    environment = {name: text for name, text in os.environ.items() if name not in {"COLUMNS", "NO_COLOR", "TERM"}}
    process = subprocess.Popen(
        [fork_server.zoo(), *arguments], stdout=slave, stderr=slave, env={**environment, "TERM": "xterm", **variables}
    )
    os.close(slave)
    printed = b""
    while True:
        try:
            part = os.read(master, 65536)
        except OSError:  # Linux's sign that the other end is closed
            break
        if not part:
            break
        printed += part
    os.close(master)
    assert process.wait() == 0, printed
    return printed.decode().splitlines()


def in_pipe(*arguments: str, **variables: str) -> str:
    done = subprocess.run(
        [fork_server.zoo(), *arguments],
        env={**os.environ, **variables},
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# zoo list


@pytest.mark.parametrize("columns", mostly_long([40, 60, 80, 100, 200], (40, 100)))
def test_list_has_one_line_for_each_model(columns: int) -> None:
    names = [model["name"] for model in json.loads(in_pipe("list", "--json"))]
    heading, *lines, note = [ESCAPES.sub("", line) for line in on_terminal("list", columns=columns)]
    assert [line.split()[0] for line in lines] == names
    assert heading.startswith("model") and note.startswith("*")
    assert max(map(len, lines)) <= columns


def test_wide_cuts_nothing() -> None:
    models = json.loads(in_pipe("list", "stylegan2*", "--json"))
    lines = on_terminal("list", "stylegan2*", "--wide")
    for model, line in zip(models, lines[1:], strict=False):
        assert model["licence"]["weights"] in line and model["summary"] in line


@pytest.mark.parametrize(("variable", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_no_colours_where_none_are_wanted(variable: str, value: str) -> None:
    lines = on_terminal("list", columns=80, **{variable: value})
    assert not any(re.search(r"\x1b\[[0-9;]*3[0-7]", line) for line in lines)
    assert len(lines) < len(load_installation().registry.cards) + 12
    if variable == "TERM":
        assert not any("\x1b" in line for line in lines)


@pytest.mark.parametrize("arguments", [["list"], ["list", "--wide"], ["list", "--matrix"], ["info", "dcgan"]])
def test_pipes_get_whole_cells_without_padding(arguments: list[str]) -> None:
    printed = in_pipe(*arguments, COLUMNS="40")
    lines = printed.splitlines()
    assert len({line.count("\t") for line in lines}) == 1
    assert not any("  " in line or line.endswith(" ") or "…" in line or "\x1b" in line for line in lines)


def test_json_holds_values() -> None:
    models = {model["name"]: model for model in json.loads(in_pipe("list", "--json"))}
    stylegan2 = models["stylegan2.ffhq1024"]
    shown = {key: stylegan2[key] for key in ("default", "resolution", "space", "layers", "dim", "classes")}
    assert shown == {"default": False, "resolution": 1024, "space": "w", "layers": 18, "dim": 512, "classes": 0}
    facts = json.loads(in_pipe("info", "biggan", "--json"))
    assert facts["default"] is True and facts["classes"][3] == "micah" and facts["regions"]["eyes"].startswith("box:")
    assert facts["bytes"] > 10**6 and facts["verified"] is True and facts["obstacles"]["sefa"] is None


def test_addresses_stay_whole_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Settings, "on_terminal", property(lambda self: True))
    monkeypatch.setenv("COLUMNS", "60")
    address, words = "https://example.org/" + "long/" * 20 + "a-b.pt", "some words " * 10
    print_facts(Settings(load_plugins()), {"sources": [address, "b"], "summary": words})
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [f"sources  {address}", "         b"]
    assert len(lines) == 5 and max(map(len, lines[2:])) <= 60 and not lines[3][:9].strip()


def test_every_command_prints_json(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    folder = str(tmp_path / "mine.safetensors")
    calls: list[tuple[list[str], Callable[[Any], object]]] = [
        (["pull", "biggan"], lambda values: values[0]["name"] == "biggan.avatars32"),
        (["convert", "biggan", "-o", folder], lambda values: values["written"] == folder and values["dim"] == 80),
        (["add", folder, "--name", "biggan.mine"], lambda values: values["resolution"] == 32 and values["registry"]),
        (["remove", "biggan.mine"], lambda values: values["name"] == "biggan.mine"),
        (["new", "analyzer", "mine", str(tmp_path / "new")], lambda values: Path(values["folder"]).is_dir()),
        (["check", "card", "biggan"], lambda values: {check["passed"] for check in values["checks"]} == {True}),
    ]
    for words, shown in calls:
        assert run([*words, "--json"]) == 0
        assert shown(json.loads(capsys.readouterr().out))
    for name in COMMANDS.keys() - {"studio"}:  # which serves a page, and has no result
        assert run([name, "--help"]) == 0
        assert "--json" in capsys.readouterr().out


def test_a_table_that_is_too_wide_is_parted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """No word is broken; every part has the first column."""
    monkeypatch.setattr(Settings, "on_terminal", property(lambda self: True))
    monkeypatch.setenv("COLUMNS", "60")
    columns = ["direction", *(f"attribute_{number:02}" for number in range(9)), "suggested name"]
    print_table(
        Settings(load_plugins()), columns, [["0", *["0.25"] * 9, "a name of several words that may be wrapped"]]
    )
    lines = capsys.readouterr().out.splitlines()
    headings = [line.split() for line in lines if line.startswith("direction")]
    assert headings == [
        columns[:4],
        [columns[0], *columns[4:7]],
        [columns[0], *columns[7:10]],
        [columns[0], "suggested", "name"],
    ]
    assert max(map(len, lines)) <= 60


# sample, analyze, edit


def test_json_says_what_was_written(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    given = ["--json", "--registry", registry]
    assert run(["sample", "dcgan.mine", "--samples", "3", "--out", "s", *given]) == 0
    drawn = json.loads(capsys.readouterr().out)
    assert (drawn["model"], drawn["codes"], drawn["folder"]) == ("dcgan.mine", 3, "s")
    assert drawn["files"] == ["s/samples.png", "s/codes.safetensors"]
    assert run(["analyze", "dcgan.mine", "-a", "lowrank", "-r", "spot", "--show", "2", "--out", "a", *given]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["index"] for one in found["directions"]] == [0, 1]
    assert found["directions"][0]["score"] > found["directions"][1]["score"] > 0
    assert found["directions"][0]["own"]["value"] > 0
    assert found["record"]["command"].startswith("zoo analyze dcgan.mine")
    assert {Path(file).name for file in found["files"]} == {path.name for path in Path("a").glob("[!.]*")}
    assert run(["edit", "dcgan.mine", "a", "--samples", "1", "--video", "none", "--out", "e", *given]) == 0
    assert json.loads(capsys.readouterr().out)["files"] == ["e/sheet.png", "e/codes.safetensors"]


def test_json_is_printed_although_quiet(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["-q", "--registry", registry, "sample", "dcgan.mine", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["codes"] == 16


# Help


def test_descriptions_are_whole(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert run(["-h"]) == 0
    shown = capsys.readouterr().out
    assert "..." not in shown.replace("[ARGS]...", "").replace("FILE...", "")
    assert max(map(len, shown.splitlines())) <= 80
    words = " ".join(shown.split())
    for name in COMMANDS:
        assert re.search(rf" {name} [A-Z][^.]*\.", words), name
    assert words.index("Look things up:") < words.index("Work with a model:") < words.index("Write plugins:")


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([name, "-h"]) == 0
    short = capsys.readouterr().out
    assert run([name, "--help"]) == 0
    assert capsys.readouterr().out == short
    assert short.startswith(f"Usage: zoo {name} [OPTIONS]") and "{" not in short
    assert "Global options:" in short and "--registry FILE..." in short


def test_help_has_groups_and_says_what_repeats(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["edit", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "MODEL DIRECTIONS...\n" in shown and "-o NAME=VALUE..." in shown
    groups = re.findall(r"^(\w[\w ]*):$", shown, flags=re.MULTILINE)
    assert groups == ["Arguments", "Options", "Codes", "Network", "Output", "Global options"]


@pytest.mark.parametrize("arguments", [["--help", "-a", "nullspace"], ["--analyzer=nullspace", "stylegan2", "-h"]])
def test_help_of_analyze_lists_options_of_what_is_named(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["analyze", *arguments]) == 0
    shown = capsys.readouterr().out
    assert "Options of nullspace, written -o NAME=VALUE:" in shown and "background_energy" in shown
    assert ("noise_seed" in shown) == ("stylegan2" in arguments)


def test_help_refuses_an_analysis_that_there_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["analyze", "--help", "-a", "lowrnk"]) == 2
    assert "lowrank" in capsys.readouterr().err


# Global options


def test_global_options_are_accepted_after_the_command(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["list", "dcgan.mine", "--registry", registry]) == 0
    assert "dcgan.mine\t" in capsys.readouterr().out
    for words in (["list", "-q"], ["-q", "list"], ["list", "--quiet"], ["info", "dcgan", "-q"]):
        assert run(words) == 0
        assert capsys.readouterr().out == ""
    assert run(["info", "nothing", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err
    assert run(["list", "--version"]) == 0
    assert re.fullmatch(r"zoo \S+\n", capsys.readouterr().out)


def test_registries_before_and_after_the_command_are_both_read(registry: str, tmp_path: Path) -> None:
    other = {**CARD, "name": "dcgan.other", "weights": {"sources": [{"url": "mine.safetensors"}]}}
    (tmp_path / "other.yaml").write_text(yaml.safe_dump({"models": [other]}))
    found = in_pipe("--registry", registry, "list", "dcgan.*", "--registry", str(tmp_path / "other.yaml"))
    assert {"dcgan.mine", "dcgan.other"} <= {line.split("\t")[0] for line in found.splitlines()}


# Completion


def proposals(typed: str) -> list[str]:
    """Ask as bash does; a space at the end begins a new word."""
    words = typed.split(" ")
    asked = {"_ZOO_COMPLETE": "complete_bash", "COMP_WORDS": typed, "COMP_CWORD": str(len(words) - 1)}
    return in_pipe(**asked).split()


COMPLETIONS: list[tuple[str, list[str]]] = [
    ("zoo an", ["analyze"]),
    ("zoo analyze stylegan2.av", ["stylegan2.avatars32", "stylegan2.avatars64"]),
    ("zoo analyze biggan.av", ["biggan.avatars32", "biggan.avatars64"]),
    ("zoo analyze bigg", ["biggan-deep.imagenet128", "biggan.avatars32", "biggan", "biggan-deep"]),
    ("zoo analyze biggan -a n", ["nullspace"]),
    ("zoo analyze biggan --analyzer ", ["lowrank", "nullspace", "resefa", "sefa"]),
    ("zoo analyze biggan -r mou", ["mouth"]),
    ("zoo analyze -a sefa biggan --region mouth+ey", ["mouth+eyes"]),
    ("zoo analyze ./weights.pt -r le", ["left"]),
    ("zoo analyze -r ey", []),
    ("zoo score biggan x --scorer ", ["avatars", "text"]),
    ("zoo sample biggan --dev", ["--device"]),
    ("zoo sample biggan --device c", ["cpu", "cuda"]),
    ("zoo check analyzer se", ["sefa"]),
    ("zoo analyze stylegan2.ffhq1024 --layers coarse,25", ["coarse,256x256"]),
    ("zoo edit stylegan.ffhq1024 x --layers f", ["fine"]),
    ("zoo info adapter:stylegan3", ["adapter:stylegan3"]),
    ("zoo --registry nothing.yaml analyze ", []),
]


# One of each kind of word.
@pytest.mark.parametrize(
    ("typed", "proposed"), mostly_long(COMPLETIONS, [COMPLETIONS[index] for index in (0, 3, 4, 7, 10, 11, 14, 16)])
)
def test_completion(typed: str, proposed: list[str]) -> None:
    found = proposals(typed)
    assert set(proposed) <= set(found)
    assert len(proposed) > 2 or found == proposed


def test_completion_reads_the_users_own_cards(registry: str) -> None:
    assert proposals(f"zoo --registry {registry} sample dcgan.mi") == ["dcgan.mine"]


def test_completion_prints_no_warning(tmp_path: Path) -> None:
    """Warnings would be printed into the line that is being typed."""
    asked = {"_ZOO_COMPLETE": "complete_bash", "COMP_WORDS": "zoo lis", "COMP_CWORD": "1", "ZOO_PLUGINS": "nothing"}
    done = subprocess.run([fork_server.zoo()], env={**os.environ, **asked}, capture_output=True, check=False)
    assert done.stderr == b""


@pytest.mark.parametrize("shell", mostly_long(["bash", "zsh", "fish"], ("bash",)))
def test_completion_is_shown_for_every_shell(shell: str) -> None:
    script = in_pipe("--show-completion", shell, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert "_ZOO_COMPLETE" in script


def test_completion_imports_nothing_slow() -> None:
    code = (
        "import os\nos.environ.update(_ZOO_COMPLETE='complete_bash', COMP_WORDS='zoo analyze biggan -r mou', "
        "COMP_CWORD='4')\nfrom zoo.cli import run\ntry: run([])\nexcept SystemExit: pass"
    )
    assert not {*SLOW, "pydantic"} & set(loaded_by(code))


# Layers


@pytest.mark.long
def test_folders_are_named_after_the_layers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for layers in ("0-1", "4-7", "coarse,16x16"):
        assert run(["analyze", "stylegan2.avatars32", "--layers", layers, "--show", "1", "--unseen", "2", "-q"]) == 0
    directions = "runs/stylegan2.avatars32-sefa-all-layers-4-7"
    for chosen in ([], ["--layers", "0-1"], ["--layers", "middle"]):
        assert run(["edit", "stylegan2.avatars32", directions, *chosen, "--samples", "1", "--video", "none"]) == 0
    assert {path.name for path in Path("runs").iterdir()} == {
        "stylegan2.avatars32-sefa-all-layers-0-1",
        "stylegan2.avatars32-sefa-all-layers-4-7",
        "stylegan2.avatars32-sefa-all-layers-coarse_16x16",
        *(
            f"stylegan2.avatars32-edit-stylegan2.avatars32-sefa-all-layers-4-7{chosen}-video-none-samples-1"
            for chosen in ("", "-layers-0-1", "-layers-middle")
        ),
    }
    capsys.readouterr()
    assert run(["analyze", "stylegan2.avatars32", "--layers", "fine"]) == 2
    assert "0-7, and 4x4 (0), 8x8 (1-2), 16x16 (3-4)" in capsys.readouterr().err


def test_info_maps_rows_to_resolutions() -> None:
    lines = in_pipe("info", "stylegan.ffhq1024").splitlines()
    assert {"layers\t0-1: 4x4, coarse", "layers\t4-5: 16x16, middle", "layers\t16-17: 1024x1024, fine"} <= set(lines)
    names = json.loads(in_pipe("info", "stylegan2.ffhq1024", "--json"))["layer_names"]
    assert names["coarse"] == [0, 1, 2, 3] and names["64x64"] == [7, 8]
    assert "layers" not in in_pipe("info", "pggan")
