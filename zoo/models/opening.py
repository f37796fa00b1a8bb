"""Opening a model: from a name or a file to a card, its weights, and the network built from them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

from zoo._utils.lookups import is_file
from zoo._utils.progress import Progress, silent
from zoo._utils.showing import print_once
from zoo.checkpoints.layouts import DetectedCheckpoint, detect_checkpoint
from zoo.checkpoints.reader import require_weights
from zoo.core.adapter import Adapter
from zoo.core.channels import CHANNELS, MAX_SIDE, describe_channels
from zoo.core.options import ADAPTER_OPTION, GENERAL_OPTIONS, NETWORK_OPTION, parse_options
from zoo.errors import CheckpointError, OptionError, PluginError, is_out_of_memory
from zoo.models.choices import OpeningChoices, choose_device, choose_dtype
from zoo.models.cost import check_cost, image_cost, read_image_limit
from zoo.models.licences import print_licence
from zoo.models.model import Model
from zoo.models.model_cards import check_card, completed, find_card
from zoo.models.settings import typed_settings
from zoo.models.tuned import TunedFile
from zoo.plugins.skipped import warn_skipped
from zoo.registry.cards import Card, is_file_name
from zoo.registry.registry import Installation
from zoo.weights.fetch import fetch


def _say_in_doubt(in_doubt: Mapping[str, Any], family: str, path: Path, installation: Installation) -> str:
    schema = installation.plugins.adapter(family).schema()
    names = [name for name in in_doubt if name in schema.model_fields]
    choose = f"; choose others with -o {names[0]}=VALUE{' and the like' if names[1:] else ''}" if names else ""
    return f"{path.name} does not say all of its settings. Assumed: {describe_assumed(in_doubt)}{choose}"


def describe_assumed(assumed: Mapping[str, Any]) -> str:
    """Describe in words what was assumed of a network.

    Args:
        assumed: Values by the names of settings.

    Returns:
        The settings as options are written; nothing where nothing was assumed.
    """
    return ", ".join(f"{name}={'none' if value is None else value}" for name, value in assumed.items())


def open_model(name: str | Path, installation: Installation, **loading: Any) -> Model:
    """Open a model by the name of its card, or straight from a weights file in a format that an architecture knows.

    Args:
        name: The name or the path.
        installation: The plugins and the registry.
        **loading: The keyword arguments of `open_card`.

    Returns:
        The model.

    Raises:
        UnknownNameError: If there is no such model or file.
        ZooError: What `open_card` raises.
    """
    model = open_card(find_card(name, installation), installation, **loading)
    return replace(model, opening=replace(model.opening, name=str(name))) if is_file_name(str(name)) else model


def open_card(
    card: Card,
    installation: Installation,
    *,
    space: str | None = None,
    device: str = "auto",
    dtype: str = "float32",
    options: Mapping[str, Any] | None = None,
    progress: Progress = silent,
    announce: Callable[[Card], None] = print_licence,
    tuned: str | Path | None = None,
) -> Model:
    """Open the model of a card.

    Args:
        card: The card; if it names no adapter, the architecture that knows the file's format is taken.
        installation: The plugins and the registry.
        space: The latent space; None stands for the architecture's usual one.
        device: A device of torch, or ``auto``: CUDA if there is a GPU.
        dtype: ``float32`` or ``float64``.
        options: Options of the architecture, which take precedence over the card's; `adapter`, the architecture, where
            layouts of several fit the file; `network`, the name in the file of the network to read, where there are
            several; and `image_limit`, by which the limits on the cost of an image are multiplied.
        progress: Called with (steps done, steps in all, what is being done).
        announce: Called with the card, licence included, before the weights are used.
        tuned: Tuned weights to put in the place of some of the file's: a file, or the run folder that holds it.

    Returns:
        The model; its card is completed by what the weights say.

    Raises:
        OptionError: For a device, a dtype or an option of the architecture that is not there.
        CardError: If the card and the file differ.
        WeightsError: If the weights cannot be fetched.
        CheckpointError: If the file cannot be read, or makes no network; or the tuned weights do not belong to it.
    """
    # What can be refused without the weights is refused before they are fetched.
    choose_device(device)
    choose_dtype(dtype)
    image_limit = read_image_limit(options or {})
    if architecture := _architecture(card, options or {}):
        _validated_options(architecture, installation, card, options)
    tuned_file = None if tuned is None else TunedFile.find(tuned)
    if tuned_file and card.weights.sha256:
        tuned_file.require_weights(card.name, card.weights.sha256)
    announce(card)
    path, sha256 = fetch_weights(card, progress)
    loading: dict[str, Any] = {"space": space, "device": device, "dtype": dtype, "options": options}
    detected, model = read_model(card, path, sha256, installation, progress=progress, **loading)
    check_cost(model.adapter, str(path), image_limit)
    in_doubt = detected.in_doubt(model.opening.settings)
    if in_doubt and not card.adapter:
        print_once(_say_in_doubt(in_doubt, detected.family, path, installation))
    return model if tuned_file is None else tuned_file.put_into(model)


def fetch_weights(card: Card, progress: Progress = silent) -> tuple[Path, str]:
    """Fetch the file of a card; one that only lies on this machine is looked at before it is hashed.

    Args:
        card: The card.
        progress: See `zoo.weights.fetch.fetch`.

    Returns:
        The path of the file, and its sha256.

    Raises:
        CheckpointError: If the file on this machine is none of weights, as its head tells.
        WeightsError: If no source gives the file that the card names.
    """
    for path in card.paths():
        if is_file(path) and not card.weights.remote:
            require_weights(path)
    return fetch(card, progress)


def read_model(
    card: Card,
    path: Path,
    sha256: str,
    installation: Installation,
    *,
    space: str | None = None,
    device: str = "cpu",
    dtype: str = "float32",
    options: Mapping[str, Any] | None = None,
    progress: Progress = silent,
) -> tuple[DetectedCheckpoint, Model]:
    """Read a fetched weights file and build the network.

    Args:
        card: The card that the file belongs to.
        path: The file.
        sha256: Its hash.
        installation: The plugins and the registry.
        space: See `open_card`.
        device: See `open_card`.
        dtype: See `open_card`.
        options: See `open_card`.
        progress: See `open_card`.

    Returns:
        What the file was detected as, and the model.

    Raises:
        OptionError: See `open_card`.
        CardError: See `open_card`.
        CheckpointError: See `open_card`.
    """
    progress(0, 2, "opening the network")
    chosen = {**card.config, **(options or {})}
    families = _adapter_classes(_architecture(card, chosen), installation)
    network = chosen.get(NETWORK_OPTION)
    with _naming(path):
        detected = detect_checkpoint(path, families, None if network is None else str(network))
    progress(1, 2, "opening the network")
    settings = _validated_options(detected.family, installation, card, options)
    schema = installation.plugins.adapter(detected.family).schema()
    detected = replace(detected, config=typed_settings(detected, families[detected.family], schema, path))
    opening = OpeningChoices(card.name, space, dict(options or {}), settings)
    torch_device = choose_device(device)
    torch_dtype = choose_dtype(dtype)
    with _naming(path), _explaining_bad_settings(path, detected.family):
        adapter = families[detected.family].load(
            detected.state, {**detected.config, **settings}, space=space, device=torch_device, dtype=torch_dtype
        )
        _check_images(adapter, f"{path} holds a {detected.family}")
        image_cost(adapter)
        _name_classes(adapter, card, settings)
        completed_card = completed(card, detected.family, adapter)
    check_card(card, completed_card, path, has_options=bool(options))
    progress(2, 2, "opening the network")
    model = Model(completed_card, adapter, sha256, detected.layout, opening, detected.assumed(settings))
    return detected, model


def _validated_options(
    family: str, installation: Installation, card: Card, options: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Validate the options that a card and the caller give an architecture; the caller's take precedence."""
    schema = installation.plugins.adapter(family).schema()
    classes = {"classes": card.classes} if card.classes and "classes" in schema.model_fields else {}
    chosen = {**classes, **card.config, **(options or {})}
    for name in GENERAL_OPTIONS:
        chosen.pop(name, None)
    return parse_options(family, schema, chosen).model_dump(exclude_unset=True)


