"""Commands about files: pull, cache, add, convert, remove."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from zoo._utils.paths import cache_folder
from zoo.cli import completion, early, listings
from zoo.cli.arguments import AsJson, model_argument
from zoo.cli.console import Settings, escape, progress_bars
from zoo.cli.tables import print_facts, print_json, print_table
from zoo.errors import OptionError, WeightsError
from zoo.weights.cache import CachedFile, cached_files
from zoo.weights.cache import clean as clean_cache
from zoo.weights.cache import damaged as damaged_weights
from zoo.weights.work_folders import unfinished

Names = Annotated[
    list[str], typer.Argument(metavar="MODEL", help="Models of 'zoo list'.", autocompletion=completion.models)
]


def pull(context: typer.Context, names: Names, as_json: AsJson = False) -> None:
    """Fetch models' weights into the cache, showing the licence first."""
    from zoo.weights.fetch import fetch

    settings: Settings = context.obj
    fetched = []
    for card in [settings.installation.registry.resolve(name) for name in names]:
        typer.echo(card.terms, err=True)
        with progress_bars(settings) as progress:
            path, sha256 = fetch(card, progress)
        fetched.append({"name": card.name, "file": str(path), "sha256": sha256})
        if not as_json:
            settings.console.print(escape(str(path)), soft_wrap=True)
            settings.console.print(f"sha256 {sha256}", soft_wrap=True)
    if as_json:
        print_json(fetched)


def cache(
    context: typer.Context,
    verify: Annotated[bool, typer.Option("--verify", help="Hash every file and say which are damaged.")] = False,
    clean: Annotated[
        bool, typer.Option("--clean", help="Delete unfinished downloads, damaged files and those no model names.")
    ] = False,
    forget: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Delete a model's file and its remembered hash, or the directions hf://owner/name.",
            autocompletion=completion.models,
        ),
    ] = None,
    drop_jacobians: Annotated[
        bool, typer.Option("--drop-jacobians", help="Delete the Jacobians that analyses have kept.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """List the weights and the fetched directions in the cache, verify weights, or clean up."""
    from zoo.core.files.hub_address import is_hub_address
    from zoo.hub.cached_sets import fetched_sets, forget_set
    from zoo.jacobian.cache_folder import clear_cache, damaged_files, delete_damaged, jacobian_limit
    from zoo.weights.fetch import forget as forget_weights

    settings: Settings = context.obj
    cards = settings.installation.registry.cards.values()
    removed: list[Path] = []
    if forget is not None and is_hub_address(forget):
        removed += forget_set(forget)
    elif forget is not None:
        removed += forget_weights(settings.installation.registry.resolve(forget), cards)
    jacobian_limit()  # a limit that cannot be read is refused before anything is deleted
    if drop_jacobians:
        removed += clear_cache()
    with progress_bars(settings) as progress:
        if clean:
            _require_every_plugin(settings)
            removed += [*clean_cache(cards, progress), *delete_damaged()]
        files = cached_files(cards)
        damaged = damaged_weights(files, progress) if verify else []
        damaged_jacobians = damaged_files() if verify else []
    files_json = [
        _file_json(file.models, _state(file, damaged, verified=verify), file.path, file.size) for file in files
    ]
    files_json += [_file_json((path.name.rpartition("-")[0],), "unfinished", path, None) for path in unfinished()]
    sets = [{"address": str(one.address), "bytes": one.size, "file": str(one.path)} for one in fetched_sets()]
    if as_json:
        report: dict[str, Any] = {
            "removed": [str(path) for path in removed],
            "files": files_json,
            "directions": sets,
            "jacobians": _jacobians_json(),
        }
        if verify:
            report["jacobians"]["damaged"] = [str(path) for path in damaged_jacobians]
        print_json(report)
    else:
        _print_cache(settings, removed, files_json, sets)
    _require_intact(files, damaged, damaged_jacobians)


def add(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A weights file.", callback=early.given_file)],
    name: Annotated[str, typer.Option("--name", metavar="NAME", help="Its name, architecture.variant.")],
    summary: Annotated[str | None, typer.Option(help="What it draws, in a line.")] = None,
    licence: Annotated[str | None, typer.Option(help="The terms of the weights, in a line.")] = None,
    option: Annotated[
        list[str] | None, typer.Option("-o", metavar="NAME=VALUE", help="An option of the architecture.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace the card of an earlier 'zoo add'.")] = False,
    as_json: AsJson = False,
) -> None:
    """Give a weights file a name in your own registry, or take it as the file of a model that zoo cannot fetch."""
    from zoo.core.options import parse_pairs
    from zoo.models.user_models import add as add_model

    settings: Settings = context.obj
    with progress_bars(settings) as progress:
        card, written = add_model(
            file,
            name,
            settings.installation,
            summary=summary,
            licence=licence,
            options=parse_pairs(option or []),
            force=force,
            progress=progress,
        )
    if as_json:
        print_json({**listings.describe_card(card), "registry": str(written)})
        return
    settings.console.print(f"{card.name}: {card.adapter}, {card.pixels}, {card.codes}")
    settings.console.print(escape(str(written)), soft_wrap=True)


def convert(
    context: typer.Context,
    name: Annotated[
        str,
        model_argument("A weights file, or a model of 'zoo list'.", metavar="FILE"),
    ],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Where to write; or FILE.safetensors, here.")
    ] = None,
    licence: Annotated[str | None, typer.Option(help="The terms of the weights, in a line.")] = None,
    option: Annotated[
        list[str] | None,
        typer.Option(
            "-o", metavar="FILE|NAME=VALUE", help="Short for --out FILE; or an option of the architecture, NAME=VALUE."
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file of an earlier 'zoo convert'.")] = False,
    as_json: AsJson = False,
) -> None:
    """Say what a weights file is, and write it as safetensors that keep its licence."""
    from zoo.core.options import parse_pairs
    from zoo.models.export import convert as convert_checkpoint
    from zoo.models.export import inspect_file

    settings: Settings = context.obj
    out, pairs = _out_and_pairs(out, option or [])
    options = parse_pairs(pairs)
    with progress_bars(settings) as progress:
        inspected = inspect_file(name, settings.installation, licence=licence, options=options, progress=progress)
    if as_json:
        written = convert_checkpoint(inspected, out, force=force)
        print_json({**inspected.as_json(), "written": str(written)})
        return
    print_facts(settings, inspected.facts())
    settings.console.print(escape(str(convert_checkpoint(inspected, out, force=force))), soft_wrap=True)


def _out_and_pairs(out: Path | None, given: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Sort what was given with -o of `zoo convert`: the file to write, and options of the architecture."""
    files = [*([] if out is None else [out]), *(Path(text) for text in given if "=" not in text)]
    if len(files) > 1:
        raise OptionError(f"-o {files[1]}: {files[0]} was to be written already; convert twice for two files")
    return (files[0] if files else None), [text for text in given if "=" in text]


def remove(
    context: typer.Context,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="A model of 'zoo add'.", autocompletion=completion.models)
    ],
    as_json: AsJson = False,
) -> None:
    """Take a model of 'zoo add' off your registry; its weights file stays."""
    from zoo.registry.added_cards import remove as remove_model

    settings: Settings = context.obj
    removed = remove_model(name)
    if as_json:
        print_json({"name": name, "removed": str(removed)})
    else:
        settings.console.print(f"removed {escape(str(removed))}", soft_wrap=True)


