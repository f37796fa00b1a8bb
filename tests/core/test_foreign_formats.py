"""The eight kinds of files that other projects keep directions and codes in: each one read, and its ambiguous twin.

Each file is written as the project in question writes it, for a network of 18 rows of 512 numbers. Its twin is the file
of the same kind that can be read in several ways, or that holds something else: it is refused, in words that say how to
read it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from zoo import CodesError, Directions, DirectionsError, LatentSpace
from zoo.core.files.arrays import ReadingWarning
from zoo.core.files.codes import load_codes

ROWS, DIM = 18, 512
W = LatentSpace("w", DIM, layers=ROWS)
DRAWN = np.random.default_rng(0).normal(size=(ROWS, DIM)).astype(np.float32)
SQUARE = np.linalg.qr(np.random.default_rng(1).normal(size=(DIM, DIM)))[0].astype(np.float32)

Array = NDArray[Any]
Write = Callable[[Path], object]


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes:
        kind: Which of the eight kinds it is.
        name: The name of the file.
        write: Writes it.
        found: What is read: directions, scaled to a root mean square length of 1, or codes.
        said: What a warning says of the reading; empty where nothing is left open.
        twin: Writes the file of the same name that is refused.
        asked: What the message says of that.
        codes: Whether it holds codes.
    """

    kind: str
    name: str
    write: Write
    found: Array
    twin: Write
    asked: str
    said: str = ""
    codes: bool = False


def npy(array: Array) -> Write:
    return lambda path: np.save(path, array)


def npz(**arrays: Array) -> Write:
    return lambda path: np.savez_compressed(path, **arrays)  # type: ignore[arg-type]


def pt(value: Any) -> Write:
    return lambda path: torch.save(value, path)


def tensor(array: Array) -> torch.Tensor:
    return torch.from_numpy(array)


def dump(**changed: Array) -> dict[str, Array]:
    """Return what GANSpace's decomposition.py dumps of the layer ``style``."""
    known = {
        "act_comp": DRAWN[:3, None] + 1,
        "act_mean": DRAWN[:1, None],
        "act_stdev": DRAWN[0, :3],
        "lat_comp": DRAWN[:3, None],
        "lat_mean": DRAWN[:1, None],
        "lat_stdev": DRAWN[0, :3],
        "var_ratio": DRAWN[0, :3],
        "random_stdevs": DRAWN[0, :3],
    }
    return {name: array for name, array in {**known, **changed}.items() if array.size}


NONE = np.zeros(0)
ONE_OR_MANY = "--as rows if it is one .* --as directions if it is 18"
ONE_CODE_OR_MANY = "--codes-as rows if it is one .* --codes-as codes if it is 18"

