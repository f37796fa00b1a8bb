"""New packages: a plugin for zoo that is complete and works, for its author to change."""

from __future__ import annotations

import hashlib
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

from zoo._utils.files import atomic_folder
from zoo._version import CONTRACT
from zoo.errors import OptionError, OutputError, PluginError, unknown_name
from zoo.plugins.manager import Plugins

KINDS = {"adapter": "An architecture for zoo.", "analyzer": "An analysis for zoo."}
"""What there are templates for, and what the package says it is."""

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_LONGEST = 30
"""The templates are laid out for names of this length: their lines stay within 120 signs."""
_TEMPLATES = Path(__file__).with_name("new")


def new_package(kind: str, name: str, folder: Path | None = None, *, plugins: Plugins) -> Path:
    """Write the package of a new adapter or analyzer into a folder, by default ``zoo-NAME``, whole or not at all.

    Raises `UnknownNameError` for another kind, `OptionError` for a name that cannot be one or is taken, `OutputError`
    where something is in the way.
    """
    if kind not in KINDS:
        raise unknown_name("kind of package", kind, KINDS)
    _check_name(kind, name, plugins)
    folder = folder or Path(f"zoo-{name}")
    if os.path.lexists(folder):
        raise OutputError(f"{folder} exists: name another folder, zoo new {kind} {name} FOLDER")
    with atomic_folder(folder) as work:
        _write(kind, name, work)
    return folder


def _check_name(kind: str, name: str, plugins: Plugins) -> None:
    if not _NAME.fullmatch(name) or len(name) > _LONGEST:
        raise OptionError(
            f"{name!r} cannot be the name of an {kind}: at most {_LONGEST} lower-case letters and digits, a letter "
            "first, words joined by '-', such as my-gan"
        )
    taken = plugins.adapters if kind == "adapter" else plugins.analyzers
    if name in taken:
        raise OptionError(f"there is an {kind} {name} already: choose another name")
    if importlib.util.find_spec(_module(name)) is not None:
        raise OptionError(f"there is a module {_module(name)} already, which the package would be: choose another name")


def _module(name: str) -> str:
    return f"zoo_{name.replace('-', '_')}"


def _write(kind: str, name: str, folder: Path) -> None:
    """Fill the templates; of an adapter, make the weights of its demo by the command that its README names."""
    module = _module(name)
    values = {
        "kind": kind,
        "name": name,
        "module": module,
        "distribution": f"zoo-{name}",
        "klass": "".join(word.capitalize() for word in name.split("-")),
        "about": KINDS[kind],
        "contract": CONTRACT[0],
        "pinned": "",
    }
    _fill(folder, ("both", kind), values)
    if kind == "adapter":
        weights = _make_demo(module, folder).read_bytes()
        values["pinned"] = f"      sha256: {hashlib.sha256(weights).hexdigest()}\n      size: {len(weights)}"
        _fill(folder, ("both", kind), values)


def _fill(folder: Path, sets: tuple[str, ...], values: dict[str, object]) -> None:
    """Write every template of some sets, its path filled in as well."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    for place in sets:
        for template in sorted((_TEMPLATES / place).rglob("*.j2")):
            inside = template.relative_to(_TEMPLATES / place).with_suffix("").as_posix()
            file = folder / inside.replace("MODULE", str(values["module"])).replace("dot-", ".")
            file.parent.mkdir(parents=True, exist_ok=True)
            text = environment.get_template(template.relative_to(_TEMPLATES).as_posix()).render(values)
            file.write_text(text, encoding="utf-8")


def _make_demo(module: str, folder: Path) -> Path:
    """Run the package's own command, in a process of its own, so that nothing of it stays here."""
    path = os.pathsep.join([str(folder.absolute()), *(part or os.curdir for part in sys.path)])
    variables = {**os.environ, "PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", f"{module}.demo"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or "nothing").splitlines()[-1]
        raise PluginError(f"python -m {module}.demo could not make the weights of the demo: {last}")
    return folder / module / "bundled" / "demo.safetensors"
