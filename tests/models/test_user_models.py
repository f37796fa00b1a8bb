"""Models of one's own: from a stranger's file to a name in two commands, and files that no program can fetch."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.toys import write_tiny
from zoo.cli import run
from zoo.models import user_models
from zoo.models.opening import open_card
from zoo.registry.card_files import added_folder, read_cards
from zoo.registry.plain_yaml import dump_plain_yaml
from zoo.weights.cache import sha256_of


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ZOO_CONFIG", str(tmp_path / "config"))
    monkeypatch.setenv("ZOO_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("zoo._utils.showing._shown", set())  # licences are shown once a process
    monkeypatch.chdir(tmp_path)
    write_tiny(tmp_path / "netG.safetensors")
    return tmp_path


def by_hand(home: Path, **weights: object) -> None:
    """Write a card whose file no program can fetch."""
    card = {
        "name": "dcgan.closed",
        "adapter": "dcgan",
        "summary": "Behind a form.",
        "resolution": 16,
        "space": "z",
        "dim": 12,
        "weights": {"obtain": "Ask for it at https://example.org/form", **weights},
        "licence": {"weights": "CC BY 4.0"},
    }
    (home / "config").mkdir()
    (home / "config" / "registry.yaml").write_text(yaml.safe_dump({"models": [card]}))


def test_a_file_gets_a_card_and_is_analysed_by_its_name(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    added = ["add", "netG.safetensors", "--name", "dcgan.mine", "--licence", "CC0", "--summary", "Mine."]
    assert run(added) == 0
    shown = capsys.readouterr()
    assert "dcgan.mine: dcgan, 16², z 12" in shown.out
    assert "weights: CC0" in shown.err
    [card] = read_cards(added_folder() / "dcgan.mine.yaml")
    assert card.weights.sha256 == sha256_of(home / "netG.safetensors")
    assert (card.summary, card.weights.size) == ("Mine.", (home / "netG.safetensors").stat().st_size)
    assert run(["list", "dcgan.mine", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)
    assert (row["where"], row["space"], row["licence"]["weights"]) == ("local", "z", "CC0")
    assert run(["analyze", "dcgan.mine", "--out", "run"]) == 0
    assert (home / "run" / "directions.safetensors").exists()
    capsys.readouterr()
    write_tiny(home / "netG.safetensors", seed=1)
    assert run(["analyze", "dcgan.mine", "--out", "again"]) == 2
    assert "but its card names" in capsys.readouterr().err
    assert run(["remove", "dcgan.mine"]) == 0
    assert not (added_folder() / "dcgan.mine.yaml").exists()
    assert (home / "netG.safetensors").exists()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("add netG.safetensors --name dcgan.celeba64", "another sha256 than its card names"),
        ("add netG.safetensors --name mine", "its name is dcgan. and a variant"),
        ("add netG.safetensors --name stylegan2.mine", "the file holds a dcgan"),
        ("add netG.safetensors --name dcgan.Mine", "its name is dcgan. and a variant"),
        ("add netG.safetensors --name dcgan.../../x", "its name is dcgan. and a variant"),
        ("add missing.pt --name dcgan.mine", "there is no file missing.pt"),
        ("add config --name dcgan.mine", "the folder config holds no weights file"),
        ("add note.txt --name dcgan.mine", "note.txt"),
        ("add netG.safetensors --name dcgan.mine -o nonsense=1", "nonsense"),
        ("add netG.safetensors --name dcgan.mine --summary \x1b[2J", "without control characters"),
        ("add netG.safetensors --name dcgan.mine --licence \x1b[2J", "without control characters"),
        ("convert ./netG.safetensors -o new.safetensors --licence \x1b[2J", "without control characters"),
        (f"convert ./netG.safetensors -o {'n' * 300}.safetensors", "cannot write"),
        ("add netG.safetensors", "--name"),
        ("remove dcgan.digiface64", "no model of 'zoo add'"),
        ("remove dcgan.nothing", "no model of 'zoo add'"),
        ("cache --forget dcgan.nothing", "dcgan.nothing"),
        ("pull dcgan.closed", "no program can fetch its file. Ask for it at https://example.org/form; then run"),
    ],
)
def test_bad_additions_are_one_line_and_write_nothing(
    call: str, words: str, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand(home)
    (home / "note.txt").write_text("not weights")
    before = sorted(home.rglob("*"))
    assert run(call.split()) == 2
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("zoo: ")
    assert words in error
    assert sorted(home.rglob("*")) == before


@pytest.mark.filterwarnings("always::zoo.registry.added_cards.EditedCardWarning")
def test_a_card_that_is_broken_or_in_the_way_can_be_removed(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["add", "netG.safetensors", "--name", "dcgan.mine"]) == 0
    path = added_folder() / "dcgan.mine.yaml"
    path.with_name("dcgan.celeba64.yaml").write_text(path.read_text().replace("dcgan.mine", "dcgan.celeba64"))
    path.write_text("models: [")
    assert run(["list"]) == 2
    assert run(["remove", "dcgan.mine"]) == 0
    assert run(["list"]) == 2
    assert "claimed by both" in capsys.readouterr().err
    assert run(["remove", "dcgan.celeba64"]) == 0
    assert run(["list"]) == 0


@pytest.mark.filterwarnings("always::zoo.registry.added_cards.EditedCardWarning")
def test_an_edited_card_is_never_lost(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    add = ["add", "netG.safetensors", "--name", "dcgan.mine"]
    assert run(add) == 0
    path = added_folder() / "dcgan.mine.yaml"
    assert run([*add, "--force", "--summary", "Two."]) == 0
    assert list(path.parent.iterdir()) == [path], "as it was written, nothing is kept"
    edited = path.read_text().replace("Two.", "Hours of work.")
    path.write_text(edited)
    capsys.readouterr()
    assert run([*add, "--force"]) == 0
    assert "zoo: warning: " in (said := capsys.readouterr().err) and "is kept as dcgan.mine.yaml.edited" in said
    aside = path.with_name("dcgan.mine.yaml.edited")
    assert aside.read_text() == edited
    path.write_text("# mine\n" + path.read_text())
    assert run(["remove", "dcgan.mine"]) == 0
    assert "is kept as dcgan.mine.yaml.edited-2" in capsys.readouterr().err
    assert sorted(path.parent.iterdir()) == [aside, aside.with_name("dcgan.mine.yaml.edited-2")]
    assert aside.read_text() == edited
    assert run(["list", "dcgan.mine"]) == 2, "what is kept aside is no card"


def test_odd_paths_in_cards_and_calls_are_one_line(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_hand(home, obtain=None, sources=[{"url": "n" * 300}])
    assert run(["list", "dcgan.closed"]) == 0
    assert run(["sample", "dcgan.closed"]) == 2
    write_tiny(home / "a\nb.safetensors")
    assert run(["sample", "./a\nb.safetensors", "--samples", "1", "--out", "odd"]) in {0, 2}
    assert "internal error" not in capsys.readouterr().err


def test_a_folder_whose_name_no_card_can_tell(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "a\x1b[2Jb").mkdir()
    monkeypatch.chdir(home / "a\x1b[2Jb")
    write_tiny(Path("netG.safetensors"))
    assert run(["info", "./netG.safetensors"]) == 2
    assert "a card cannot hold" in capsys.readouterr().err


def test_of_two_additions_at_once_one_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other one's card arrives while this one's file is read."""

    def late(*args: Any, **loading: Any) -> Any:
        monkeypatch.setattr(user_models, "open_card", open_card)
        assert run(["add", "netG.safetensors", "--name", "dcgan.mine", "--summary", "the first"]) == 0
        return open_card(*args, **loading)

    monkeypatch.setattr(user_models, "open_card", late)
    assert run(["add", "netG.safetensors", "--name", "dcgan.mine", "--summary", "the second"]) == 2
    assert "the first" in (added_folder() / "dcgan.mine.yaml").read_text()
    assert sorted(path.name for path in added_folder().iterdir()) == ["dcgan.mine.yaml"]


