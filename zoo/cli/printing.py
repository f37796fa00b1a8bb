"""What the commands print of their results: tables, notes below them, and the files that were written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo.cli.console import Settings, escape
from zoo.cli.tables import print_json, print_table

# A folder's pictures with a file each are listed one by one if there are no more.
_MOST_LISTED = 8

if TYPE_CHECKING:
    from zoo.analysis.comparison import Comparison
    from zoo.analysis.run import Run
    from zoo.bench.result import Bench
    from zoo.editing.run_folder import Written
    from zoo.inversion.result import Inversion
    from zoo.scoring.scores import Scores


def print_run(settings: Settings, run: Run, folder: Path, *, as_json: bool = False) -> None:
    """Print the directions of an analysis, notes about them, and the files.

    Args:
        settings: The settings of the command line.
        run: The analysis.
        folder: The folder that was written.
        as_json: Print JSON instead of a table and lines.
    """
    from zoo.report.table import lay_out

    if as_json:
        print_json({**_values_of_run(settings, run), **list_written(folder)})
        return
    columns, rows = lay_out(run.table())
    titles, texts = list(columns.values()), [list(row.values()) for row in rows]
    right = [title for key, title in columns.items() if key != "name"]
    optional = [columns[key] for key in ("retained", "repeats") if key in columns]
    print_table(settings, titles, texts, right=right, optional=optional, elastic=columns.get("name", ""))
    for note in _notes(settings, run):
        settings.console.print(escape(note), soft_wrap=True)
    print_files(settings, folder)


def _values_of_run(settings: Settings, run: Run) -> dict[str, Any]:
    """Return what the table shows, and the record that is written beside the directions."""
    return {
        "model": run.model.name,
        "region": run.region.text,
        "found": len(run.directions),
        "directions": [{"index": index, **row.as_json()} for index, row in enumerate(run.table())],
        "scores": None if run.scores is None else run.scores.as_json(),
        "notes": _notes(settings, run),
        "record": run.directions.provenance,
    }


def _notes(settings: Settings, run: Run) -> list[str]:
    """Say what the table of an analysis leaves open."""
    directions, rows = run.directions, run.table()
    notes = list(run.notes)
    if not all(row.reached for row in rows):
        notes.append("* the largest step: what changes inside the region is hardly visible there")
    if any(row.repeats for row in rows):
        notes.append("repeats: a stronger direction that changes pictures alike, and the cosine of the two changes")
    redundancy = directions.provenance.get("redundancy")
    if redundancy is not None:
        notes.append(f"redundancy {redundancy:.2f}: how alike the changes of two directions are, the mean |cosine|")
    plugin = settings.installation.plugins.analyzers.get(directions.provenance["analyzer"])  # none for zoo find
    if plugin and plugin.requires == {"projection"} and (len(run.codes) > 1 or not run.region.whole):
        notes.append(
            f"{plugin.name} reads weights alone: region and codes only tell where changes are measured and shown"
        )
    if plugin and plugin.local and len(run.codes) == 1 and directions.provenance["codes"] == "drawn":
        notes.append("found at one code: --samples 16 finds directions that hold at other codes too")
    if run.region.whole:
        notes.append("locality is measured where there is a region: see --region")
    wanted = directions.provenance["options"].get("k")
    if not len(directions):
        notes.append("no direction was found: the low-rank part is empty, or nothing survived the projection")
    elif wanted is not None and wanted > len(directions):
        notes.append(f"k={wanted}: there are no more than these {len(directions)}")
    dropped = directions.provenance.get("dropped")
    if dropped:
        notes.append(f"dropped: {len(dropped)} whose kept norm is below 0.01")
    more = len(directions) - len(run.shown)
    if more:
        notes.append(f"and {more} more in the file; --show {len(directions)} measures all")
    return notes


def print_comparison(settings: Settings, comparison: Comparison, top: int) -> None:
    """Print what was compared, and the nearest rows of both sets.

    Args:
        settings: The settings of the command line.
        comparison: The comparison.
        top: How many rows are printed of each set.
    """
    _print_facts(settings, comparison.facts())
    for columns, texts in comparison.tables():
        right = columns[2:3] if comparison.labelled else columns[:3]
        print_table(settings, columns, texts[:top], right=right)
        if len(texts) > top:
            settings.console.print(f"and {len(texts) - top} more; --top {len(texts)} shows all")


def print_ranking(
    settings: Settings, rows: Sequence[Mapping[str, Any]], folder: Path, top: int, *, as_json: bool
) -> None:
    """Print directions of several runs in the order of their ranks, and the files that were written.

    Args:
        settings: The settings of the command line.
        rows: The rows of `zoo.sweep.ranking.RankRequest.run`.
        folder: The folder.
        top: How many rows are printed.
        as_json: Whether to print JSON instead.
    """
    from zoo.report.table import NOTHING, format_number
    from zoo.sweep.ranking import SHOWN

    if as_json:
        print_json({"folder": str(folder), "directions": rows})
        return
    texts = [
        [
            NOTHING if row[key] is None else format_number(row[key]) if isinstance(row[key], float) else str(row[key])
            for key in SHOWN
        ]
        for row in rows[:top]
    ]
    table = [[str(rank), *cells] for rank, cells in enumerate(texts, start=1)]
    columns = ["rank", *SHOWN.values()]
    print_table(settings, columns, table, right=[columns[0], *columns[2:-1]], elastic="run")
    if len(rows) > top:
        settings.console.print(f"and {len(rows) - top} more; --top {len(rows)} shows all")
    print_files(settings, folder)


def print_scores(settings: Settings, scores: Scores) -> None:
    """Print what was scored, and the effects.

    Args:
        settings: The settings of the command line.
        scores: The scores.
    """
    columns, rows = scores.table()
    _print_facts(settings, scores.facts())
    print_table(settings, columns, rows, right=columns[1:-1])


def print_bench(settings: Settings, bench: Bench, folder: Path, *, as_json: bool = False) -> None:
    """Print the tables of a bench, what to use for what, and the files.

    Args:
        settings: The settings of the command line.
        bench: The bench.
        folder: The folder that was written.
        as_json: Print JSON instead of tables and lines.
    """
    from zoo.bench.result import TABLES

    if as_json:
        print_json({**bench.as_json(), **list_written(folder)})
        return
    for title, (columns, rows) in [
        *((table.title, bench.lay_out(table)) for table in TABLES if bench.measured(table)),
        ("Cost", bench.costs()),
    ]:
        settings.console.print(escape(title), style="bold")
        print_table(settings, columns, rows, right=columns[1:])
        settings.console.print()
    for advice in bench.advice:
        settings.console.print(escape(f"{advice.wish}: {advice.text}"), soft_wrap=True)
    for note in bench.notes():
        settings.console.print(escape(note), soft_wrap=True)
    print_files(settings, folder)


def print_inversion(settings: Settings, result: Inversion, folder: Path, *, as_json: bool = False) -> None:
    """Print how good the codes of pictures are, notes about them, and the files.

    Args:
        settings: The settings of the command line.
        result: The codes.
        folder: The folder that was written.
        as_json: Print JSON instead of a table and lines.
    """
    if as_json:
        print_json({**result.as_json(), **list_written(folder)})
        return
    columns, rows = result.table()
    print_table(settings, columns, rows, right=columns[1:], elastic="picture")
    for note in result.notes():
        settings.console.print(escape(note), soft_wrap=True)
    print_files(settings, folder)


def print_codes_written(settings: Settings, written: Written, *, as_json: bool = False) -> None:
    """Print the files of a folder that holds pictures and their codes; as JSON, tell of the codes too.

    Args:
        settings: The settings of the command line.
        written: The folder, and notes about it.
        as_json: Print JSON instead of a line for each file.
    """
    folder = written.folder
    if not as_json:
        for note in written.notes:
            settings.console.print(escape(note), soft_wrap=True)
        print_files(settings, folder)
        return
    from zoo.core.files.codes import load_codes

    codes, metadata = load_codes(folder / "codes.safetensors")
    facts = {
        "model": metadata["model"],
        "space": metadata["space"],
        "codes": len(codes),
        "labels": None if codes.labels is None else codes.labels.tolist(),
        "truncation": codes.truncation,
        "seeds": None if codes.seeds is None else list(codes.seeds),
        "notes": list(written.notes),
    }
    print_json({**facts, **list_written(folder)})


def print_files(settings: Settings, folder: Path) -> None:
    """Print the paths of the files in a folder, pictures first; of many pictures with a file each, the first and last.

    Args:
        settings: The settings of the command line.
        folder: The folder.
    """
    from zoo.editing.run_folder import is_picture

    files = _files(folder)
    pictures = [path for path in files if is_picture(path.name)]
    many = pictures if len(pictures) > _MOST_LISTED else []
    lines = [str(path) for path in files if path not in set(many)]
    if many:
        lines.insert(0, f"{many[0]} … {many[-1].name} ({len(many):,} pictures)")
    for line in lines:
        settings.console.print(escape(line), soft_wrap=True)


def list_written(folder: Path) -> dict[str, Any]:
    """List the files of a folder, for JSON.

    Args:
        folder: The folder.

    Returns:
        The paths of the folder and of its files.
    """
    return {"folder": str(folder), "files": [str(path) for path in _files(folder)]}


def _files(folder: Path) -> list[Path]:
    shown = (path for path in folder.iterdir() if not path.name.startswith("."))
    return sorted(shown, key=lambda path: (path.suffix == ".safetensors", path.name))


def _print_facts(settings: Settings, facts: dict[str, str]) -> None:
    for name, text in facts.items():
        settings.console.print(escape(f"{name}: {text}"), soft_wrap=True)
