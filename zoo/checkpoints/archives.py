"""Weights files inside archives and folders: the only one there is taken; of several, the user names one.

Archives are untrusted. Members are told by their first bytes, nothing is unpacked to a path that the archive names, and
what unpacks to much more than it takes on disk is refused.
"""

from __future__ import annotations

import errno
import io
import re
import shutil
import tempfile
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from zoo._utils.untrusted.opening import read_head
from zoo._utils.untrusted.pipelines import INDEX
from zoo._utils.untrusted.tarfiles import is_tar, tar_members
from zoo._utils.untrusted.unpacking import BROKEN, COMPRESSIONS, BombError, BoundedStream, open_zip
from zoo.errors import CheckpointError

# Bytes at the beginning of a file by which it is recognised, and by which an archive is.
HEAD_BYTES = 64
ARCHIVE_HEAD_BYTES = 512

_LISTED = 4
_LONGEST_TEXT = 60  # characters of a name or of an error that a message repeats

# The list of a network's parts, as Hugging Face's libraries name it, and what to do with them.
SPLIT = r".*\.(bin|safetensors)\.index\.json"
SPLIT_WEIGHTS = (
    "weights split into several files: load each, with safetensors.torch.load_file or torch.load, and save all their "
    "tensors as one file"
)

# What training scripts leave beside weights: settings, optimizers and states of random numbers, no networks.
_BESIDE_WEIGHTS = re.compile(
    r"(.*/)?(training_args\.bin|(optimizer|scheduler|scaler)(_\d+)?\.(bin|pt)|random_states_\d+\.pkl|rng_state(_\d+)?\.pth)"
)

# The same network in two formats, as Hugging Face's libraries write them; they read the first, and so does zoo.
_SAME_NETWORK = {
    ("model.safetensors", "pytorch_model.bin"),
    ("diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"),
}

# Names of files that are only together a network, what they are, and what to do.
_KNOWN_SETS = {
    r"(.*/)?data\.pkl": "an unpacked file of torch: pack the folder of data.pkl again, 'zip -0 -r NEW.pt FOLDER'",
    r"(.*/)?saved_model\.pb(txt)?": "a SavedModel of TensorFlow, a graph, which is code; zoo reads files of weights",
    r".*\.data-\d+-of-\d+": "a checkpoint of TensorFlow, which only TensorFlow reads; zoo reads pickled networks",
    SPLIT: SPLIT_WEIGHTS,
    r".*\.distcp": "a distributed checkpoint of torch: torch.distributed.checkpoint.format_utils.dcp_to_torch_save",
    r"storages": "a file of torch before 0.1.10: save it again with a torch of 2017 to 2020",
}


