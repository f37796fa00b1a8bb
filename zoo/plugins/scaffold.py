"""Writing new plugin packages from templates. A new package is complete and works, for its author to change."""

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

# What there are templates for, and the description of the new package.
KINDS = {
    "adapter": "An architecture for zoo.",
    "analyzer": "An analysis for zoo.",
    "projector": "A projector for zoo.",
}

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")

# With names up to this length the lines of the templates stay within 120 characters.
_MAX_NAME_LENGTH = 30

_TEMPLATES = Path(__file__).with_name("new")


def new_package(kind: str, name: str, folder: Path | None = None, *, plugins: Plugins) -> Path:
    """Write the package of a new adapter, analyzer or projector. A failure leaves no partial package.

    Args:
        kind: ``adapter``, ``analyzer`` or ``projector``.
        name: its name in zoo, such as ``my-gan``.
        folder: where to write the package; by default ``zoo-NAME`` in the current folder.
        plugins: the installed plugins, whose names are taken.

    Returns:
        The folder.

    Raises:
        UnknownNameError: there are no templates of that kind.
        OptionError: the name is taken, or cannot be the name of a package.
        OutputError: the folder exists or cannot be written.
        PluginError: the package's command that makes its weights fails.

    """
    if kind not in KINDS:
        raise unknown_name("kind of package", kind, KINDS)
    _check_name(kind, name, plugins)
    folder = folder or Path(f"zoo-{name}")
    if os.path.lexists(folder):
        raise OutputError(f"{folder} exists: name another folder, zoo new {kind} {name} FOLDER")
    with atomic_folder(folder) as partial:
        _write_package(kind, name, partial)
    return folder


def _check_name(kind: str, name: str, plugins: Plugins) -> None:
    a_kind = f"a {kind}" if kind == "projector" else f"an {kind}"
    if not _NAME.fullmatch(name) or len(name) > _MAX_NAME_LENGTH:
        raise OptionError(
            f"{name!r} cannot be the name of {a_kind}: use at most {_MAX_NAME_LENGTH} lower-case letters and digits, "
            "a letter first, and '-' between words, such as my-gan"
        )
    if name in getattr(plugins, f"{kind}s"):
        raise OptionError(f"there is {a_kind} {name} already: choose another name")
    if importlib.util.find_spec(_module(name)) is not None:
        raise OptionError(f"there is a module {_module(name)} already, the name of the package: choose another name")


def _module(name: str) -> str:
    return f"zoo_{name.replace('-', '_')}"


def _write_package(kind: str, name: str, folder: Path) -> None:
    """Fill in the templates; for an adapter, also make the weights of its demo, by the command in its README."""
    module = _module(name)
    values = {
        "kind": kind,
        "name": name,
        "module": module,
        "distribution": f"zoo-{name}",
        "class_prefix": "".join(word.capitalize() for word in name.split("-")),
        "about": KINDS[kind],
        "contract": CONTRACT[0],
        "pinned": "",
    }
    _fill_templates(folder, ("both", kind), values)
    if kind == "adapter":  # the card has the hash of the weights, which are made by the package itself
        weights = _make_demo(module, folder).read_bytes()
        values["pinned"] = f"      sha256: {hashlib.sha256(weights).hexdigest()}\n      size: {len(weights)}"
        _fill_templates(folder, ("both", kind), values)


def _fill_templates(folder: Path, sets: tuple[str, ...], values: dict[str, object]) -> None:
    """Write the files of some sets of templates, with the values filled into their paths, too."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES), undefined=jinja2.StrictUndefined, keep_trailing_newline=True
    )
    for name in sets:
        for template in sorted((_TEMPLATES / name).rglob("*.j2")):
            path = template.relative_to(_TEMPLATES / name).with_suffix("").as_posix()
            file = folder / path.replace("MODULE", str(values["module"])).replace("dot-", ".")
            file.parent.mkdir(parents=True, exist_ok=True)
            text = environment.get_template(template.relative_to(_TEMPLATES).as_posix()).render(values)
            file.write_text(text, encoding="utf-8")


def _make_demo(module: str, folder: Path) -> Path:
    """Run the package's own command in a new process, so that the package is not imported into this one."""
    search_path = os.pathsep.join([str(folder.absolute()), *(part or os.curdir for part in sys.path)])
    variables = {**os.environ, "PYTHONPATH": search_path, "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", f"{module}.demo"]
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    if done.returncode:
        last_line = (done.stderr.strip() or "nothing").splitlines()[-1]
        raise PluginError(f"python -m {module}.demo could not make the weights of the demo: {last_line}")
    return folder / module / "bundled" / "demo.safetensors"
