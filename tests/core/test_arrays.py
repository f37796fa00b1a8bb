"""Codes and directions of other projects: each shape and each kind of file is read as it is meant, or asked about."""

import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from zoo import Codes, CodesError, Directions, DirectionsError, LatentSpace, OptionError
from zoo.core.files.arrays import ReadingWarning
from zoo.core.files.codes import load_codes, save_codes
from zoo.core.files.directions import take_directions

W = LatentSpace("w", 4, layers=3)
Z = LatentSpace("z", 4)
ROWS = np.random.default_rng(0).normal(size=(3, 4)).astype(np.float32)
Array = NDArray[Any]


def codes_of(path: Path, space: LatentSpace = W, **options: Any) -> Tensor:
    return load_codes(path, space=space, **options)[0].latents


def saved(tmp_path: Path, array: Any) -> Path:
    np.save(tmp_path / "a.npy", array)
    return tmp_path / "a.npy"


@pytest.mark.parametrize("lead", [(1,), (1, 1), (5,), (1, 5)])
def test_codes_with_a_vector_for_each_row(tmp_path: Path, lead: tuple[int, ...]) -> None:
    count = int(np.prod(lead))
    many = np.stack([ROWS + index for index in range(count)])
    assert np.array_equal(codes_of(saved(tmp_path, many.reshape(*lead, 3, 4))), many)


