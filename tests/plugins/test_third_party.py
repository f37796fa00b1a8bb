"""Third-party plugins: a real one, built and installed, and broken ones."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file

import zoo
from tests.support import fork_server
from zoo import Adapter, Analyzer, AnalyzerPlugin, Directions, Model, Probe
from zoo.cli import run as run_here
from zoo.core.region import parse_region
from zoo.plugins import Plugins, load_plugins
from zoo.testing import check_adapter, draw, layer_choices, leaves_no_trace

SAMPLE = Path(__file__).parents[1] / "third_party" / "zoo-sample-adapter"
MODEL = "mosaic.pebbles32"
SEEDS = (0, 1)

Zoo = Callable[..., subprocess.CompletedProcess[str]]


def environment(*site: Path, **further: str) -> dict[str, str]:
    """Return variables with which Python searches the `site` folders first, and zoo has its default settings."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("ZOO_", "PYTHON"))}
    return {**kept, "PYTHONPATH": os.pathsep.join(map(str, site)), **further}


def python(*arguments: str | Path, site: Path, cwd: Path) -> None:
    done = subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=cwd,
        env=environment(site),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the sample plugin's wheel in a copy of its source, and install it into a folder of its own."""
    base = tmp_path_factory.mktemp("sample")
    source, site = base / "source", base / "site"
    shutil.copytree(SAMPLE, source, ignore=shutil.ignore_patterns("__pycache__", "*.safetensors"))
    weights = source / "zoo_sample_adapter" / "pebbles32.safetensors"
    python("-m", "zoo_sample_adapter.make", weights, site=source, cwd=base)
    python("-m", "hatchling", "build", "-t", "wheel", site=source, cwd=source)
    [wheel] = (source / "dist").glob("*.whl")
    pip = ("-m", "pip", "install", "--quiet", "--no-deps", "--no-index", "--disable-pip-version-check")
    python(*pip, "--target", site, wheel, site=source, cwd=base)
    return site


@pytest.fixture
def run_zoo(tmp_path: Path) -> Zoo:
    """Run the installed command in an empty folder, with folders of plugins and further environment variables."""

    def run(*arguments: str | Path, site: tuple[Path, ...] = (), **further: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [fork_server.zoo(), *map(str, arguments)],
            cwd=tmp_path,
            env=environment(*site, **further),
            capture_output=True,
            text=True,
            check=False,
        )

    return run


