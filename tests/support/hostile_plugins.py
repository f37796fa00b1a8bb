"""Plugins that fail in every way that Python has, as distributions in a folder of ``sys.path``."""

from __future__ import annotations

from pathlib import Path

HOOK = "from zoo import AdapterPlugin, hookimpl\n@hookimpl\ndef {}:\n    {}\n"
CARD = (
    "models:\n- {{name: {}, adapter: dcgan, summary: s, default: {}, resolution: 8, space: z, dim: 12, "
    "weights: {{sources: [{{url: x.pt}}]}}, licence: {{weights: x}}}}\n"
)


def entry(**fields: str) -> str:
    """A hook that returns one architecture."""
    given = {"name": "'evil'", "summary": "'s'", "load": "print", "provides": "frozenset()", **fields}
    words = ", ".join(f"{name}={value}" for name, value in given.items())
    return HOOK.format("zoo_adapters()", f"return [AdapterPlugin({words})]")


def registry(path: str) -> str:
    """A hook that returns one registry file."""
    return HOOK.format("zoo_registries()", f"from pathlib import Path; return [{path}]")


# Those that fail when they are imported.
IMPORTED = {
    "an exception": "raise ValueError('a\\nb\\x1b[31m')",
    "SystemExit": "raise SystemExit(0)",
    "sys.exit": "import sys; sys.exit('bye\\nbye')",
    "KeyboardInterrupt": "raise KeyboardInterrupt",
    "GeneratorExit": "raise GeneratorExit",
    "StopIteration": "raise StopIteration",
    "CancelledError": "import asyncio\nraise asyncio.CancelledError",
    "a BaseException of its own": "class E(BaseException): pass\nraise E('own')",
    "a group of BaseExceptions": "raise BaseExceptionGroup('g', [SystemExit(0)])",
    "a __str__ that fails": "class E(Exception):\n    def __str__(self): raise RuntimeError('no')\nraise E",
    "a __str__ that exits": "class E(BaseException):\n    def __str__(self): raise SystemExit(0)\nraise E",
    "a long message": "raise ValueError('x' * 10**6)",
    "endless recursion": "def f(): f()\nf()",
    "no memory": "x = bytearray(10**15)",
    "a contract of 5,000 digits": "zoo_contract = 10**5000",
    "a contract that fails": "class C:\n    def __repr__(self): raise SystemExit(0)\nzoo_contract = C()",
    "an unknown hook": HOOK.format("zoo_nonsense()", "return []"),
    "an attribute that fails": "def __getattr__(name): raise SystemExit(0)",
}
# Those whose hooks fail, and the command that calls the hook.
CALLED = {
    "a hook that exits": (HOOK.format("zoo_registries()", "raise SystemExit(3)"), "list"),
    "a hook that interrupts": (HOOK.format("zoo_registries()", "raise KeyboardInterrupt"), "list"),
    "a generator that exits": (HOOK.format("zoo_registries()", "raise SystemExit(3)\n    yield 1"), "list"),
    "a hook of adapters that exits": (HOOK.format("zoo_adapters()", "raise SystemExit"), "list --adapters"),
    "a hook that returns a number": (HOOK.format("zoo_adapters()", "return 8"), "list --adapters"),
    "an entry that cannot be shown": (
        HOOK.format("zoo_adapters()", "class B:\n        def __repr__(self): raise SystemExit(0)\n    return [B()]"),
        "list --adapters",
    ),
    "an entry without a name": (entry(name="None"), "list --adapters"),
    "an entry with a list as name": (entry(name="[]"), "list --adapters"),
    "an entry with escape signs": (entry(name="'a\\x1b[31m'"), "list --adapters"),
    "a summary with escape signs": (entry(summary="'a\\x1b[31m'"), "list --adapters"),
    "a summary that is a number": (entry(summary="8"), "list --adapters"),
    "capabilities in a list": (entry(provides="['region']"), "list --adapters"),
    "spaces in a list": (entry(spaces="['w']"), "list --adapters"),
    "a class that is a number": (entry(load="8"), "list --adapters"),
    "commands that exit": (HOOK.format("zoo_commands(app)", "raise SystemExit(5)"), "plugins"),
    "a command of zoo's name": (HOOK.format("zoo_commands(app)", "app.command('sample')(lambda: None)"), "plugins"),
    "commands that are removed": (HOOK.format("zoo_commands(app)", "app.registered_commands.clear()"), "plugins"),
    "a default that is taken": (registry("Path(__file__).with_name('default.yaml')"), "list"),
    "a registry with a tag": (registry("Path(__file__).with_name('tag.yaml')"), "list"),
    "a registry with a bomb": (registry("Path(__file__).with_name('bomb.yaml')"), "list"),
    "a registry that is endless": (registry("'/dev/zero'"), "list"),
    "a registry that is missing": (registry("'none.yaml'"), "list"),
    "a registry that is no path": (registry("'a\\0b'"), "list"),
    "a registry that is a number": (registry("8"), "list"),
}


def write_plugin(site: Path, module: str, code: str) -> str:
    """Write a distribution with one module and one entry point; return its name."""
    site.mkdir(exist_ok=True)
    name = module.replace("_", "-")
    folder = site / f"{module}-1.2.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (folder / "entry_points.txt").write_text(f"[zoo]\n{module} = {module}\n")
    (site / f"{module}.py").write_text(code)
    (site / "default.yaml").write_text(CARD.format("dcgan.second", "true"))
    (site / "tag.yaml").write_text(CARD.format("dcgan.second", "!!bool maybe"))
    (site / "bomb.yaml").write_text("a: &a [x]\nb: [*a, *a]\nmodels: []\n")
    return name
