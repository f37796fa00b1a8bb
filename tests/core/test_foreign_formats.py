"""The nine kinds of files that other projects keep directions and codes in: each one read, and its ambiguous twin.

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
STYLES = (512, 512, 256, 256)
W = LatentSpace("w", DIM, layers=ROWS, styles=STYLES)
S = LatentSpace("s", sum(STYLES), styles=STYLES)
DRAWN = np.random.default_rng(0).normal(size=(ROWS, DIM)).astype(np.float32)
SQUARE = np.linalg.qr(np.random.default_rng(1).normal(size=(DIM, DIM)))[0].astype(np.float32)

Array = NDArray[Any]
Write = Callable[[Path], object]


@dataclass(frozen=True)
class Format:
    """One kind of file.

    Attributes:
        kind: Which of the nine kinds it is.
        name: The name of the file.
        write: Writes it.
        found: What is read: directions, scaled to a root mean square length of 1, or codes.
        said: What a warning says of the reading; empty where nothing is left open.
        twin: Writes the file of the same name that is refused.
        asked: What the message says of that.
        codes: Whether it holds codes.
        space: The space that the model is opened in.
    """

    kind: str
    name: str
    write: Write
    found: Array
    twin: Write
    asked: str
    said: str = ""
    codes: bool = False
    space: LatentSpace = W


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


STYLE_VECTORS = np.random.default_rng(2).normal(size=(3, sum(STYLES))).astype(np.float32)
BY_LAYER = np.split(STYLE_VECTORS, np.cumsum(STYLES)[:-1], axis=1)
# As StyleCLIP names them; sorted as texts, 16x16 would come first.
LAYER_NAMES = [
    f"G_synthesis_1/{name}/mod_bias/add:0" for name in ("4x4/Conv", "4x4/ToRGB", "8x8/Conv0_up", "16x16/Conv")
]

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
    Format(
        *("StyleSpace", "styles.npy", npy(STYLE_VECTORS), STYLE_VECTORS),
        *(npy(np.array([[0, 501], [2, 7]])), "pairs of a layer and a channel are no vectors"),
        space=S,
    ),
    Format(
        *("StyleSpace", "S.pt", pt([tensor(part[:, None, :, None]) for part in BY_LAYER]), STYLE_VECTORS),
        *(pt([tensor(part) for part in BY_LAYER[::-1]]), "of 256, 256, 512, 512 numbers, but .* 512, 512, 256, 256"),
        space=S,
    ),
    Format(
        *("StyleSpace", "S.npz", npz(**dict(sorted(zip(LAYER_NAMES, BY_LAYER, strict=True)))), STYLE_VECTORS),
        *(npz(b10=BY_LAYER[0], b9=BY_LAYER[1], b11=BY_LAYER[2], b12=BY_LAYER[3]), "fit in two orders"),
        space=S,
    ),
    Format(
        *("StyleSpace", "S.npz", npz(a=DRAWN[0], b=DRAWN[1], c=DRAWN[2]), DRAWN[:3].reshape(1, -1)),
        *(npz(a=DRAWN[:2], b=DRAWN[1], c=DRAWN[2]), "not of as many vectors each"),
        space=LatentSpace("s", 3 * DIM, styles=(DIM,) * 3),
    ),
]


@pytest.fixture(params=FORMATS, ids=lambda one: f"{one.kind}: {one.name}")
def given(request: pytest.FixtureRequest) -> Format:
    found: Format = request.param
    return found


def read(path: Path, given: Format) -> Array:
    if given.codes:
        return load_codes(path, space=given.space)[0].latents.numpy()
    return Directions.load(path, space=given.space).vectors.numpy()


def test_there_are_nine_kinds() -> None:
    assert len({one.kind for one in FORMATS}) == 9


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


@pytest.mark.parametrize("shape", [(1536,), (1, 1536), (3, 1536)])
def test_vectors_of_stylespace_need_the_space_s(shape: tuple[int, ...], tmp_path: Path) -> None:
    np.save(tmp_path / "styles.npy", np.ones(shape, dtype=np.float32))
    with pytest.raises(DirectionsError, match="for vectors of StyleSpace, open the model with --space s"):
        Directions.load(tmp_path / "styles.npy", space=W)


def test_vectors_of_stylespace_by_layer_need_the_space_s(tmp_path: Path) -> None:
    torch.save([tensor(part) for part in BY_LAYER], tmp_path / "styles.pt")
    with pytest.raises(DirectionsError, match=r"open the model with --space s if .*, or choose one .* FILE#0"):
        Directions.load(tmp_path / "styles.pt", space=W)
    codes, _ = load_codes(tmp_path / "styles.pt", space=S)
    assert np.array_equal(codes.latents.numpy(), STYLE_VECTORS)


def test_styles_of_other_layers_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "styles.npy", np.ones(1024, dtype=np.float32))
    with pytest.raises(
        DirectionsError, match="vectors of StyleSpace have 1,536 numbers here, with the styles of ToRGB"
    ):
        Directions.load(tmp_path / "styles.npy", space=W)


def test_a_vector_that_fits_w_and_s_is_asked_about(tmp_path: Path) -> None:
    space = LatentSpace("w", DIM, layers=ROWS, styles=(DIM // 2, DIM // 2))
    np.save(tmp_path / "vectors.npy", DRAWN[:3])
    with pytest.raises(DirectionsError, match=r"--as directions if it is 3 directions.*, or --space s if"):
        Directions.load(tmp_path / "vectors.npy", space=space)
    assert len(Directions.load(tmp_path / "vectors.npy", space=space, read_as="directions")) == 3
    styles = LatentSpace("s", DIM, styles=space.styles)
    assert len(Directions.load(tmp_path / "vectors.npy", space=styles)) == 3