@pytest.fixture
def sample_zoo(run_zoo: Zoo, installed: Path) -> Zoo:
    """Run the command with the sample plugin, and require that it succeeds."""

    def run(*arguments: str | Path, **further: str) -> subprocess.CompletedProcess[str]:
        done = run_zoo(*arguments, site=(installed,), **further)
        assert done.returncode == 0, done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def plugins(installed: Path) -> Iterator[Plugins]:
    """The plugins with the sample installed; its modules are removed from this process afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(installed)
        yield load_plugins()
    for name in [name for name in sys.modules if name.partition(".")[0] == "zoo_sample_adapter"]:
        del sys.modules[name]


@pytest.fixture(scope="module")
def mosaic(plugins: Plugins) -> Model:
    """The model that the sample ships."""
    return zoo.load("mosaic", device="cpu")


# The sample plugin is listed like the built-ins


def rows(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(done.stdout)
    return found


def test_lists_show_the_plugin(sample_zoo: Zoo) -> None:
    models = {row["name"]: row for row in rows(sample_zoo("list", "--json"))}
    shown = {key: models[MODEL][key] for key in ("adapter", "default", "where")}
    assert shown == {"adapter": "mosaic", "default": True, "where": "local"}
    adapters = {row["name"]: row for row in rows(sample_zoo("list", "--adapters", "--json"))}
    assert adapters["mosaic"]["provides"] == ["derivative", "projection", "region"]
    assert "dcgan" in adapters
    analyzers = {row["name"] for row in rows(sample_zoo("list", "--analyzers", "--json"))}
    assert {"random-orthonormal", "sefa", "lowrank", "nullspace", "resefa"} <= analyzers


def test_matrix_shows_every_cell(sample_zoo: Zoo) -> None:
    matrix = {row["adapter"]: row["obstacles"] for row in rows(sample_zoo("list", "--matrix", "--json"))}
    assert set(matrix["mosaic"].values()) == {None}
    assert matrix["dcgan"]["random-orthonormal"] is None


def test_plain_tables_show_the_plugin(sample_zoo: Zoo) -> None:
    assert MODEL in sample_zoo("list").stdout
    assert MODEL in sample_zoo("list", "mosaic*").stdout
    assert "mosaic" in sample_zoo("list", "--adapters").stdout
    header, *lines = sample_zoo("list", "--matrix").stdout.splitlines()
    assert "random-orthonormal" in header
    assert any(line.startswith("mosaic") for line in lines)


def test_plugins_names_the_distribution(sample_zoo: Zoo) -> None:
    [line] = [line for line in sample_zoo("plugins").stdout.splitlines() if "zoo-sample-adapter" in line]
    for word in ("zoo_sample_adapter", "0.3.1", "zoo_adapters", "zoo_analyzers", "zoo_registries", "zoo_commands"):
        assert word in line


def test_info_of_the_model(sample_zoo: Zoo) -> None:
    facts = json.loads(sample_zoo("info", "mosaic", "--json").stdout)
    assert facts["name"] == MODEL
    assert facts["licence"]["weights"] == "CC0-1.0"
    assert facts["regions"] == {"pebble": "box:0.375,0.25,0.25,0.5"}
    assert facts["obstacles"]["random-orthonormal"] is None


def test_info_of_the_adapter_and_the_analyzer(sample_zoo: Zoo) -> None:
    adapter = json.loads(sample_zoo("info", "adapter:mosaic", "--json").stdout)
    assert adapter["models"] == [MODEL]
    assert adapter["options"] == [{"name": "gain", "default": 1.0, "meaning": "contrast of the picture"}]
    analyzer = json.loads(sample_zoo("info", "random-orthonormal", "--json").stdout)
    assert analyzer["options"] == [{"name": "k", "default": 4, "meaning": "how many directions to return, at most"}]


def test_info_says_that_an_analyzer_requires_nothing(sample_zoo: Zoo) -> None:
    """An empty list must not remove the row from the table."""
    shown = sample_zoo("info", "random-orthonormal").stdout
    assert any(line.startswith("requires") for line in shown.splitlines())


def test_its_command_works(sample_zoo: Zoo) -> None:
    assert "mosaic-mean" in sample_zoo("--help").stdout
    assert "the mean of w (4 x 12) has length" in sample_zoo("mosaic-mean", "mosaic").stdout


def test_the_plugin_does_not_slow_the_listing(installed: Path, tmp_path: Path) -> None:
    """Listing a plugin does not import torch."""
    for arguments in (["list"], ["list", "--matrix"], ["info", "mosaic"], ["plugins"], ["--help"]):
        code = f"import sys\nfrom zoo.cli import run\nassert run({arguments!r}) == 0\nassert 'torch' not in sys.modules"
        python("-c", code, site=installed, cwd=tmp_path)


def test_without_the_plugin_nothing_of_it_is_known(run_zoo: Zoo) -> None:
    done = run_zoo("info", "mosaic")
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1


# The sample's network and the built-in ones meet the contract, with every analyzer


def assert_contract(plugin: AnalyzerPlugin, adapter: Adapter, layers: tuple[int, ...] | None, seed: int) -> None:
    """Analyse twice, and once with a callback that raises; compare the results, and require that no trace is left."""
    analyzer: Analyzer[Any] = plugin.resolve()(plugin.schema()())
    codes = draw(adapter, 2, seed)
    before = codes.latents.clone()

    def analyze(progress: Callable[[int, int, str], None]) -> Directions:
        region = parse_region("center", adapter.resolution)
        return analyzer.analyze(adapter, Probe(codes, region, layers, torch.Generator().manual_seed(seed), progress))

    def fail(done: int, total: int, what: str) -> None:
        raise KeyboardInterrupt

    with leaves_no_trace(adapter):
        found = analyze(lambda done, total, what: None)
    with leaves_no_trace(adapter):
        again = analyze(lambda done, total, what: None)
    with leaves_no_trace(adapter), suppress(KeyboardInterrupt):
        analyze(fail)
    assert torch.equal(codes.latents, before)
    assert found.space == adapter.space
    assert found.vectors.shape[1] == adapter.space.dim
    assert found.vectors.dtype == torch.float64
    assert len(found) >= 1
    assert torch.isfinite(found.vectors).all()
    assert torch.isfinite(found.scores).all()
    assert (found.scores[:-1] >= found.scores[1:]).all()
    torch.testing.assert_close(found.vectors.norm(dim=1), torch.ones(len(found), dtype=torch.float64))
    assert found.layers == (layers if adapter.space.layers > 1 else None)
    assert torch.equal(found.vectors, again.vectors)
    assert torch.equal(found.scores, again.scores)


def cells(plugins: Plugins) -> list[tuple[AnalyzerPlugin, str]]:
    """Return every analyzer with every adapter that it can run on."""
    pairs = [(analyzer, adapter) for analyzer in plugins.analyzers.values() for adapter in plugins.adapters.values()]
    return [(analyzer, adapter.name) for analyzer, adapter in pairs if analyzer.obstacle(adapter) is None]


@pytest.mark.parametrize("seed", SEEDS)
def test_matrix_on_tiny_networks(plugins: Plugins, seed: int) -> None:
    """Every analyzer meets the contract on the tiny network of every adapter, for every choice of layers."""
    tried = set()
    for plugin, name in cells(plugins):
        adapter = plugins.adapter(name).resolve().tiny(seed)
        for layers in layer_choices(adapter):
            assert_contract(plugin, adapter, layers, seed)
        tried.add((plugin.name, name))
    built_in = {
        (analyzer, family)
        for family in ("biggan", "biggan-deep", "dcgan", "pggan", "studiogan", "stylegan", "stylegan2")
        for analyzer in ("sefa", "lowrank", "nullspace", "resefa", "random-orthonormal")
    }
    assert built_in | {(analyzer, "mosaic") for analyzer, _ in built_in} <= tried


def test_matrix_on_the_shipped_model(plugins: Plugins, mosaic: Model) -> None:
    for plugin in plugins.analyzers.values():
        if plugin.obstacle(plugins.adapter("mosaic")) is None:
            for layers in (None, (1, 2)):
                assert_contract(plugin, mosaic.adapter, layers, 0)


@pytest.mark.parametrize("seed", SEEDS)
def test_conformance_of_the_tiny_network(plugins: Plugins, seed: int) -> None:
    check_adapter(plugins.adapter("mosaic").resolve().tiny(seed), seed)


def test_conformance_of_the_shipped_model(mosaic: Model) -> None:
    check_adapter(mosaic.adapter)


def test_tiny_depends_only_on_its_seed(plugins: Plugins) -> None:
    family = plugins.adapter("mosaic").resolve()
    first, again, other = (family.tiny(seed).network.state_dict() for seed in (3, 3, 4))
    assert all(torch.equal(first[key], again[key]) for key in first)
    assert not all(torch.equal(first[key], other[key]) for key in first)


def test_card_and_weights_agree(mosaic: Model) -> None:
    assert mosaic.layout == "mosaic"
    assert mosaic.adapter.resolution == (32, 32)
    assert mosaic.adapter.space == zoo.LatentSpace("w", 12, layers=4)


def test_options_come_from_the_card_and_from_the_caller(mosaic: Model) -> None:
    codes = mosaic.sample(2)
    plain = zoo.load(MODEL, device="cpu", options={"gain": 1.0}).adapter.synthesize(codes)
    torch.testing.assert_close(mosaic.adapter.synthesize(codes), 1.5 * plain)
    with pytest.raises(zoo.OptionError, match="gian"):
        zoo.load(MODEL, device="cpu", options={"gian": 1.0})


def test_truncation_scales_towards_the_mean(mosaic: Model) -> None:
    mean = mosaic.adapter.network.get_buffer("mean")
    untruncated = mosaic.sample(3, seed=5).latents
    truncated = mosaic.sample(3, seed=5, truncation=0.25).latents
    torch.testing.assert_close(truncated - mean, 0.25 * (untruncated - mean))


def test_weights_are_recognised_without_a_card(installed: Path, mosaic: Model) -> None:
    bare = zoo.load(installed / "zoo_sample_adapter" / "pebbles32.safetensors", device="cpu")
    assert bare.card.adapter == "mosaic"
    codes = bare.sample(1)
    torch.testing.assert_close(bare.adapter.synthesize(codes) * 1.5, mosaic.adapter.synthesize(codes))


def test_float64(plugins: Plugins) -> None:
    model = zoo.load(MODEL, device="cpu", dtype="float64")
    assert model.adapter.synthesize(model.sample(1)).dtype == torch.float64


def test_an_edit_moves_only_the_analysed_layers(plugins: Plugins, mosaic: Model) -> None:
    found = zoo.analyze(mosaic, "random-orthonormal", layers="1-2", k=2)
    assert found.layers == (1, 2)
    assert len(found) == 2
    codes = mosaic.sample(1)
    edited = zoo.edit(mosaic, found, codes=codes, strengths=(2.0,)).images[0, 0, 0]
    moved = codes.latents.clone()
    moved[:, 1:3] += 2 * found.vectors[0].to(moved)
    torch.testing.assert_close(edited, mosaic.adapter.synthesize(zoo.Codes(moved))[0])


# The command line on the shipped model


@pytest.fixture
def here(plugins: Plugins, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Change to an empty folder, in which the command line can run in this process, without importing torch again."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)
    for variable in [name for name in os.environ if name.startswith("ZOO_")]:
        monkeypatch.delenv(variable)
    return tmp_path


def metadata_of(file: Path) -> dict[str, Any]:
    with safe_open(file, framework="pt") as content:
        metadata: dict[str, Any] = json.loads(content.metadata()["card"])
    return metadata


@pytest.mark.parametrize(
    "arguments",
    [
        ("-a", "sefa"),
        ("-a", "lowrank", "--region", "pebble", "--samples", "2"),
        ("-a", "nullspace", "--region", "pebble"),
        ("-a", "random-orthonormal", "--region", "pebble+left", "-o", "k=3", "--truncation", "0.7"),
    ],
    ids=lambda arguments: arguments[1],
)
def test_analyze_writes_a_run_folder(here: Path, arguments: tuple[str, ...]) -> None:
    assert run_here(["analyze", "mosaic", *arguments, "--layers", "1-2", "--device", "cpu", "--out", "run"]) == 0
    folder = here / "run"
    assert {path.name for path in folder.iterdir()} == {
        "sheet.png",
        "report.html",
        "directions.safetensors",
        "codes.safetensors",
    }
    vectors = load_file(folder / "directions.safetensors")["vectors"]
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(len(vectors), dtype=vectors.dtype))
    metadata = metadata_of(folder / "directions.safetensors")
    assert metadata["layers"] == [1, 2]
    assert metadata["model"] == MODEL
    assert metadata["analyzer"] == arguments[1]
    assert load_file(folder / "codes.safetensors")["latents"].shape[1:] == (4, 12)
    assert MODEL in (folder / "report.html").read_text(encoding="utf-8")


def test_edit_and_the_recorded_command(sample_zoo: Zoo, tmp_path: Path) -> None:
    """Directions of a run folder can be used to edit, and its recorded command gives the same directions again."""
    question = ["mosaic", "-a", "random-orthonormal", "-o", "k=3", "--layers", "1-2"]
    done = sample_zoo("analyze", *question, "--device", "cpu", "--out", "run")
    # the licence is shown once, for whichever test comes first
    assert done.stderr in {"", f"{MODEL} · weights: CC0-1.0; data: none\n"}
    file = tmp_path / "run" / "directions.safetensors"
    assert metadata_of(file)["layers"] == [1, 2]
    sample_zoo(
        "edit",
        "mosaic",
        "run",
        "--layers",
        "2-3",
        "--index",
        "0,2",
        "--samples",
        "2",
        "--video",
        "gif",
        "--out",
        "edited",
    )
    assert {path.name for path in (tmp_path / "edited").iterdir()} == {"sheet.png", "edit.gif", "codes.safetensors"}
    program, *command = shlex.split(metadata_of(file)["command"])
    assert program == "zoo"
    sample_zoo(*command, "--out", "again")
    again = load_file(tmp_path / "again" / "directions.safetensors")["vectors"]
    assert torch.equal(load_file(file)["vectors"], again)


@pytest.mark.parametrize("layers", ["4", "2-9", "x", "3-1"])
def test_layers_that_do_not_exist(here: Path, capsys: pytest.CaptureFixture[str], layers: str) -> None:
    assert run_here(["analyze", "mosaic", "--layers", layers, "--out", "run"]) == 2
    assert "--layers" in capsys.readouterr().err.splitlines()[-1]
    assert not (here / "run").exists()


# Broken plugins


def write_plugin(site: Path, name: str, code: str | None, *, module: str | None = None) -> Path:
    """Write a distribution with one module and its entry point."""
    module = module or name.replace("-", "_")
    folder = site / f"{name.replace('-', '_')}-1.2.dist-info"
    folder.mkdir(parents=True)
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.2\n")
    (folder / "entry_points.txt").write_text(f"[zoo]\n{module} = {module}\n")
    if code is not None:
        (site / f"{module}.py").write_text(code)
    return site


ADAPTER = """
from zoo import AdapterPlugin, AnalyzerPlugin, hookimpl

