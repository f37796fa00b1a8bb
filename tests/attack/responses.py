"""Responses of servers, by every kind of source that downloads."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import yaml

from tests.attack.attack import Attack
from tests.support.hostile_cards import HEAD
from tests.support.hostile_server import MODES, HostileServer

_MOST_WRITTEN = 100 * 2**20


def _start(kind: str, mode: str) -> Callable[[Path], HostileServer]:
    """Write a card whose weights come from a mode of a server, and start that."""

    def make(folder: Path) -> HostileServer:
        server = HostileServer.start(folder)
        weights: dict[str, object] = {"sources": [{"url": server.source(kind, mode)}]}
        # The card names the size; but not where the server's own word is what is tried.
        weights |= {} if mode in {"gzip_a_thousand", "larger_file"} else {"size": 12_000}
        [card] = yaml.safe_load(HEAD)["models"]
        (folder / "cards.yaml").write_text(yaml.safe_dump({"models": [{**card, "weights": weights}]}))
        (folder / "environment.json").write_text(json.dumps(server.environment(mode)))
        return server

    return make


def _pull(folder: Path) -> None:
    """Fetch the weights, as ``zoo pull`` does; the variables are read before huggingface_hub is used."""
    from huggingface_hub import constants

    from zoo.registry.registry import load_installation
    from zoo.weights.fetch import fetch

    os.environ.update(json.loads((folder / "environment.json").read_text()))
    os.environ["ZOO_TIMEOUT"] = "0.5"
    endpoint = os.environ["HF_ENDPOINT"]
    constants.ENDPOINT = endpoint
    constants.HUGGINGFACE_CO_URL_TEMPLATE = f"{endpoint}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    fetch(load_installation([folder / "cards.yaml"]).registry.resolve("dcgan.h"))


def _little_is_written(folder: Path) -> None:
    written = sum(path.stat().st_size for path in folder.parent.rglob("*") if path.is_file())
    assert written < _MOST_WRITTEN, f"{written:,} bytes"
    asked = (folder / "asked").read_text()
    assert asked, "the server was never reached"
    assert "GET /w.pt " not in asked, "something was asked without encryption"


ATTACKS = [
    Attack("responses", f"{kind}: {words}", _start(kind, mode), _pull, kind=f"{kind}://", check=_little_is_written)
    for kind in ("https", "hf", "gdrive")
    for mode, words in MODES.items()
    # Pages are Google Drive's, and only the Hub announces a size beforehand.
    if ("html" not in mode or kind == "gdrive") and (mode != "larger_file" or kind == "hf")
]
