"""Sweeps of small networks: checked whole, carried out once, resumed, and written down in one table."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import pytest
import torch

from tests.support.golden import Golden
from tests.support.toys import write_avatars_card
from zoo.cli import run
from zoo.scoring import chance
from zoo.sweep.folder import SweepFolder
from zoo.sweep.places import place_at
from zoo.sweep.status import progress_line

OUT = Path("runs/sweep-s")

pytestmark = pytest.mark.usefixtures("here")


def sweep(registry: str, *arguments: str) -> int:
    return run(["--registry", registry, "sweep", "s.yaml", *arguments])


def content(folder: Path) -> dict[str, bytes]:
    """Read what has to be the same however cells are computed."""
    files = [*folder.glob("cells/*/*"), folder / "table.csv", folder / "plan.json"]
    return {str(file.relative_to(folder)): file.read_bytes() for file in files}


def rows(folder: Path = OUT) -> list[dict[str, str]]:
    with (folder / "table.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_what_is_missing_is_computed_and_shards_give_the_same_bytes(
    registry: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert sweep(registry) == 0
    assert capsys.readouterr().out.split() == ["cells", "6", "finished", "6", "missing", "0", "failed", "0"]
    whole = content(OUT)
    assert {path.name for path in OUT.glob("cells/*/*")} >= {"directions.safetensors", "report.html", "sheet.png"}
    table = rows()
    assert [row["model"] for row in table] == ["dcgan.mine"] * 3 + ["dcgan.other"] * 3
    assert table[2]["analyzer"] == "lowrank" and table[2]["options"] == "k=2" and table[2]["region"] == "spot"
    assert all(Path(OUT, row["report"]).is_file() for row in table)
    assert float(table[0]["locality_unseen_low"]) <= float(table[0]["locality_unseen"])
    assert table[1]["region"] == "all" and not table[1]["locality_own"]
    with (OUT / "costs.csv").open(newline="") as file:
        assert all(float(row["seconds"]) > 0 and int(row["peak_bytes"]) > 0 for row in csv.DictReader(file))

    lost = table[5]["cell"]
    shutil.rmtree(OUT / "cells" / lost)
    kept = OUT / "cells" / table[0]["cell"]
    before = kept.stat().st_mtime_ns
    assert sweep(registry) == 0
    assert content(OUT) == whole and kept.stat().st_mtime_ns == before

    for shard in ("2/2", "1/2"):
        assert not Path("b/table.csv").exists()
        assert sweep(registry, "--shard", shard, "--out", "b") == 0
    assert content(Path("b")) == whole


def test_cells_are_named_after_what_they_depend_on(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    def names(text: str) -> list[str]:
        Path("s.yaml").write_text(text)
        assert sweep(registry, "--dry-run", "--json") == 0
        return [cell["cell"] for cell in json.loads(capsys.readouterr().out)["cells"]]

    text = "{models: dcgan.mine, analyzers: sefa, regions: spot}"
    [name] = names(text)
    same = ("{models: dcgan.mine, analyzers: {name: sefa, options: {normalize: true}}, regions: spot, samples: 1}",)
    assert [names(one) for one in same] == [[name]]
    others = ("seeds: 1", "samples: 2", "unseen: 1", "dtype: float64", "threads: 2", "layers: 0", "truncations: 0.5")
    changed = [names(f"{text[:-1]}, {one}}}")[0] for one in others]
    Path("dcgan.mine.safetensors").write_bytes(Path("dcgan.other.safetensors").read_bytes())
    assert len({name, *changed, *names(text)}) == 2 + len(others)
    assert names("{models: [dcgan.mine, dcgan.mine], analyzers: sefa}") == names(
        "{models: dcgan.mine, analyzers: sefa}"
    )


def test_words_name_directions_and_are_part_of_what_a_cell_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(chance, "RANDOM_DIRECTIONS", 4)
    registry, words = write_avatars_card(tmp_path), Path("w.txt")

    def names(text: str) -> list[str]:
        Path("s.yaml").write_text(text)
        assert sweep(registry, "--dry-run", "--json") == 0
        return [cell["cell"] for cell in json.loads(capsys.readouterr().out)["cells"]]

    cells = "models: dcgan.avatars, analyzers: sefa, show: 1, unseen: 2"
    text = f"{{{cells}, scorer: {{name: text, options: {{words: w.txt}}}}}}"
    words.write_text("red hair / blue hair")
    before = names(text)
    words.write_text("smile: a smiling face / a serious face")
    assert len({*before, *names(text), *names(f"{{{cells}}}"), *names(f"{{{cells}, scorer: avatars}}")}) == 4
    lists = ["analyze", "dcgan.avatars", "-a", "sefa", "--seed", "0,1", "--show", "1", "--unseen", "2"]
    assert run(["--registry", registry, *lists, "--words", "w.txt"]) == 0
    reports = list(Path("runs").glob("sweep-*/cells/*/report.html"))
    assert len(reports) == 2
    assert all("smile" in report.read_text() and "hair" not in report.read_text() for report in reports)
    Path("s.yaml").write_text(f"{{{cells}, scorer: nobody}}")
    assert sweep(registry, "--dry-run") == 2
    assert "no scorer is called 'nobody'" in capsys.readouterr().err


def test_a_dry_run_lists_cells_and_writes_nothing(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(registry, "--dry-run", "--shard", "1/3") == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split("\t")[1:] for line in lines[:-1]] == [
        ["what", "state"],
        ["dcgan.mine sefa spot seed 1", "missing"],
        ["dcgan.other sefa spot seed 1", "missing"],
    ]
    assert lines[-1].startswith("2 cells; 2 to compute: about ") and "how long an image takes" in lines[-1]
    assert not Path("runs").exists()


def test_a_file_whose_space_lacks_what_an_analysis_needs_is_a_wrong_cell(
    registry: str, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.save(Golden.read("stylegan2").state, "mine.pth")
    Path("s.yaml").write_text("{models: {name: ./mine.pth, space: z}, analyzers: [sefa, lowrank]}")
    assert sweep(registry, "--dry-run") == 2
    wrong = capsys.readouterr().err.splitlines()
    assert wrong[-2].endswith("sefa needs projection, which stylegan2 does not provide in z")
    assert wrong[-1] == "zoo: s.yaml: 1 of 2 cells are wrong, and nothing was run"


def test_every_wrong_cell_is_named_and_nothing_is_run(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    text = "{models: [dcgan.mine, dcgan.nobody], analyzers: [sefa, nullspace], regions: [spot, all]}"
    Path("s.yaml").write_text(text)
    assert sweep(registry) == 2
    wrong = capsys.readouterr().err.splitlines()
    assert [line.split(": ")[1] for line in wrong[:-1]] == [
        "dcgan.mine nullspace all",
        *(
            "dcgan.nobody sefa spot",
            "dcgan.nobody sefa all",
            "dcgan.nobody nullspace spot",
            "dcgan.nobody nullspace all",
        ),
    ]
    assert "pass --region" in wrong[0] and "no model is called" in wrong[1]
    assert wrong[-1] == "zoo: s.yaml: 5 of 8 cells are wrong, and nothing was run"

    Path("s.yaml").write_text(
        "{models: dcgan.mine, analyzers: [sefa, lowrank], layers: [all, 0-3], labels: [null, cat], truncations: 1}"
    )
    assert sweep(registry, "--dry-run") == 2
    wrong = [line.removeprefix("zoo: dcgan.mine ") for line in capsys.readouterr().err.splitlines() if "mine" in line]
    assert sum("label cat" in line for line in wrong) == 4 and sum("layers 0-3" in line for line in wrong) == 4
    assert not Path("runs").exists()


def test_a_failed_cell_is_recorded_and_stops_no_other(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    Path("good.npy").write_bytes(b"no array")
    Path("s.yaml").write_text(
        "{models: dcgan.mine, regions: spot, show: 1, unseen: 0, "
        "analyzers: [{name: nullspace, options: {directions: good.npy}}, sefa]}"
    )
    assert sweep(registry) == 2
    out, err = capsys.readouterr()
    assert out.split() == ["cells", "2", "finished", "1", "missing", "0", "failed", "1", *out.split()[8:]]
    assert (
        "failed: dcgan.mine nullspace directions=good.npy spot: " in err and "1 cell failed: 'zoo sweep s.yaml" in err
    )
    assert len(rows()) == 1
    assert sweep(registry) == 2  # it is not tried again unasked
    assert "failed: dcgan" not in capsys.readouterr().err
    assert sweep(registry, "--status", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["cells"], told["finished"], told["missing"], told["changed"]) == (2, 1, 0, False)
    assert list(told["failed"]) == ["dcgan.mine nullspace directions=good.npy spot"]
    assert sweep(registry, "--retry-failed") == 2
    assert "failed: dcgan" in capsys.readouterr().err


def test_the_page_opens_the_reports(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(registry, "--report") == 2
    assert "run 'zoo sweep FILE' first" in capsys.readouterr().err
    Path("s.yaml").write_text("{models: dcgan.mine, analyzers: sefa, regions: [spot, all], show: 1, unseen: 0}")
    assert sweep(registry) == 0
    capsys.readouterr()
    assert sweep(registry, "--report") == 0
    assert capsys.readouterr().out == f"{OUT}/report.html\n"
    page = (OUT / "report.html").read_text()
    assert f'<a href="cells/{rows()[0]["cell"]}/report.html#direction-0">0</a>' in page
    assert "2 directions of 2 analyses." in page and '<option value="region">' in page
    assert "All of them: model dcgan.mine, analyzer sefa, seed 0, samples 1." in page.split("<main")[0]


def test_a_log_tells_how_far_the_work_is(
    registry: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zoo.sweep.watch._EVERY", 0)
    monkeypatch.setattr("zoo.sweep.watch._LOG_EVERY", 0)
    Path("s.yaml").write_text("{models: dcgan.mine, analyzers: sefa, regions: [spot, all], show: 1, unseen: 0}")
    assert sweep(registry) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if " of 2 cells" in line]
    assert re.fullmatch(r"zoo: 1 of 2 cells, about .* left; \S+ cells a minute by 1 process", lines[1])
    workers = {"1": {"cell": None, "finished": 2}, "2": {"cell": "a", "finished": 1}}
    state = {"seconds": 60, "done": 3, "failed": 1, "again": 0, "total": 9, "left": None, "workers": workers}
    assert progress_line(state) == "4 of 9 cells, 1 failed; 4 cells a minute by 2 processes, 1 to 2 each"


def test_status_tells_what_runs_elsewhere(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert sweep(registry, "--status") == 2
    assert "runs/sweep-s is not the folder of a sweep that was started" in capsys.readouterr().err
    assert sweep(registry, "--shard", "1/6") == 0
    state = {"shard": "2/12", "seconds": 60, "done": 1, "failed": 0, "again": 2, "total": 3, "left": 100.0}
    SweepFolder(place_at(OUT)).say("node7-12", {**state, "workers": {"13": {"cell": "a b", "since": 0, "finished": 1}}})
    Path("s.yaml").write_text(Path("s.yaml").read_text() + "\n")
    capsys.readouterr()
    assert sweep(registry, "--status") == 0
    out = capsys.readouterr().out
    assert "missing\t5" in out and "node7-12, shard 2/12: 1 of 3 cells, 2 begun again, about 1 min 40 s left" in out
    assert "process 13: 1 cells a minute; a b, for " in out and "the file has changed since" in out


def test_a_sweep_in_an_object_store_has_the_same_bytes(registry: str, capsys: pytest.CaptureFixture[str]) -> None:
    import fsspec

    Path("s.yaml").write_text("{models: dcgan.mine, analyzers: sefa, regions: [spot, all], show: 1, unseen: 0}")
    store, url = fsspec.filesystem("memory"), "memory://bucket/sweep"
    store.store.clear()
    assert sweep(registry) == sweep(registry, "--out", url) == 0
    kept = {name.removeprefix("/bucket/sweep/"): store.cat(name) for name in store.find("/bucket")}
    assert content(OUT).items() <= kept.items()
    assert len([name for name in kept if name.startswith("costs/")]) == 2
    store.rm(f"/bucket/sweep/costs/{rows()[0]['cell']}.json")  # as if it had been killed before its last step
    capsys.readouterr()
    assert sweep(registry, "--out", url, "--status") == 0 and "missing\t1" in capsys.readouterr().out
    assert sweep(registry, "--out", url) == sweep(registry, "--out", url, "--report") == 0
    assert capsys.readouterr().out.endswith(f"{url}/report.html\n") and store.exists("/bucket/sweep/report.html")
    store.pipe("/bucket/other/picture.png", b"")
    assert sweep(registry, "--out", "memory://bucket/other") == 2
    assert "exists and is not the folder of a sweep" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--out", "nowhere://a"], "--out nowhere://a: Protocol not known: nowhere"),
        (["--on", "mars"], "--on mars: there are local and ray"),
        (["--address", "a:1"], "--address is that of a Ray cluster, which needs --on ray"),
        (["--shard", "0/4"], "--shard 0/4: shards are counted from 1, so that of four the first is 1/4"),
        (["--shard", "5/4"], "shards are counted from 1"),
        (["--shard", "a"], "shards are counted from 1"),
        (["--jobs", "0"], "--jobs 0: it is at least 1"),
        (["--out", "mine"], "mine exists and is not the folder of a sweep"),
    ],
)
def test_bad_options(registry: str, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str) -> None:
    Path("mine").mkdir()
    Path("mine/picture.png").touch()
    assert sweep(registry, *arguments) == 2
    assert told in capsys.readouterr().err
    assert not Path("runs").exists() and [path.name for path in Path("mine").iterdir()] == ["picture.png"]