def entry(name):
    return AdapterPlugin(name=name, summary="nothing", load=load, provides=frozenset())

def load():
    raise RuntimeError("the network was forgotten")
"""

RAISES = {
    "exception": "raise RuntimeError('out of order')",
    "lines": "raise ValueError('out\\nof order')",
    "import": "import no_such_module_out_of_order",
    "syntax": "this is out of order",
    "exit": "raise SystemExit('out of order')",
    "attribute": "from zoo import out_of_order",
}


def require_warning(done: subprocess.CompletedProcess[str], *words: str) -> str:
    """Require success, and one line on standard error, a warning with the given words; return the line."""
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    return done.stderr


@pytest.mark.parametrize("code", RAISES.values(), ids=RAISES)
def test_a_plugin_that_cannot_be_imported(run_zoo: Zoo, installed: Path, tmp_path: Path, code: str) -> None:
    """There is one warning with the distribution and the error, and other plugins work."""
    broken = write_plugin(tmp_path / "site", "a-broken-plugin", code)
    done = run_zoo("list", site=(installed, broken))
    require_warning(done, "warning", "a-broken-plugin 1.2", "order" if "this is" not in code else "SyntaxError")
    assert MODEL in done.stdout
    assert "dcgan" in done.stdout


def test_a_plugin_whose_module_is_missing(run_zoo: Zoo, tmp_path: Path) -> None:
    require_warning(
        run_zoo("list", site=(write_plugin(tmp_path / "site", "gone", None),)), "gone 1.2", "ModuleNotFound"
    )


def test_zoo_plugins_shows_the_broken_plugin(run_zoo: Zoo, tmp_path: Path) -> None:
    broken = write_plugin(tmp_path / "site", "a-broken-plugin", RAISES["exception"])
    done = run_zoo("plugins", site=(broken,))
    require_warning(done, "a-broken-plugin")
    [line] = [line for line in done.stdout.splitlines() if "a-broken-plugin" in line]
    assert "RuntimeError: out of order" in line


def test_an_analysis_runs_beside_a_broken_plugin(run_zoo: Zoo, installed: Path, tmp_path: Path) -> None:
    broken = write_plugin(tmp_path / "site", "a-broken-plugin", RAISES["exception"])
    done = run_zoo("analyze", "mosaic", "--layers", "1-2", "--out", "run", site=(installed, broken))
    assert done.returncode == 0, done.stderr
    assert len([line for line in done.stderr.splitlines() if "warning" in line]) == 1
    assert (tmp_path / "run" / "report.html").exists()


@pytest.mark.parametrize("code", RAISES.values(), ids=RAISES)
def test_strict_mode_makes_a_broken_plugin_an_error(run_zoo: Zoo, tmp_path: Path, code: str) -> None:
    broken = write_plugin(tmp_path / "site", "a-broken-plugin", code)
    done = run_zoo("list", site=(broken,), ZOO_STRICT_PLUGINS="1")
    assert done.returncode == 2, done.stderr
    assert done.stderr.count("\n") == 1, done.stderr
    assert "a-broken-plugin 1.2" in done.stderr
    assert done.stdout == ""


def test_strict_mode_accepts_good_plugins(sample_zoo: Zoo) -> None:
    assert sample_zoo("list", ZOO_STRICT_PLUGINS="1").stderr == ""


# Which plugins are loaded

PLAIN = "from zoo import hookimpl\n"


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ("2", ("contract 2.0", "upgrade latent-zoo")),
        ("(1, 99)", ("contract 1.99", "upgrade latent-zoo")),
        ("0", ("contract 0.0", "upgrade a-dated-plugin")),
        ("'1'", ("zoo_contract = '1' is neither a number nor (major, minor)",)),
        ("True", ("zoo_contract = True is neither",)),
    ],
)
def test_a_plugin_for_another_contract(run_zoo: Zoo, tmp_path: Path, declared: str, words: tuple[str, ...]) -> None:
    """It is skipped with one warning that says what to upgrade, and `zoo plugins` shows the reason, too."""
    code = f"{ADAPTER}\nzoo_contract = {declared}\n@hookimpl\ndef zoo_adapters():\n    return [entry('dated')]\n"
    done = run_zoo("plugins", site=(write_plugin(tmp_path / "site", "a-dated-plugin", code),))
    require_warning(done, "a-dated-plugin 1.2 was skipped", *words)
    [line] = [line for line in done.stdout.splitlines() if "a-dated-plugin" in line]
    assert all(word in line for word in words)


@pytest.mark.parametrize("declared", ["", "zoo_contract = 1\n", "zoo_contract = (1, 0)\n"])
def test_a_plugin_for_this_contract(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, declared: str) -> None:
    monkeypatch.syspath_prepend(write_plugin(tmp_path, f"a-plugin-{len(declared)}", PLAIN + declared))
    [found] = [info for info in load_plugins().infos if info.distribution.startswith("a-plugin-")]
    assert (found.contract, found.error) == ((1, 0), None)


@pytest.mark.parametrize(
    ("chosen", "loaded"),
    [
        (None, {"one-plugin", "other-plugin"}),
        ("", set()),
        ("one-plugin", {"one-plugin"}),
        ("One_Plugin, other.plugin", {"one-plugin", "other-plugin"}),
        ("one_plugin", {"one-plugin"}),
        ("-one-plugin", {"other-plugin"}),
        ("-one-plugin,-other-plugin", set()),
    ],
)
def test_the_environment_selects_plugins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str | None, loaded: set[str]
) -> None:
    for name in ("one-plugin", "other-plugin"):
        write_plugin(tmp_path, name, PLAIN)
    monkeypatch.syspath_prepend(tmp_path)
    if chosen is not None:
        monkeypatch.setenv("ZOO_PLUGINS", chosen)
    infos = {info.distribution: info for info in load_plugins().infos}
    assert "latent-zoo" in infos
    for name in ("one-plugin", "other-plugin"):
        assert infos[name].error == (None if name in loaded else "left out by ZOO_PLUGINS")
    for name in [name for name in sys.modules if name in {"one_plugin", "other_plugin"}]:
        del sys.modules[name]


@pytest.mark.parametrize(
    ("chosen", "words"),
    [
        ("one-plugim", "no installed plugin is called 'one-plugim': did you mean one-plugin"),
        ("-one-plugim", "did you mean one-plugin"),
        ("one-plugin,-one-plugin", "not both"),
    ],
)
def test_a_selection_that_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chosen: str, words: str) -> None:
    monkeypatch.syspath_prepend(write_plugin(tmp_path, "one-plugin", PLAIN))
    monkeypatch.setenv("ZOO_PLUGINS", chosen)
    with pytest.raises(zoo.PluginError, match=words):
        load_plugins()


HOOKS = {
    "zoo_adapters": ("", ("list", "--adapters")),
    "zoo_analyzers": ("", ("list", "--analyzers")),
    "zoo_registries": ("", ("list",)),
    "zoo_commands": ("app", ("list",)),
}


@pytest.mark.parametrize("hook", HOOKS)
def test_a_hook_that_raises(run_zoo: Zoo, installed: Path, tmp_path: Path, hook: str) -> None:
    """Only that hook is skipped, with one warning; the plugin's other hooks and other plugins work."""
    parameters, command = HOOKS[hook]
    code = f"{ADAPTER}\n@hookimpl\ndef {hook}({parameters}):\n    raise LookupError('nothing here')\n"
    broken = write_plugin(tmp_path / "site", "a-raising-plugin", code)
    done = run_zoo(*command, site=(installed, broken))
    require_warning(done, hook, "a-raising-plugin 1.2", "LookupError: nothing here")
    assert done.stdout == run_zoo(*command, site=(installed,)).stdout
    strict = run_zoo(*command, site=(installed, broken), ZOO_STRICT_PLUGINS="1")
    assert strict.returncode == 2
    assert strict.stderr.count("\n") == 1