@pytest.mark.parametrize("change", [{"resolution": 32}, {"dim": 13}, {"layers": 3}])
def test_a_card_that_is_not_of_its_file_is_refused(
    change: dict[str, int], home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    by_hand(home, obtain=None, sources=[{"url": str(home / "netG.safetensors")}])
    registry = home / "config" / "registry.yaml"
    assert run(["sample", "dcgan.closed", "--samples", "1", "--out", "fits"]) == 0
    [card] = yaml.safe_load(registry.read_text())["models"]
    registry.write_text(yaml.safe_dump({"models": [{**card, **change}]}))
    assert run(["sample", "dcgan.closed", "--samples", "1", "--out", "differs"]) == 2
    assert "holds 16², z 12: mend the card" in capsys.readouterr().err
    assert not (home / "differs").exists()


def test_what_two_models_share_is_kept(home: Path) -> None:
    sha256 = sha256_of(home / "netG.safetensors")
    by_hand(home, sha256=sha256)
    registry = home / "config" / "registry.yaml"
    [card] = yaml.safe_load(registry.read_text())["models"]
    registry.write_text(dump_plain_yaml({"models": [card, {**card, "name": "dcgan.twin"}]}))
    assert run(["add", "netG.safetensors", "--name", "dcgan.closed"]) == 0
    assert run(["cache", "--forget", "dcgan.closed"]) == 0
    assert len(list((home / "cache" / "weights" / sha256).iterdir())) == 1
    registry.write_text(yaml.safe_dump({"models": [card]}))
    assert run(["cache", "--forget", "dcgan.closed"]) == 0
    assert not (home / "cache" / "weights" / sha256).exists()


def test_a_name_twice_needs_force(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["add", "netG.safetensors", "--name", "dcgan.mine"]) == 0
    assert run(["add", "netG.safetensors", "--name", "dcgan.mine"]) == 2
    assert "pass --force" in capsys.readouterr().err
    assert run(["add", "netG.safetensors", "--name", "dcgan.mine", "--force", "--summary", "Again."]) == 0
    assert read_cards(added_folder() / "dcgan.mine.yaml")[0].summary == "Again."


@pytest.mark.parametrize("pinned", [True, False])
def test_a_file_got_by_hand_serves_its_card(pinned: bool, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_hand(home, **({"sha256": sha256_of(home / "netG.safetensors")} if pinned else {}))
    assert run(["list", "dcgan.closed", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["where"] == "by hand"
    assert run(["add", "netG.safetensors", "--name", "dcgan.closed"]) == 0
    assert "CC BY 4.0" in capsys.readouterr().err
    (home / "netG.safetensors").unlink()
    assert run(["sample", "dcgan.closed", "--out", "drawn"]) == 0
    write_tiny(home / "other.safetensors", seed=1)
    assert run(["add", "other.safetensors", "--name", "dcgan.closed"]) == 2
    assert ("than its card names" if pinned else "the one remembered is") in capsys.readouterr().err
    assert run(["cache", "--json"]) == 0
    [row] = json.loads(capsys.readouterr().out)["files"]
    assert (row["models"], row["state"]) == (["dcgan.closed"], "not checked")


def test_a_file_of_another_layout_is_not_trusted(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_hand(home)
    (home / "other.safetensors").write_bytes(b"\x02\0\0\0\0\0\0\0{}")
    assert run(["add", "other.safetensors", "--name", "dcgan.closed"]) == 2
    assert not (home / "config" / "trusted.json").exists()
    assert not (home / "cache").exists()


def test_the_cache_is_listed_and_cleaned(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["cache"]) == 0
    assert "nothing in" in capsys.readouterr().out
    cache = home / "cache"
    for path in (
        f"weights/{hashlib.sha256(b'x').hexdigest()}/stray.pt",
        f"incoming/dcgan.gone-{'0123' * 4}/0123abcd/part",
        f"incoming/dcgan.old-{'4567' * 4}.lock",
    ):
        (cache / path).parent.mkdir(parents=True, exist_ok=True)
        (cache / path).write_bytes(b"x")
    assert run(["cache", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert [(row["models"], row["bytes"], row["state"]) for row in rows["files"]] == [
        ([], 1, "not checked"),
        (["dcgan.gone"], None, "unfinished"),
        (["dcgan.old"], None, "unfinished"),
    ]
    (cache / "weights" / ("1" * 64)).mkdir()
    (cache / "weights" / ("1" * 64) / "dangling").symlink_to("nowhere")
    own = [
        cache / "weights" / "run1" / "best.pt",
        cache / "weights" / ("2" * 64) / "best.pt",
        cache / "incoming" / "thesis.tex",
        cache / "incoming" / f"dcgan.mine-{'89ab' * 4}" / "notes.txt",
        cache / "weights" / ("1" * 64) / ".best.pt.backup.partial" / "best.pt",
        cache / "jacobians" / "figures" / "a.csv",
        cache / "jacobians" / ("3" * 40) / "a.csv",
    ]
    for file in own:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("precious")
    assert run(["cache", "--clean", "--drop-jacobians"]) == 0
    assert run(["cache", "--clean", "--json"]) == 0
    assert sorted(path for path in cache.rglob("*") if path.is_file()) == sorted(own)


@pytest.mark.parametrize("content", ["{", "[]", '{"https://a/b": 3}', '{"https://a/b": {"sha256": "short"}}', "\udcff"])
def test_a_damaged_file_of_hashes_is_named(content: str, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    by_hand(home)
    (home / "config" / "trusted.json").write_text(content, errors="surrogateescape")
    assert run(["pull", "dcgan.closed"]) == 2
    assert "trusted.json is damaged" in capsys.readouterr().err
