"""A manifest: its digest is that of its files, and what no storage could hold as it is is found."""

import hashlib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.data import MAX_FILES, DataFile, manifest_digest
from suanlian.rules.data.manifest import Line, Manifest

NAME = st.text(alphabet="abXY数-_.", min_size=1, max_size=4).filter(lambda text: set(text) != {"."})
PATHS = st.lists(st.lists(NAME, min_size=1, max_size=3).map("/".join), min_size=1, max_size=12, unique=True)


def lines(paths: list[str]) -> list[Line]:
    return [(path, len(path), hashlib.sha256(path.encode()).hexdigest()) for path in sorted(paths)]


def read(paths: list[str]) -> Manifest:
    found = Manifest()
    found.take(lines(paths))
    return found


def collide(one: str, other: str) -> bool:
    """Whether two paths cannot lie in one folder tree that tells no capital letters apart."""
    parts, more = one.split("/"), other.split("/")
    for number in range(1, min(len(parts), len(more)) + 1):
        left, right = parts[:number], more[:number]
        is_file = number in (len(parts), len(more))
        if [part.casefold() for part in left] == [part.casefold() for part in right] and (left != right or is_file):
            return True
    return False


@given(PATHS)
def test_what_collides_is_refused_and_nothing_else(paths: list[str]) -> None:
    found = read(paths)
    pairs = [(one, other) for one in paths for other in paths if one < other]
    assert bool(found.wrong) == any(collide(one, other) for one, other in pairs)


@given(PATHS)
def test_the_digest_is_that_of_the_files_in_whatever_pieces_they_come(paths: list[str]) -> None:
    whole, pieces = read(paths), Manifest()
    if whole.wrong:
        return
    files = [DataFile(path=path, size=size, sha256=sha256) for path, size, sha256 in lines(paths)]
    for file in files:
        pieces.take([(file.path, file.size, file.sha256)])
    assert whole.digest == pieces.digest == manifest_digest(files)
    assert (whole.files, whole.bytes) == (len(files), sum(file.size for file in files))
    assert whole.largest == max(file.size for file in files)


@pytest.mark.parametrize("paths", [["b", "a"], ["a", "a"]])
def test_files_come_once_each_in_the_order_of_paths(paths: list[str]) -> None:
    found = Manifest()
    found.take((path, 1, "0" * 64) for path in paths)
    assert "comes after" in found.wrong


def test_too_many_files_are_refused() -> None:
    found = Manifest()
    found.take((f"{number:09d}", 0, "0" * 64) for number in range(MAX_FILES + 1))
    assert "pack small files" in found.wrong


def test_a_name_that_is_not_composed_is_refused() -> None:
    with pytest.raises(ValueError, match="composed characters"):
        DataFile(path=unicodedata.normalize("NFD", "é"), size=0, sha256="0" * 64)