def _architecture(card: Card, chosen: Mapping[str, Any]) -> str | None:
    """Return the architecture that a card or the caller names. Raises `OptionError` where they name two."""
    name = chosen.get(ADAPTER_OPTION)
    if name is None or (card.adapter and name == card.adapter):
        return card.adapter or None
    if card.adapter:
        raise OptionError(f"-o {ADAPTER_OPTION}={name}: {card.name} is a {card.adapter}, as its card says")
    return str(name)


def _adapter_classes(architecture: str | None, installation: Installation) -> dict[str, type[Adapter]]:
    """Load the adapter classes that may read a file: those of one architecture, or of all.

    A plugin that cannot be loaded is an error if the architecture was named, and skipped otherwise.
    """
    plugins = [installation.plugins.adapter(architecture)] if architecture else installation.plugins.adapters.values()
    classes = {}
    for plugin in plugins:
        try:
            classes[plugin.name] = plugin.resolve()
        except PluginError as error:
            if architecture:
                raise
            warn_skipped(str(error), error)
    return classes


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the file in whatever is found to be wrong with it."""
    try:
        yield
    except CheckpointError as error:
        if str(path) in str(error):
            raise
        raise CheckpointError(f"{path}: {error}") from error


@contextmanager
def _explaining_bad_settings(path: Path, family: str) -> Iterator[None]:
    """Turn whatever a network's constructor raises for settings that make no sense into a `CheckpointError`."""
    try:
        yield
    except (LookupError, TypeError, ValueError, ArithmeticError, AttributeError, RuntimeError) as error:
        if is_out_of_memory(error):
            raise
        cause = " ".join(str(error).split())[:120]
        raise CheckpointError(f"{path} holds a {family} whose settings make no network: {cause}") from error


def _check_images(adapter: Adapter, what: str) -> None:
    """Raise `CheckpointError` for images that are too large, or of channels that nobody knows how to show."""
    if max(adapter.resolution) > MAX_SIDE:
        raise CheckpointError(f"{what} of more than {MAX_SIDE:,} pixels a side")
    if adapter.channels not in CHANNELS:
        *most, last = map(describe_channels, CHANNELS)
        raise CheckpointError(f"{what} of {adapter.channels} channels: zoo draws {', '.join(most)} and {last} channels")


def _name_classes(adapter: Adapter, card: Card, settings: Mapping[str, Any]) -> None:
    """Give a network's classes the card's names, if the architecture has no option for them."""
    if "classes" not in settings and card.classes and len(card.classes) == len(adapter.classes):
        adapter.classes = card.classes