def is_weights_file(head: bytes) -> bool:
    """Say whether a file begins as weights files do.

    Args:
        head: Its first bytes, `HEAD_BYTES` of them if it has so many.
    """
    # The head of a safetensors file is a JSON object after eight bytes with its length.
    return is_safetensors(head) or head.startswith((b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05"))


def is_safetensors(head: bytes) -> bool:
    """Say whether a file begins with the length of a header and a JSON object, as safetensors files do.

    Args:
        head: Its first bytes.
    """
    return len(head) > 9 and head[8:9] == b"{" and head[5:8] == bytes(3)


def is_archive(head: bytes) -> bool:
    """Say whether a file begins as archives and compressed files do.

    Args:
        head: Its first bytes, `ARCHIVE_HEAD_BYTES` of them if it has so many.
    """
    return head.startswith((b"PK", *COMPRESSIONS)) or is_tar(head)


def weights_file_in(folder: Path) -> Path:
    """Find the weights file of a folder, such as a snapshot of Hugging Face.

    Args:
        folder: The folder, or one that holds nothing but that folder.

    Returns:
        The only file in it that begins as weights files do; of a pipeline of diffusers, its index.

    Raises:
        CheckpointError: If there is none, or if there are several.
    """
    if (folder / INDEX).is_file():
        return folder / INDEX
    try:
        paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
        if len(paths) == 1 and paths[0].is_dir():
            return weights_file_in(paths[0])
        files = [path for path in paths if path.is_file() and not _BESIDE_WEIGHTS.fullmatch(path.name)]
        found = [path.name for path in files if is_weights_file(read_head(path, HEAD_BYTES))]
    except OSError as error:
        raise CheckpointError(f"cannot read {folder}: {error.strerror}") from None
    names = [path.name for path in paths]
    if tuple(found) in {tuple(sorted(pair)) for pair in _SAME_NETWORK}:
        found = [name for name in found if name.endswith(".safetensors")]
    return folder / _only(found, names, f"the folder {folder}", "name one of them instead of the folder")


@contextmanager
def unpacked_weights(path: Path) -> Iterator[tuple[Path, str, str] | None]:
    """Unpack the only weights file of an archive.

    Args:
        path: Any file but a zip archive of torch.

    Yields:
        The unpacked file, which exists within the ``with`` statement, its name in the archive, and what kind of archive
        that is; None if the file is no archive.

    Raises:
        CheckpointError: If the archive is broken or encrypted, holds no weights file or several, or unpacks to much
            more than its size.
    """
    head = read_head(path, ARCHIVE_HEAD_BYTES)
    if not is_archive(head):
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        target = Path(folder) / "weights"
        try:
            if head.startswith(b"PK"):
                kind, name = "zip archive", _unpack_zip(path, target)
            else:
                kind, name = _unpack_stream(path, target, head)
        except BombError as error:
            raise CheckpointError(f"{path} was refused: {error}") from None
        except BROKEN as error:  # a RuntimeError means an encrypted member
            raise CheckpointError(f"{path} is an archive that cannot be read: {_brief(str(error))}") from None
        except OSError as error:
            if error.errno not in (None, errno.EINVAL):  # a zip archive may ask for a place before its beginning
                raise
            raise CheckpointError(f"{path} is an archive that cannot be read: {_brief(str(error))}") from None
        yield target, name, kind


def _unpack_stream(path: Path, target: Path, head: bytes) -> tuple[str, str]:
    """Unpack the only weights file of a tar archive, or a compressed file; return the kind of archive and the name."""
    found = (value for magic, value in COMPRESSIONS.items() if head.startswith(magic))
    compression, opened = next(found, ("", open))
    with opened(path, "rb") as stream:
        packs_files = is_tar(stream.read(ARCHIVE_HEAD_BYTES))
    with opened(path, "rb") as stream:
        bounded = BoundedStream(stream, path.stat().st_size)
        if packs_files:
            return f"tar archive{f' ({compression})' * bool(compression)}", _unpack_tar(path, target, bounded)
        _copy(bounded, target)
    return f"{compression} file", path.stem


def _unpack_tar(path: Path, target: Path, stream: BoundedStream) -> str:
    names, found = [], []
    for member in tar_members(stream):
        if member.name.endswith("/"):
            continue
        names.append(member.name)
        if not member.is_file or _is_hidden(member.name):
            continue
        head = member.content.read(HEAD_BYTES)
        if is_weights_file(head):
            found.append(member.name)
            if len(found) == 1:
                _copy(member.content, target, head)
    return _only(found, names, f"{path}, a tar archive,", f"unpack it, 'tar -xf {path.name}', and name one of them")


def _unpack_zip(path: Path, target: Path) -> str:
    with open_zip(path) as archive:
        members = [member for member in archive.infolist() if not member.filename.endswith("/")]  # may be empty
        found = []
        for member in members:
            if not _is_hidden(member.filename):
                with archive.open(member) as content:
                    if is_weights_file(content.read(HEAD_BYTES)):
                        found.append(member)
        names = [member.filename for member in members]
        what_to_do = f"unpack it, 'unzip {path.name}', and name one of them"
        name = _only([member.filename for member in found], names, f"{path}, a zip archive,", what_to_do)
        with archive.open(found[0]) as content:
            _copy(BoundedStream(content, path.stat().st_size), target)
    return name


def _only(found: list[str], names: Collection[str], where: str, what_to_do: str) -> str:
    """Return the only weights file; explain what else there is."""
    for pattern, explanation in _KNOWN_SETS.items():
        if any(re.fullmatch(pattern, name) for name in names):
            raise CheckpointError(f"{where} holds {explanation}")
    if len(found) == 1:
        return found[0]
    if found:
        raise CheckpointError(f"{where} holds {len(found)} weights files, {_listed(found)}: {what_to_do}")
    raise CheckpointError(f"{where} holds no weights file: it holds {_listed(names)}")


def _listed(names: Iterable[str]) -> str:
    shown = [_brief(name) for name in names]
    return ", ".join(shown[:_LISTED]) + (", …" if len(shown) > _LISTED else "") if shown else "nothing"


def _brief(text: str) -> str:
    """Bound a text from a file, such as a name, which may be as long as the file."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_TEXT else f"{text[:_LONGEST_TEXT]}…"


def _is_hidden(name: str) -> bool:
    """Tell whether a member is what training leaves beside a network, or an operating system: ``__MACOSX/._G.pth``."""
    added = name.startswith("__MACOSX/") or name.rpartition("/")[2].startswith(".")
    return added or _BESIDE_WEIGHTS.fullmatch(name) is not None


def _copy(source: IO[bytes] | io.BufferedIOBase, target: Path, head: bytes = b"") -> None:
    with target.open("wb") as copy:
        copy.write(head)
        shutil.copyfileobj(source, copy, 2**20)