FORMATS = [
    Format(".npy", "directions.npy", npy(DRAWN[:5]), DRAWN[:5], npy(DRAWN), ONE_OR_MANY, said="5 directions, each"),
    Format(
        *(".npz", "found.npz", npz(found=DRAWN[:1]), DRAWN[:1]),
        *(npz(smile=DRAWN[:1], age=DRAWN[1:2]), "choose one by its name, as in FILE#smile"),
    ),
    Format(
        *(".pt", "direction.pt", pt(tensor(DRAWN[0])), DRAWN[:1]),
        *(pt({"smile": tensor(DRAWN[:1]), "age": tensor(DRAWN[1:2])}), "choose one by its name, as in FILE#smile"),
    ),
    Format(
        *("factor.pt", "factor.pt", pt({"ckpt": "550000.pt", "eigvec": tensor(SQUARE)}), SQUARE.T),
        *(pt(tensor(SQUARE)), "--as directions if it is 512 .* --as columns if it is 512"),
        said="eigenvectors in eigvec: each column is read as a direction",
    ),
    Format(
        *("GANSpace's files", "stylegan2-ffhq_style_ipca_c80_n1000000.npz", npz(**dump()), DRAWN[:3]),
        *(npz(**dump(lat_comp=NONE, more_comp=DRAWN[:3, None])), "choose one by its name, as in FILE#act_comp"),
        said="is read for its array lat_comp",
    ),
    Format(
        *("InterFaceGAN's boundaries", "stylegan_ffhq_smile_w_boundary.npy", npy(DRAWN[:1]), DRAWN[:1]),
        *(npy(DRAWN), ONE_OR_MANY),
    ),
    Format(
        *("codes of e4e, PTI and projectors", "latents.pt", pt(tensor(np.stack([DRAWN, -DRAWN])))),
        *(np.stack([DRAWN, -DRAWN]), pt(tensor(DRAWN)), ONE_CODE_OR_MANY),
        codes=True,
    ),
    Format(
        *("codes of e4e, PTI and projectors", "0.pt", pt(torch.nn.Parameter(tensor(DRAWN[None]))), DRAWN[None]),
        *(pt({"w_pivot": tensor(DRAWN[None]), "other": tensor(DRAWN[None])}), "as in FILE#w_pivot"),
        codes=True,
    ),
    Format(
        *("codes of e4e, PTI and projectors", "projected_w.npz", npz(w=DRAWN[None]), DRAWN[None]),
        *(npz(w=DRAWN), ONE_CODE_OR_MANY),
        codes=True,
    ),
    Format(
        *("W+ directions", "smile.npy", npy(DRAWN[None]), DRAWN[None]),
        *(npy(DRAWN), ONE_OR_MANY),
    ),
    Format(
        *(
            "W+ directions",
            "smile_and_age.pt",
            pt(tensor(DRAWN[None].repeat(2, axis=0))),
            DRAWN[None].repeat(2, axis=0),
        ),
        *(pt(tensor(DRAWN[:, None])[:, 0]), ONE_OR_MANY),
    ),
]


@pytest.fixture(params=FORMATS, ids=lambda one: f"{one.kind}: {one.name}")
def given(request: pytest.FixtureRequest) -> Format:
    found: Format = request.param
    return found


def read(path: Path, given: Format) -> Array:
    if given.codes:
        return load_codes(path, space=W)[0].latents.numpy()
    return Directions.load(path, space=W).vectors.numpy()


def test_there_are_eight_kinds() -> None:
    assert len({one.kind for one in FORMATS}) == 8


def test_it_is_read_right(given: Format, tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    given.write(tmp_path / given.name)
    found = read(tmp_path / given.name, given)
    lengths = np.sqrt(
        (given.found**2).sum(axis=-1, keepdims=True).mean(axis=tuple(range(1, given.found.ndim)), keepdims=True)
    )
    np.testing.assert_allclose(found, given.found if given.codes else given.found / lengths, atol=1e-6)
    said = [str(one.message) for one in recwarn if issubclass(one.category, ReadingWarning)]
    assert len(said) == bool(given.said) and given.said in "".join(said)


def test_its_ambiguous_twin_is_refused(given: Format, tmp_path: Path) -> None:
    given.twin(tmp_path / given.name)
    with pytest.raises(CodesError if given.codes else DirectionsError, match=given.asked):
        read(tmp_path / given.name, given)


@pytest.mark.parametrize("shape", [(9088,), (1, 9088), (3, 9088)])
def test_vectors_of_stylespace_are_refused_by_name(shape: tuple[int, ...], tmp_path: Path) -> None:
    np.save(tmp_path / "styles.npy", np.ones(shape, dtype=np.float32))
    with pytest.raises(DirectionsError, match="styles, as vectors of StyleSpace, are no codes"):
        Directions.load(tmp_path / "styles.npy", space=W)


def test_vectors_of_stylespace_by_layer_are_asked_about(tmp_path: Path) -> None:
    torch.save([torch.ones(512), torch.ones(512), torch.ones(256)], tmp_path / "styles.pt")
    with pytest.raises(DirectionsError, match="holds several arrays: choose one by its name"):
        Directions.load(tmp_path / "styles.pt", space=W)