@pytest.mark.parametrize("result", ["['mosaic']", "'mosaic'", "[None]", "5", "[entry]"])
def test_a_hook_that_returns_something_else(run_zoo: Zoo, installed: Path, tmp_path: Path, result: str) -> None:
    code = f"{ADAPTER}\n@hookimpl\ndef zoo_adapters():\n    return {result}\n"
    broken = write_plugin(tmp_path / "site", "an-odd-plugin", code)
    done = run_zoo("list", "--adapters", site=(installed, broken))
    require_warning(done, "zoo_adapters", "an-odd-plugin 1.2")
    assert done.stdout == run_zoo("list", "--adapters", site=(installed,)).stdout


@pytest.mark.parametrize(
    "code",
    [
        "from zoo import hookimpl\n@hookimpl\ndef zoo_telescopes():\n    return []\n",
        "from zoo import hookimpl\n@hookimpl\ndef zoo_adapters(telescope):\n    return []\n",
    ],
    ids=["unknown hook", "unknown argument"],
)
def test_a_plugin_for_another_zoo(run_zoo: Zoo, installed: Path, tmp_path: Path, code: str) -> None:
    """A plugin with a hook that zoo does not know is skipped; plugins that are loaded after it are not."""
    broken = write_plugin(tmp_path / "site", "a-strange-plugin", code)
    done = run_zoo("list", site=(installed, broken))
    require_warning(done, "a-strange-plugin 1.2", "telescope")
    assert MODEL in done.stdout
    assert done.stdout == run_zoo("list", site=(installed,)).stdout