@pytest.mark.parametrize("shape", [(4,), (1, 4), (1, 1, 4), (4, 1, 1), (1, 4, 1, 1)])
def test_one_code_of_w_is_the_same_in_all_rows_and_it_is_said(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with pytest.warns(ReadingWarning, match="1 code of w, with the same vector in all 3 rows"):
        found = codes_of(saved(tmp_path, ROWS[0].reshape(shape)))
    assert np.array_equal(found, np.repeat(ROWS[:1], 3, axis=0)[None])


@pytest.mark.parametrize(("shape", "count"), [((2, 4), 2), ((2, 1, 4), 2), ((3, 1, 4), 3), ((3, 4, 1, 1), 3)])
def test_codes_of_w(tmp_path: Path, shape: tuple[int, ...], count: int) -> None:
    options: dict[str, Any] = {"read_as": "codes"} if shape == (3, 4, 1, 1) else {}
    with pytest.warns(ReadingWarning, match=f"{count} codes of w"):
        found = codes_of(saved(tmp_path, ROWS[:count].reshape(shape)), **options)
    assert np.array_equal(found, np.repeat(ROWS[:count, None], 3, axis=1))


def test_a_matrix_of_as_many_rows_as_the_code_is_asked_about(tmp_path: Path) -> None:
    path = saved(tmp_path, ROWS)
    with pytest.raises(CodesError, match=r"--codes-as rows if it is one code with .* or --codes-as codes if it is 3"):
        codes_of(path)
    assert np.array_equal(codes_of(path, read_as="rows"), ROWS[None])
    with pytest.warns(ReadingWarning, match="3 codes of w"):
        assert len(codes_of(path, read_as="codes")) == 3
    with pytest.raises(OptionError, match="--codes-as columns: it is one of rows, codes"):
        codes_of(path, read_as="columns")


def test_equal_rows_are_one_code(tmp_path: Path) -> None:
    with pytest.warns(ReadingWarning, match="1 code of w"):
        assert codes_of(saved(tmp_path, np.repeat(ROWS[:1], 3, axis=0))).shape == (1, 3, 4)


@pytest.mark.parametrize("shape", [(4,), (1, 4), (4, 1, 1), (1, 4, 1, 1), (1, 1, 4)])
def test_codes_of_a_space_with_a_single_row(tmp_path: Path, shape: tuple[int, ...]) -> None:
    assert np.array_equal(codes_of(saved(tmp_path, ROWS[0].reshape(shape)), Z), ROWS[:1])


@pytest.mark.parametrize(
    ("shape", "space", "words"),
    [
        ((1, 5, 4), W, "these are of a model with 5 rows"),
        ((1, 3, 4), Z, r"but the space is z \(4\): these are of a model with 3 rows"),
        ((2, 5), W, "holds 2 x 5 numbers"),
        ((2, 2, 3, 4), W, "holds 2 x 2 x 3 x 4 numbers"),
        ((4, 2), W, "holds 4 x 2 numbers"),
        ((), W, "holds no numbers"),
    ],
)
def test_other_shapes_are_refused(tmp_path: Path, shape: tuple[int, ...], space: LatentSpace, words: str) -> None:
    with pytest.raises(CodesError, match=words):
        codes_of(saved(tmp_path, np.ones(shape, dtype=np.float32)), space)


def write_files(folder: Path, array: Array) -> list[Path]:
    tensor = torch.from_numpy(array)
    torch.save(tensor, folder / "tensor.pt")
    torch.save(torch.nn.Parameter(tensor), folder / "parameter.pt")
    torch.save(tensor, folder / "legacy.pt", _use_new_zipfile_serialization=False)
    torch.save({"found": tensor, "step": 3, "path": Path("x")}, folder / "dictionary.pt")
    torch.save([tensor], folder / "list.pt")
    (folder / "array.pkl").write_bytes(pickle.dumps(array))
    (folder / "dictionary.pkl").write_bytes(pickle.dumps({"found": array}))
    np.savez(folder / "one.npz", found=array)
    np.savez_compressed(folder / "objects.npz", found=array, names=np.array(["a"], dtype=object), n=np.array(["b"]))
    np.save(folder / "bare.npy", array)
    np.save(folder / "swapped.npy", np.asfortranarray(array.astype(">f8")))
    return sorted(folder.iterdir())


def test_every_kind_of_file(tmp_path: Path) -> None:
    for path in write_files(tmp_path, ROWS[None]):
        assert np.allclose(codes_of(path), ROWS[None]), path
        found = Directions.load(path, space=W)
        assert torch.nn.functional.cosine_similarity(found.vectors[0], torch.from_numpy(ROWS)).min() > 1 - 1e-6, path


def test_the_array_that_fits_is_taken_and_named(tmp_path: Path) -> None:
    torch.save({"a.png": {"img": torch.zeros(1, 3, 8, 8), "latent": torch.from_numpy(ROWS)[None]}}, tmp_path / "l.pt")
    with pytest.warns(ReadingWarning, match="is read for its array a.png.latent"):
        assert np.array_equal(codes_of(tmp_path / "l.pt"), ROWS[None])


def test_of_several_arrays_one_is_chosen_by_its_name(tmp_path: Path) -> None:
    np.savez(tmp_path / "two.npz", first=ROWS[None], second=ROWS[None] + 1)
    with pytest.raises(CodesError, match=r"choose one by its name, as in FILE#first; there are first \(1 x 3 x 4\)"):
        codes_of(tmp_path / "two.npz")
    assert np.array_equal(codes_of(Path(f"{tmp_path}/two.npz#second")), ROWS[None] + 1)
    with pytest.raises(CodesError, match="holds no array 'third': there are first"):
        codes_of(Path(f"{tmp_path}/two.npz#third"))


def test_an_array_becomes_directions() -> None:
    found = Directions.from_array(ROWS, space=W, read_as="rows")
    assert found.vectors.shape == (1, 3, 4) and found.space == W
    with pytest.raises(DirectionsError, match="which can be read in 2 ways: pass --as rows"):
        Directions.from_array(ROWS, space=W)
    with pytest.raises(OptionError, match="it is an array of numbers"):
        Directions.from_array("smile.npy", space=W)
    assert Directions.from_array([[3.0, 0, 0, 0]]).vectors.tolist() == [[1, 0, 0, 0]]


def test_names_of_codes_are_believed(tmp_path: Path) -> None:
    np.savez(tmp_path / "z.npz", z=ROWS[:1])
    np.savez(tmp_path / "w.npz", w=ROWS[None])
    with pytest.raises(CodesError, match="open the model with --space z"):
        codes_of(tmp_path / "z.npz")
    assert np.array_equal(codes_of(tmp_path / "z.npz", Z), ROWS[:1])
    with pytest.raises(DirectionsError, match="holds w, which names codes"):
        Directions.load(tmp_path / "w.npz", space=W)
    assert len(Directions.load(f"{tmp_path}/w.npz#w", space=W)) == 1


def test_names_of_directions_and_of_means_are_believed(tmp_path: Path) -> None:
    torch.save({"directions": torch.ones(5, 4), "epoch": torch.ones(1)}, tmp_path / "d.pt")
    with pytest.raises(CodesError, match="which names directions: if these are codes, write FILE#directions"):
        codes_of(tmp_path / "d.pt")
    torch.save({"latent_avg": torch.ones(4), "latents": torch.ones(2, 3, 4)}, tmp_path / "e4e.pt")
    assert codes_of(tmp_path / "e4e.pt").shape == (2, 3, 4)
    np.savez(tmp_path / "pca.npz", lat_mean=ROWS[:1, None], lat_comp=ROWS[:2, None], lat_stdev=ROWS[0, :2])
    with pytest.warns(ReadingWarning, match="read for its array lat_comp"):
        assert len(Directions.load(tmp_path / "pca.npz", space=W)) == 2


@pytest.mark.parametrize(
    ("content", "words"), [(b"", "it is empty"), (b"0.1,0.2,0.3,0.4\n", "it is no file of arrays: zoo reads .npy")]
)
def test_files_of_no_arrays_are_named(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(CodesError, match=words):
        codes_of(tmp_path / "a.csv")


def test_python_objects_in_an_array_are_named(tmp_path: Path) -> None:
    np.save(tmp_path / "latents.npy", np.array({"a.jpg": [ROWS]}, dtype=object), allow_pickle=True)
    with pytest.raises(CodesError, match=r"Python objects, such as a dictionary.*numpy\.savez"):
        codes_of(tmp_path / "latents.npy")


def test_nothing_in_a_file_is_executed(tmp_path: Path) -> None:
    class Call:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (str(tmp_path / "called"),)

    torch.save({"w": torch.from_numpy(ROWS)[None], "x": Call()}, tmp_path / "call.pt")
    np.save(tmp_path / "call.npy", np.array([Call()], dtype=object))
    np.savez(tmp_path / "call.npz", x=np.array([Call()], dtype=object))
    for name in ("call.pt", "call.npy", "call.npz"):
        with pytest.raises(CodesError, match="cannot read codes from"):
            codes_of(tmp_path / name)
        with pytest.raises(DirectionsError, match="cannot read directions from"):
            Directions.load(tmp_path / name, space=W)
    assert not (tmp_path / "called").exists()


@pytest.mark.parametrize("name", ["tensor.pt", "legacy.pt", "array.pkl", "one.npz", "bare.npy"])
def test_damaged_files_are_refused(tmp_path: Path, name: str) -> None:
    write_files(tmp_path, ROWS[None])
    content = (tmp_path / name).read_bytes()
    for length in range(0, len(content) - 1, 7):
        (tmp_path / name).write_bytes(content[:length])
        with pytest.raises(CodesError):
            codes_of(tmp_path / name)


def test_an_archive_that_unpacks_to_very_much_is_refused(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "bomb.npz", "w", zipfile.ZIP_DEFLATED) as archive,
        archive.open("a.npy", "w") as file,
    ):
        block = bytes(2**24)
        for _ in range(5):
            file.write(block)
    with pytest.raises(CodesError, match="unpacks to more than 20 times its size"):
        codes_of(tmp_path / "bomb.npz")


def test_a_direction_for_each_row(tmp_path: Path) -> None:
    found = Directions.load(saved(tmp_path, ROWS[None]), space=W)
    assert found.vectors.shape == (1, 3, 4)
    assert float(found.vectors.norm(dim=2).square().mean()) == pytest.approx(1)
    path = saved(tmp_path, ROWS)
    with pytest.raises(DirectionsError, match=r"--as rows if it is one .* --as directions if it is 3 directions"):
        Directions.load(path, space=W)
    assert torch.equal(Directions.load(path, space=W, read_as="rows").vectors, found.vectors)
    assert Directions.load(path, space=W, read_as="directions").vectors.shape == (3, 4)


def test_equal_vectors_in_some_rows_are_a_direction_of_these_rows(tmp_path: Path) -> None:
    array = np.zeros((2, 3, 4), dtype=np.float32)
    array[:, 1:] = ROWS[:2, None]
    found = Directions.load(saved(tmp_path, array), space=W)
    assert (tuple(found.vectors.shape), found.layers) == ((2, 4), (1, 2))
    assert np.allclose(found.vectors, ROWS[:2] / np.linalg.norm(ROWS[:2], axis=1, keepdims=True))


def test_components_with_an_axis_for_rows_are_so_many_directions(tmp_path: Path) -> None:
    with pytest.warns(ReadingWarning, match="3 directions, each of which moves all 3 rows"):
        assert Directions.load(saved(tmp_path, ROWS[:, None]), space=W).vectors.shape == (3, 4)


def test_a_square_matrix_is_asked_about_unless_rows_and_columns_are_the_same(tmp_path: Path) -> None:
    square = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    path = saved(tmp_path, square)
    with pytest.raises(DirectionsError, match=r"--as directions if it is 4 .* row, or --as columns if it is 4"):
        Directions.load(path, space=Z)
    assert np.allclose(Directions.load(path, space=Z, read_as="columns").vectors, square.T)
    assert np.allclose(Directions.load(path, space=Z, read_as="directions").vectors, square)
    assert len(Directions.load(saved(tmp_path, np.eye(4)), space=Z)) == 4


def test_a_tall_matrix_holds_columns(tmp_path: Path) -> None:
    with pytest.warns(ReadingWarning, match="is read as 2 directions, one in each column"):
        found = Directions.load(saved(tmp_path, ROWS[:2].T), space=Z)
    assert np.allclose(found.vectors, ROWS[:2] / np.linalg.norm(ROWS[:2], axis=1, keepdims=True))


def test_rows_of_several_lengths_are_directions_and_it_is_said(tmp_path: Path) -> None:
    with pytest.warns(ReadingWarning, match="2 directions, each of which moves all 3 rows"):
        Directions.load(saved(tmp_path, ROWS[:2]), space=W)
    Directions.load(saved(tmp_path, np.eye(4)[:2]), space=W)


@pytest.mark.parametrize("given", [object(), None, 1 + 2j, ["a"], np.array(["a"]), np.zeros(4), np.full(4, np.nan)])
def test_what_is_no_direction_is_refused(given: Any) -> None:
    with pytest.raises((DirectionsError, OptionError)):
        take_directions(given, W)


def test_an_array_from_python() -> None:
    assert take_directions(ROWS[:1], W).vectors.shape == (1, 4)
    assert take_directions(torch.from_numpy(ROWS[0]).requires_grad_(), Z).vectors.shape == (1, 4)
    assert take_directions([1, 0, 0, 0], Z).vectors.tolist() == [[1, 0, 0, 0]]  # type: ignore[arg-type]


def test_a_file_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    save_codes(tmp_path / "c.safetensors", Codes(torch.from_numpy(ROWS)), {})
    with pytest.raises(DirectionsError, match="not a directions file"):
        Directions.load(tmp_path / "c.safetensors", space=Z)
    Directions(Z, torch.eye(4), torch.ones(4)).save(tmp_path / "d.safetensors")
    with pytest.raises(CodesError, match="is a file of zoo-directions/1, not of codes"):
        codes_of(tmp_path / "d.safetensors", Z)
