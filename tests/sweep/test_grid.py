"""The file of a sweep: its grids, and what is wrong with it told in a line."""

from pathlib import Path

import pytest

from zoo.errors import SweepError
from zoo.sweep.cells import ScorerWords, Settings, cell_from_json
from zoo.sweep.grid import read_sweep


def read(tmp_path: Path, text: str) -> list[str]:
    file = tmp_path / "s.yaml"
    file.write_text(text)
    cells = read_sweep(file).cells
    assert [cell_from_json(cell.as_json()) for cell in cells] == list(cells)
    return [str(cell) for cell in cells]


def test_a_grid_is_every_combination_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = """
    models: [a, {name: b, space: z, options: {size: [1, 2]}}]
    analyzers: {name: lowrank, options: {k: [3, 4], factorization: pursuit}}
    layers: [all, 4-7, 2]
    labels: [null, 0, cat]
    seeds: 0-1,5
    samples: 8
    truncations: 0.5
    """
    cells = read(tmp_path, text)
    assert len(cells) == len(set(cells)) == 3 * 2 * 3 * 3 * 3
    assert cells[0] == "a lowrank k=3 factorization=pursuit all samples 8 truncation 0.5"
    assert cells[1] == "a lowrank k=3 factorization=pursuit all seed 1 samples 8 truncation 0.5"
    last = "b space z size=2 lowrank k=4 factorization=pursuit all layers 2 label cat seed 5 samples 8 truncation 0.5"
    assert cells[-1] == last


def test_exclude_takes_cells_out_and_include_adds_grids(tmp_path: Path) -> None:
    text = """
    models: [a.x, a.y, b]
    analyzers: [sefa, {name: lowrank, options: {k: [1, 2]}}]
    layers: [all, 0-3]
    exclude:
    - {models: "a.*", layers: 0-3}
    - {analyzers: {name: lowrank, options: {k: 2}}, models: [a.y, b]}
    include:
    - {models: c, analyzers: sefa, regions: [all, mouth], seeds: 1, exclude: {regions: all}}
    """
    assert read(tmp_path, text) == [
        *("a.x sefa all", "a.x lowrank k=1 all", "a.x lowrank k=2 all", "a.y sefa all", "a.y lowrank k=1 all"),
        *("b sefa all", "b sefa all layers 0-3", "b lowrank k=1 all", "b lowrank k=1 all layers 0-3"),
        "c sefa mouth seed 1",
    ]
    assert read(tmp_path, "include: {models: c, analyzers: sefa}") == ["c sefa all"]


def test_settings_are_of_all_cells(tmp_path: Path) -> None:
    file = tmp_path / "s.yaml"
    file.write_text("{models: a, analyzers: b, show: 2, unseen: 0, dtype: float64, memory: 2GB, threads: 4}")
    assert read_sweep(file).settings == Settings(show=2, unseen=0, dtype="float64", memory="2GB", threads=4)
    file.write_text("{models: a, analyzers: b, scorer: {name: text, options: {words: w.txt}}}")
    assert read_sweep(file).settings.scorer == ScorerWords("text", {"words": "w.txt"})
    file.write_text("{models: a, analyzers: b, scorer: avatars}")
    assert read_sweep(file).settings.scorer == ScorerWords("avatars")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models: a", "analyzers is missing: give one or a list"),
        ("{models: [], analyzers: b}", "models is missing"),
        ("{modles: a, analyzers: b}", "no key is called 'modles': did you mean models"),
        ("{models: a, analyzers: b, thread: 2}", "did you mean threads?"),
        ("- a", "the file must hold keys and values, not ['a']"),
        ("", "the file must hold keys and values, not None"),
        ("include: []", "it has no cell; it needs models and analyzers"),
        ("{models: {space: z}, analyzers: b}", "models: an entry is a name, or has a name: {'space': 'z'}"),
        ("{models: {name: a, colour: 1}, analyzers: b}", "models: no key is called 'colour'"),
        ("{models: a, analyzers: {name: b, options: {k: [[1]]}}}", "analyzers: an option is one value or a list of"),
        ("{models: a, analyzers: {name: b, options: 3}}", "analyzers: options must hold keys and values, not 3"),
        ("{models: a, analyzers: b, regions: 3}", "regions are texts, not 3: write it in quotes"),
        ("{models: a, analyzers: b, labels: yes}", "labels are names or indices, not True: write a name in quotes"),
        ("{models: a, analyzers: b, layers: [[1, 2]]}", "layers are texts such as 4-7 or coarse, or all: not [1, 2]"),
        ("{models: a, analyzers: b, seeds: 9-0}", "seeds 9-0: 9-0 runs backwards"),
        ("{models: a, analyzers: b, seeds: 1.5}", "seeds are numbers, or texts such as 0-9: not 1.5"),
        ("{models: a, analyzers: b, samples: 0}", "samples are whole numbers from 1, not 0"),
        ("{models: a, analyzers: b, truncations: no}", "truncations are numbers, not False"),
        ("{models: a, analyzers: b, threads: 0}", "threads is a whole number from 1 to 1,024, not 0"),
        ("{models: a, analyzers: b, memory: lots}", "memory lots: write a number of bytes such as 500MB"),
        ("{models: a, analyzers: b, device: 3}", "device is a word, not 3"),
        ("{models: a, analyzers: b, scorer: 3}", "scorer must hold keys and values, not 3"),
        ("{models: a, analyzers: b, scorer: {name: b, option: 1}}", "scorer: no key is called 'option'"),
        ("{models: a, analyzers: b, scorer: {name: b, options: {k: [1, 2]}}}", "scorer: an option is one value, since"),
        ("{models: a, analyzers: b, exclude: {models: c}}", "exclude 1 takes no cell out"),
        ("{models: a, analyzers: b, exclude: [{}]}", "exclude 1 takes no cell out"),
        ("{models: a, analyzers: b, exclude: {model: a}}", "exclude 1: no key is called 'model': did you mean models?"),
        ("{models: a, analyzers: b, include: [{models: c}]}", "include 1: analyzers is missing"),
        ("{models: a, analyzers: b, include: [{models: c, include: []}]}", "include 1: no key is called 'include'"),
        ("{models: a, analyzers: b, seeds: 0-99999, labels: [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]}", "1,100,000 cells"),
        ("{models: &a x, analyzers: *a}", "the alias *a stands for another value; write that out"),
        ("models: !!python/object/apply:os.system [ls]", "the tag !!python/object/apply:os.system has no meaning"),
        ("models: [", "it is not YAML"),
    ],
)
def test_a_wrong_file_is_told_in_a_line(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(SweepError, match=r"s\.yaml: ") as error:
        read(tmp_path, text)
    assert told in str(error.value)


def test_no_file(tmp_path: Path) -> None:
    for path, why in ((tmp_path / "no.yaml", "No such file"), (tmp_path, "folder")):
        with pytest.raises(SweepError, match=why):
            read_sweep(path)