def test_nothing_of_a_skipped_plugin_is_used(run_zoo: Zoo, tmp_path: Path) -> None:
    code = f"{ADAPTER}\n@hookimpl\ndef zoo_telescopes():\n    return []\n"
    code += "@hookimpl\ndef zoo_adapters():\n    return [entry('half')]\n"
    done = run_zoo("list", "--adapters", site=(write_plugin(tmp_path / "site", "a-strange-plugin", code),))
    require_warning(done, "a-strange-plugin 1.2", "skipped")
    assert "half" not in done.stdout


def test_an_adapter_whose_class_cannot_be_loaded(run_zoo: Zoo, installed: Path, tmp_path: Path) -> None:
    """Weights files of other families are still detected, and the warning names the plugin as the cause."""
    code = f"{ADAPTER}\n@hookimpl\ndef zoo_adapters():\n    return [entry('absent')]\n"
    broken = write_plugin(tmp_path / "site", "an-empty-plugin", code)
    file = installed / "zoo_sample_adapter" / "pebbles32.safetensors"
    done = run_zoo("sample", file, "--samples", "2", "--out", "pictures", site=(installed, broken))
    assert done.returncode == 0, done.stderr
    [line] = [line for line in done.stderr.splitlines() if "warning" in line]
    assert "the network was forgotten" in line