def _print_cache(
    settings: Settings, removed: list[Path], files: list[dict[str, Any]], sets: list[dict[str, Any]]
) -> None:
    for path in removed:
        settings.console.print(f"removed {escape(str(path))}", soft_wrap=True)
    if files:
        cells = [
            [
                ", ".join(file["models"]) or "none",
                "" if file["bytes"] is None else _mebibytes(file["bytes"]),
                file["state"],
                file["file"],
            ]
            for file in files
        ]
        print_table(settings, ["models", "size", "state", "file"], cells, right=["size"])
    if sets:
        rows = [[one["address"], _mebibytes(one["bytes"]), one["file"]] for one in sets]
        print_table(settings, ["directions", "size", "file"], rows, right=["size"])
    if not files and not sets:
        settings.console.print(f"nothing in {escape(str(cache_folder()))}", soft_wrap=True)
    jacobians = _jacobians_json()
    if jacobians["codes"]:
        from rich.filesize import decimal

        settings.console.print(
            f"Jacobians of {jacobians['codes']} codes take {decimal(jacobians['bytes'])} of "
            f"{decimal(jacobians['limit'])} in {escape(jacobians['folder'])}",
            soft_wrap=True,
        )


def _mebibytes(size: int) -> str:
    return f"{size / 2**20:.1f} MiB"


def _require_every_plugin(settings: Settings) -> None:
    """Raise `WeightsError` if a plugin was skipped: its models' files would look as if no card named them."""
    skipped = [info.module for info in settings.installation.plugins.infos if info.error]
    if skipped:
        raise WeightsError(
            f"--clean: the plugin {skipped[0]} was skipped, so that the files of its models would be deleted: "
            "mend or uninstall it first"
        )


def _require_intact(files: list[CachedFile], damaged: list[CachedFile], damaged_jacobians: list[Path]) -> None:
    """Raise `WeightsError` if anything is damaged."""
    if damaged:
        raise WeightsError(
            f"{len(damaged)} of {len(files)} files are damaged, {damaged[0].path} first: they are fetched again when "
            "they are used next, and --clean deletes them"
        )
    if damaged_jacobians:
        raise WeightsError(
            f"{len(damaged_jacobians)} files of kept Jacobians are damaged, {damaged_jacobians[0]} first: they are "
            "computed again when they are needed next, and --clean deletes them"
        )


def _jacobians_json() -> dict[str, Any]:
    from zoo.jacobian.cache_folder import cache_usage

    usage = cache_usage()
    return {"codes": usage.codes, "bytes": usage.size, "limit": usage.limit, "folder": str(usage.folder)}


def _file_json(models: tuple[str, ...], state: str, path: Path, size: int | None) -> dict[str, Any]:
    return {"models": list(models), "bytes": size, "state": state, "file": str(path)}


def _state(file: CachedFile, damaged: list[CachedFile], *, verified: bool) -> str:
    if not verified:
        return "not checked"
    return "damaged" if file in damaged else "intact"
