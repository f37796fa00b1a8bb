"""Directions that travel: pushed, found and fetched on a Hub on this machine, whatever fails on the way."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml

import zoo
from tests.support import fork_server
from tests.support.hub import STEPS, TOKEN, LocalHub
from tests.support.marks import mostly_long
from zoo import Directions, DirectionsError, LatentSpace, OptionError
from zoo.cli import run
from zoo.core.files.hub_address import parse_hub_address, parse_repository
from zoo.editing.fit import OtherModelWarning
from zoo.hub.terms import choose_licence, objection

REPO = "owner/open-mouth"
MODEL = "stylegan2.avatars32"
SHA256 = "1f241c24ff84144559b51f15a1b3ba163192e7d6b5a1ec829842602b70b34f2d"
SPACE = LatentSpace("w", 64, 8)


def made(**record: Any) -> Directions:
    rows = torch.eye(3, 64, dtype=torch.float64)
    known = {"model": MODEL, "weights_sha256": SHA256, "analyzer": "nullspace", "region": "mouth"}
    return Directions(
        SPACE,
        rows,
        torch.tensor([3.0, 2.0, 1.0]),
        provenance={**known, "licence": "weights: CC BY 4.0; data: drawings", **record},
        given_names=("open | mouth", "", ""),
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A run folder, as far as pushing reads it; its command names a folder of this machine."""
    place = tmp_path / "run"
    place.mkdir()
    command = "zoo analyze /home/somebody/secret/w.pt --codes=/home/somebody/c.npy"
    made(command=command).save(place / "directions.safetensors")
    (place / "sheet.png").write_bytes(b"\x89PNG a picture")
    (place / "report.html").write_text(f"<p>{command}</p>", encoding="utf-8")
    (place / "codes.safetensors").write_bytes(b"stay here")
    return place