def test_a_hook_without_its_decorator(run_zoo: Zoo, tmp_path: Path) -> None:
    """A function without `hookimpl` is not a hook, and `zoo plugins` does not list it as one."""
    code = f"{ADAPTER}\ndef zoo_adapters():\n    return [entry('unmarked')]\n"
    done = run_zoo("plugins", site=(write_plugin(tmp_path / "site", "an-unmarked-plugin", code),))
    [line] = [line for line in done.stdout.splitlines() if "an-unmarked-plugin" in line]
    assert "zoo_adapters" not in line


# Names that are taken


@pytest.mark.parametrize(
    "command",
    [
        ("list", "--adapters"),
        ("list", "--matrix"),
        ("info", "adapter:dcgan"),
        ("info", "dcgan"),
        ("analyze", "dcgan", "--out", "run"),
    ],
    ids=" ".join,
)
def test_an_adapter_name_that_is_taken(run_zoo: Zoo, tmp_path: Path, command: tuple[str, ...]) -> None:
    code = f"{ADAPTER}\n@hookimpl\ndef zoo_adapters():\n    return [entry('dcgan')]\n"
    done = run_zoo(*command, site=(write_plugin(tmp_path / "site", "a-greedy-plugin", code),))
    refused(done, "'dcgan'", "zoo itself", "a-greedy-plugin 1.2")
    assert not (tmp_path / "run").exists()


