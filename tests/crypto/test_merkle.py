"""The Merkle tree of RFC 9162: roots, proofs of inclusion and of consistency, and that nothing else passes."""

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.crypto.merkle import (
    EMPTY_ROOT,
    Peaks,
    consistency_proof,
    extends,
    includes,
    inclusion_proof,
    leaf_hash,
    node_hash,
    peaks_of,
    root_of,
)

# the eight leaves and roots that implementations of RFC 6962 share as test vectors
VECTORS = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
ROOTS = {
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    4: "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    6: "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    7: "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}
SIZES = st.integers(1, 130)


def leaves(count: int) -> list[bytes]:
    return [leaf_hash(str(number).encode()) for number in range(count)]


def naive(hashes: list[bytes]) -> bytes:
    """The definition of section 2.1.1, word for word."""
    if not hashes:
        return hashlib.sha256(b"").digest()
    if len(hashes) == 1:
        return hashes[0]
    split = max(2**power for power in range(8) if 2**power < len(hashes))
    return node_hash(naive(hashes[:split]), naive(hashes[split:]))


class Log:
    """Leaves, and their perfect subtrees as they were completed."""

    def __init__(self, hashes: list[bytes]) -> None:
        self.peaks, self._kept = Peaks(), list[tuple[bytes, ...]]()
        for leaf in hashes:
            self.peaks, made = self.peaks.append(leaf)
            self._kept.append((leaf, *made))

    def subtree(self, level: int, position: int) -> bytes:
        return self._kept[((position + 1) << level) - 1][level]


def test_the_roots_are_those_of_the_shared_vectors() -> None:
    hashes = [leaf_hash(bytes.fromhex(text)) for text in VECTORS]
    assert {size: root_of(hashes[:size]).hex() for size in ROOTS} == ROOTS
    assert root_of([]) == EMPTY_ROOT


@given(st.integers(0, 130))
def test_the_root_is_that_of_the_definition(size: int) -> None:
    log = Log(leaves(size))
    assert log.peaks.root() == naive(leaves(size))
    assert peaks_of(size, log.subtree) == log.peaks


@given(SIZES, st.data())
def test_a_row_is_proved_and_no_other_row_is(size: int, data: st.DataObject) -> None:
    index, hashes = data.draw(st.integers(0, size - 1)), leaves(size)
    log = Log(hashes)
    root, path = log.peaks.root(), inclusion_proof(index, size, log.subtree)
    assert includes(root, size, hashes[index], index, path)
    assert not includes(root, size, leaf_hash(b"other"), index, path)
    assert not includes(
        root, size, hashes[index], data.draw(st.integers(-1, size + 1).filter(lambda n: n != index)), path
    )
    assert not includes(root, size, hashes[index], index, [*path, root])
    assert not includes(leaf_hash(b"x"), size, hashes[index], index, path)
    if path:
        place = data.draw(st.integers(0, len(path) - 1))
        assert not includes(root, size, hashes[index], index, path[:place] + path[place + 1 :])
        assert not includes(root, size, hashes[index], index, [*path[:place], bytes(32), *path[place + 1 :]])


@given(SIZES, st.data())
def test_a_longer_log_is_proved_to_begin_with_the_shorter_one_and_none_that_was_changed(
    size: int, data: st.DataObject
) -> None:
    old, hashes = data.draw(st.integers(0, size)), leaves(size)
    log = Log(hashes)
    before, after, path = root_of(hashes[:old]), log.peaks.root(), consistency_proof(old, size, log.subtree)
    assert extends(old, before, size, after, path)
    assert not extends(old, leaf_hash(b"x"), size, after, path)
    assert not extends(old, before, size, after, [*path, before])
    if path:
        place = data.draw(st.integers(0, len(path) - 1))
        assert not extends(old, before, size, after, [*path[:place], bytes(32), *path[place + 1 :]])
    changed = data.draw(st.integers(0, size - 1))
    forged = Log([*hashes[:changed], leaf_hash(b"x"), *hashes[changed + 1 :]])
    forged_path = consistency_proof(old, size, forged.subtree)
    assert extends(old, before, size, forged.peaks.root(), forged_path) == (changed >= old)
    assert not extends(old, before, size, after, forged_path) or forged_path == path


@given(SIZES, SIZES)
def test_a_log_never_begins_with_a_longer_one(size: int, more: int) -> None:
    log = Log(leaves(size))
    with pytest.raises(ValueError, match="cannot begin"):
        consistency_proof(size + more, size, log.subtree)
    with pytest.raises(ValueError, match="no leaf"):
        inclusion_proof(size, size, log.subtree)
    assert not extends(size + more, naive(leaves(size + more)), size, log.peaks.root(), [])