def test_pushed_found_and_edited(
    hub: LocalHub, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert run(["push", str(folder), REPO]) == 0
    out, err = capsys.readouterr()
    assert "library_name: latent-zoo" in out and f"zoo edit {MODEL} hf://{REPO}:0" in out
    assert "creating owner/open-mouth" in err and TOKEN not in out + err
    files = hub.repositories[REPO].files
    assert set(files) == {".gitattributes", "README.md", "directions.safetensors", "sheet.png", "report.html"}
    assert not any(b"somebody" in content for content in files.values())
    card = yaml.safe_load(files["README.md"].decode().split("---\n")[1])
    assert (card["license"], card["tags"][-1]) == ("cc-by-4.0", f"latent-zoo:{MODEL}")

    hub.add("other/model", {"README.md": b"---\nlibrary_name: timm\n---\n"})
    assert run(["search-directions", "--model", MODEL, "--json"]) == 0
    [found] = json.loads(capsys.readouterr().out)
    assert found["address"] == f"hf://{REPO}" and found["same_weights"] is True
    assert found["names"] == ["open | mouth"] and found["directions"] == 3

    address = f"hf://{REPO}@main:open | mouth"
    assert run(["edit", MODEL, address, "--samples", "1", "--strengths=0,1", "--video", "none"]) == 0
    [sheet] = tmp_path.glob("runs/*-edit-owner-open-mouth*/sheet.png")
    assert sheet.stat().st_size
    loaded = Directions.load(f"hf://{REPO}")
    assert torch.equal(loaded.vectors, made().vectors)
    assert loaded.provenance["fetched_from"] == f"hf://{REPO}@{hub.repositories[REPO].head}"


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("fault", mostly_long([500, 403, "drop", "garbage", "lost"], ("lost",)))
def test_nothing_is_half_published_without_a_word(
    hub: LocalHub, folder: Path, step: str, fault: int | str, capsys: pytest.CaptureFixture[str]
) -> None:
    hub.faults[step] = fault
    code = run(["push", str(folder), REPO])
    said = capsys.readouterr().err.splitlines()[-1]
    assert TOKEN not in said
    there = hub.repositories.get(REPO)
    published = there is not None and "README.md" in there.files
    if code == 0:  # what went wrong had been done, or was only a second look
        assert published
        return
    assert code == 2 and said.startswith("zoo: cannot ")
    assert published == ("they were published" in said)
    if there is not None and not published and step != "create":
        assert f"{REPO} was created and is empty: push again" in said
    del hub.faults[step]
    if not published:
        assert run(["push", str(folder), REPO]) == 0
        assert "README.md" in hub.repositories[REPO].files


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
@pytest.mark.parametrize("step", mostly_long(["upload", "commit"], ("commit",)))
def test_a_killed_push_leaves_word(
    hub: LocalHub, folder: Path, tmp_path: Path, step: str, sent: signal.Signals
) -> None:
    hub.faults[step] = "silent"
    own = {"HF_ENDPOINT": hub.endpoint, "HF_TOKEN": TOKEN, "ZOO_CONFIG": str(tmp_path / "config"), "ZOO_TIMEOUT": "60"}
    command = [fork_server.python(), "-m", "zoo", "push", str(folder), REPO]
    with subprocess.Popen(
        command, env={**os.environ, **own}, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    ) as process:
        assert hub.reached.wait(60)
        process.send_signal(sent)
        said = process.communicate(timeout=60)[1].splitlines()
    assert (
        said[0] == f"creating {REPO}" and f"sending 4 files, 0.0 MB; {hub.endpoint}/{REPO} shows them once" in said[1]
    )
    if sent is signal.SIGTERM:
        assert f"without directions there, {REPO} was created and is empty" in said[2]
    assert set(hub.repositories[REPO].files) == {".gitattributes"}
    hub.faults.clear()
    assert run(["push", str(folder), REPO, "--quiet"]) == 0


def test_what_is_there_is_not_replaced(hub: LocalHub, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    hub.add("owner/model", {"README.md": b"---\nlibrary_name: timm\n---\n", "w.safetensors": b"w"})
    assert run(["push", str(folder), "owner/model", "--force"]) == 2
    assert "holds something that zoo did not push" in capsys.readouterr().err
    assert run(["push", str(folder), REPO]) == 0
    assert run(["push", str(folder), REPO]) == 2
    assert "--force adds a new version; nothing was published" in capsys.readouterr().err
    assert len(hub.repositories[REPO].commits) == 2
    made(region="eyes").save(folder / "directions.safetensors")
    assert run(["push", str(folder), REPO, "--force", "--licence", "cc0-1.0"]) == 0
    assert len(hub.repositories[REPO].commits) == 3


def test_shown_and_not_sent(hub: LocalHub, folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["push", str(folder), REPO, "--dry-run", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["pushed"] is None and "## Licences" in shown["card"] and "open \\| mouth" in shown["card"]
    assert not hub.asked


def test_the_card_names_a_space_that_has_to_be_asked_for(
    hub: LocalHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    styles = Directions(LatentSpace("s", 1024), torch.eye(2, 1024).double(), torch.ones(2), provenance={"model": MODEL})
    styles.save(tmp_path / "s.safetensors")
    assert run(["push", str(tmp_path / "s.safetensors"), REPO, "--dry-run"]) == 0
    assert f"zoo edit {MODEL} hf://{REPO}:0 --space s\n" in capsys.readouterr().out
    assert run(["edit", MODEL, str(tmp_path / "s.safetensors"), "--out", str(tmp_path / "run")]) == 2
    assert "are in w (8 x 64); if the model has this space, pass --space s" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variable", "words"), [("HF_TOKEN", "run 'hf auth login'"), ("ZOO_OFFLINE", "forbids to ask the Hub")]
)
def test_without_token_or_network(
    hub: LocalHub,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    variable: str,
    words: str,
) -> None:
    monkeypatch.setenv(variable, "" if variable == "HF_TOKEN" else "1")
    monkeypatch.setattr("huggingface_hub.get_token", lambda: None if variable == "HF_TOKEN" else TOKEN)
    assert run(["push", str(folder), REPO]) == 2
    assert words in capsys.readouterr().err.splitlines()[-1]
    assert not hub.asked


@pytest.mark.parametrize(
    ("weights", "licence", "words"),
    [
        ("CC BY 4.0", "mit", None),
        ("MIT, as the wheel is labelled", None, None),
        ("NVIDIA Source Code License: research and evaluation only, non-commercial", None, None),
        ("NVIDIA Source Code License: research and evaluation only, non-commercial", "mit", "non-commercial"),
        ("CC BY-NC 4.0", "cc-by-4.0", "non-commercial"),
        ("CC BY-NC 4.0", "cc-by-nc-sa-4.0", None),
        ("CC BY-SA 4.0", "mit", "same terms"),
        ("CC BY-NC-ND 4.0", None, "forbid to share"),
        ("own terms: no redistribution", None, "forbid to share"),
        ("not stated; StudioGAN's code is MIT", None, "not stated"),
        ("none stated: all rights reserved", "mit", "not stated"),
        ("unknown: ask whoever gave you the file", None, "not stated"),
    ],
)
def test_terms(weights: str, licence: str | None, words: str | None) -> None:
    found = objection(weights, choose_licence(licence, weights))
    assert found is None if words is None else words in (found or "")


def test_what_the_terms_forbid_goes_only_when_told(
    hub: LocalHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "d.safetensors"
    made(licence="weights: not stated; data: CelebA").save(file)
    assert run(["push", str(file), REPO]) == 2
    assert '"not stated": they are not stated, so that nothing is permitted' in capsys.readouterr().err
    assert not hub.asked
    assert run(["push", str(file), REPO, "--despite-terms", "--quiet"]) == 0
    assert b"license: other" in hub.repositories[REPO].files["README.md"]


def test_an_array_needs_its_model(hub: LocalHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    import numpy as np

    np.save(tmp_path / "a.npy", np.ones((2, 64), dtype=np.float32))
    assert run(["push", str(tmp_path / "a.npy"), REPO]) == 2
    assert "pass --model" in capsys.readouterr().err
    assert run(["push", str(tmp_path / "a.npy"), REPO, "--model", "stylegan2.avatars32"]) == 0
    assert Directions.load(f"hf://{REPO}").space == SPACE


def test_a_set_is_fetched_once_and_serves_offline(
    hub: LocalHub, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made().save(tmp_path / "d.safetensors")
    first = hub.add(REPO, {"directions.safetensors": (tmp_path / "d.safetensors").read_bytes()}).head
    Directions.load(f"hf://{REPO}")
    before = len(hub.asked)
    Directions.load(f"hf://{REPO}@{first}")
    assert len(hub.asked) == before
    made(region="eyes").save(tmp_path / "d.safetensors")
    hub.repositories[REPO].commit({"directions.safetensors": (tmp_path / "d.safetensors").read_bytes()})
    monkeypatch.setenv("ZOO_OFFLINE", "1")
    assert Directions.load(f"hf://{REPO}").provenance["region"] == "mouth"
    with pytest.raises(DirectionsError, match="hf://owner/other: not in the cache, and ZOO_OFFLINE"):
        Directions.load("hf://owner/other")
    monkeypatch.delenv("ZOO_OFFLINE")
    assert Directions.load(f"hf://{REPO}").provenance["region"] == "eyes"
    assert Directions.load(f"hf://{REPO}@{first}").provenance["region"] == "mouth"


@pytest.mark.parametrize(
    ("files", "address", "words"),
    [
        (None, f"hf://{REPO}", "there is no such repository, or it is private"),
        ({"w.bin": b"w"}, f"hf://{REPO}", "the Hub answered 404 Entry not found"),
        ({"directions.safetensors": b"w"}, f"hf://{REPO}@v2", "the Hub answered 404 Revision not found"),
        ({"directions.safetensors": b"\x80\x04."}, f"hf://{REPO}", "is no set of directions that zoo wrote"),
        (None, "hf://owner", "write directions on the Hub as hf://owner/name"),
        (None, "hf://owner/../x", "write directions on the Hub as hf://owner/name"),
        (None, "hf://owner/name@..", "write directions on the Hub as hf://owner/name"),
    ],
)
def test_what_is_no_set(hub: LocalHub, files: dict[str, bytes] | None, address: str, words: str) -> None:
    if files is not None:
        hub.add(REPO, files)
    with pytest.raises(DirectionsError, match=words) as caught:
        Directions.load(address)
    assert "cache" not in str(caught.value)


def test_other_weights_warn_and_another_space_is_refused(hub: LocalHub, tmp_path: Path) -> None:
    made(weights_sha256="0" * 64).save(tmp_path / "d.safetensors")
    hub.add(REPO, {"directions.safetensors": (tmp_path / "d.safetensors").read_bytes()})
    model = zoo.load("stylegan2.avatars32", device="cpu")
    with pytest.warns(OtherModelWarning, match="from other weights than those of stylegan2.avatars32"):
        zoo.edit(model, f"hf://{REPO}", samples=1, strengths=[0])
    with pytest.warns(OtherModelWarning, match="from other weights than those of stylegan2.avatars32"):
        found = zoo.analyze(model, "nullspace", region="mouth", directions=f"hf://{REPO}", show=1, unseen=0)
    assert found.provenance["foreground"] == f"hf://{REPO}@{hub.repositories[REPO].head}"
    with pytest.raises(DirectionsError, match=f"hf://{REPO}@.* holds directions of w"):
        Directions.load(f"hf://{REPO}", space=LatentSpace("z", 80))


def test_what_was_fetched_is_listed_and_forgotten(
    hub: LocalHub, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made().save(tmp_path / "d.safetensors")
    commit = hub.add(REPO, {"directions.safetensors": (tmp_path / "d.safetensors").read_bytes()}).head
    Directions.load(f"hf://{REPO}")
    file = tmp_path / "cache/directions/owner--open-mouth" / commit / "directions.safetensors"
    (tmp_path / "cache/directions/owner--open-mouth/notes").mkdir()  # somebody's own
    assert run(["cache"]) == 0
    told = capsys.readouterr().out.split()
    assert told == ["directions", "size", "file", f"hf://{REPO}@{commit}", "0.0", "MiB", str(file)]
    assert run(["cache", "--json"]) == 0
    [listed] = json.loads(capsys.readouterr().out)["directions"]
    assert listed == {"address": f"hf://{REPO}@{commit}", "bytes": file.stat().st_size, "file": str(file)}
    assert run(["cache", "--forget", f"hf://{REPO}@{'0' * 40}"]) == 2
    assert f"hf://{REPO}@{'0' * 40} is not in the cache" in capsys.readouterr().err and file.is_file()
    assert run(["cache", "--forget", f"hf://{REPO}"]) == 0
    assert f"removed {file}" in capsys.readouterr().out and not file.exists()


def test_cells_of_a_sweep_are_named_after_what_an_address_holds(
    hub: LocalHub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def name(address: str) -> str:
        analyzer = f"{{name: nullspace, options: {{directions: '{address}'}}}}"
        Path("s.yaml").write_text(f"{{models: {MODEL}, analyzers: {analyzer}, regions: mouth, unseen: 0}}")
        assert run(["sweep", "s.yaml", "--dry-run", "--json"]) == 0
        return str(json.loads(capsys.readouterr().out)["cells"][0]["cell"])

    made().save(tmp_path / "d.safetensors")
    repository = hub.add(REPO, {"directions.safetensors": (tmp_path / "d.safetensors").read_bytes()})
    first = name(f"hf://{REPO}")
    assert name(f"hf://{REPO}") == first
    made(region="eyes").save(tmp_path / "d.safetensors")
    repository.commit({"directions.safetensors": (tmp_path / "d.safetensors").read_bytes()})
    assert name(f"hf://{REPO}") != first
    Path("s.yaml").write_text(Path("s.yaml").read_text().replace(REPO, "owner/nothing"))
    assert run(["sweep", "s.yaml", "--dry-run"]) == 2
    assert "hf://owner/nothing: the Hub answered" in capsys.readouterr().err


def test_names_are_given_before_pushing(hub: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["name", f"hf://{REPO}", "0", "smile"]) == 2
    assert "lies on the Hub: name its directions in a run folder or file, and push that" in capsys.readouterr().err


def test_strange_cards_are_listed_as_far_as_they_make_sense(hub: LocalHub, capsys: pytest.CaptureFixture[str]) -> None:
    card = {
        "library_name": "latent-zoo",
        "tags": ["latent-zoo"],
        "latent_zoo": {"names": [1, "\x1b[31mred"], "model": 7},
    }
    hub.add(REPO, {"README.md": f"---\n{yaml.safe_dump(card)}---\n".encode()})
    hub.add("owner/bare", {"README.md": b"---\ntags: [latent-zoo]\nlatent_zoo: 3\n---\n"})
    assert run(["search-directions"]) == 0
    out = capsys.readouterr().out
    assert "?[31mred" in out and "\x1b" not in out and "hf://owner/bare" in out
    assert run(["search-directions", "--model", "nothing"]) == 2


@pytest.mark.parametrize(
    "command", ["name hf://owner/x 1 smile", "push hf://owner/x owner/y", "compare hf://owner/x hf://owner/y --rank"]
)
def test_commands_of_files_of_this_machine_name_the_address(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command.split()) == 2
    assert "zoo: hf://owner/x " in capsys.readouterr().err


def test_addresses() -> None:
    for text in ("hf://owner/name@refs/pr/1", Path("hf://owner/name@refs/pr/1")):
        assert str(parse_hub_address(text)) == "hf://owner/name@refs/pr/1"
    assert parse_repository("hf://owner/name") == parse_repository("owner/name") == "owner/name"
    with pytest.raises(DirectionsError, match="leave @v1 out"):
        parse_repository("owner/name@v1")
    with pytest.raises(OptionError, match="--licence CC BY"):
        choose_licence("CC BY", "MIT")