def test_an_analyzer_name_that_is_taken(run_zoo: Zoo, tmp_path: Path) -> None:
    code = f"{ADAPTER}\n@hookimpl\ndef zoo_analyzers():\n    return [AnalyzerPlugin(name='sefa', summary='', "
    code += "load=load, requires=frozenset())]\n"
    done = run_zoo("list", "--analyzers", site=(write_plugin(tmp_path / "site", "a-greedy-plugin", code),))
    refused(done, "'sefa'", "zoo itself", "a-greedy-plugin 1.2")


@pytest.mark.parametrize("name", ["dcgan.digiface64", MODEL])
def test_a_model_name_that_is_taken(run_zoo: Zoo, installed: Path, tmp_path: Path, name: str) -> None:
    done = run_zoo("list", site=(installed, model_plugin(tmp_path / "site", name)))
    refused(done, repr(name), "a-greedy-plugin 1.2", "zoo itself" if "dcgan" in name else "zoo-sample-adapter 0.3.1")


def test_a_second_default_is_skipped_naming_both_models(run_zoo: Zoo, tmp_path: Path) -> None:
    done = run_zoo("list", site=(model_plugin(tmp_path / "site", "dcgan.mine", default=True),))
    require_warning(done, "a-greedy-plugin 1.2", "dcgan.mine", "dcgan.digiface64")
    assert "dcgan.mine" not in done.stdout


def test_a_command_name_that_is_taken(run_zoo: Zoo, tmp_path: Path) -> None:
    """A plugin cannot replace one of zoo's commands."""
    code = "from zoo import hookimpl\n@hookimpl\ndef zoo_commands(app):\n    @app.command('list')\n"
    code += "    def other() -> None:\n        print('taken over')\n"
    done = run_zoo("list", site=(write_plugin(tmp_path / "site", "a-greedy-plugin", code),))
    refused(done, "'list'", "zoo itself", "a-greedy-plugin 1.2")


def test_the_plugins_can_be_listed_while_a_name_is_taken_twice(run_zoo: Zoo, tmp_path: Path) -> None:
    """`zoo plugins` must work, as it shows what to uninstall."""
    code = f"{ADAPTER}\n@hookimpl\ndef zoo_adapters():\n    return [entry('dcgan')]\n"
    done = run_zoo("plugins", site=(write_plugin(tmp_path / "site", "a-greedy-plugin", code),))
    assert done.returncode == 0
    assert "a-greedy-plugin" in done.stdout


def test_a_registry_file_of_a_plugin_that_is_wrong(run_zoo: Zoo, installed: Path, tmp_path: Path) -> None:
    """There is one warning that names the owner of the file, and other models are listed."""
    site = model_plugin(tmp_path / "site", "no point")
    done = run_zoo("list", site=(installed, site))
    require_warning(done, "a-greedy-plugin 1.2", "no point")
    assert done.stdout == run_zoo("list", site=(installed,)).stdout


def model_plugin(site: Path, name: str, *, default: bool = False) -> Path:
    """Write a plugin that ships one card, of the architecture dcgan."""
    code = "from pathlib import Path\nfrom zoo import hookimpl\n@hookimpl\ndef zoo_registries():\n"
    code += "    return [Path(__file__).with_name('cards.yaml')]\n"
    write_plugin(site, "a-greedy-plugin", code)
    card = {
        "name": name,
        "adapter": "dcgan",
        "default": default,
        "summary": "somebody else's",
        "resolution": 64,
        "space": "z",
        "dim": 100,
        "weights": {"sources": [{"url": "weights.pt"}]},
        "licence": {"weights": "MIT"},
    }
    (site / "cards.yaml").write_text(json.dumps({"models": [card]}))
    return site


def refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    """Require exit code 2, and one line on standard error with the given words."""
    assert done.returncode == 2, (done.stdout, done.stderr)
    assert done.stderr.count("\n") == 1, done.stderr
    for word in words:
        assert word in done.stderr
