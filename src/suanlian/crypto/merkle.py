"""Is this row in the log, and does the longer log begin with the shorter one? The Merkle tree of RFC 9162, SHA-256.

A leaf is hashed behind 0x00, an inner node behind 0x01 (section 2.1.1), so that neither can stand for the other. A tree
of n leaves is made of perfect subtrees, its *peaks*: they are all that an append needs. Proofs are made over any source
of perfect subtrees and checked with nothing but hashes.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

HASH_BYTES: Final = 32
EMPTY_ROOT: Final = hashlib.sha256(b"").digest()
"""The root of a log without rows."""

Subtree = Callable[[int, int], bytes]
"""``subtree(level, position)``: the hash of the perfect subtree over the 2^level leaves from position * 2^level on."""


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of an inner node."""
    return hashlib.sha256(b"\x01" + left + right).digest()


@dataclass(frozen=True, slots=True)
class Peaks:
    """The perfect subtrees that the first ``size`` leaves are made of, largest first."""

    size: int = 0
    hashes: tuple[bytes, ...] = ()

    def append(self, leaf: bytes) -> tuple["Peaks", tuple[bytes, ...]]:
        """One leaf more; and the subtrees of two leaves and more that it completed, smallest first."""
        hashes, made, rest, newest = list(self.hashes), list[bytes](), self.size, leaf
        while rest & 1:
            newest = node_hash(hashes.pop(), newest)
            made.append(newest)
            rest >>= 1
        return Peaks(self.size + 1, (*hashes, newest)), tuple(made)

    def root(self) -> bytes:
        """The root of the tree."""
        if not self.hashes:
            return EMPTY_ROOT
        *rest, root = self.hashes
        for peak in reversed(rest):
            root = node_hash(peak, root)
        return root


def peaks_of(size: int, subtree: Subtree) -> Peaks:
    """The peaks of the first ``size`` leaves."""
    hashes, start = [], 0
    for level in reversed(range(size.bit_length())):
        if size >> level & 1:
            hashes.append(subtree(level, start >> level))
            start += 1 << level
    return Peaks(size, tuple(hashes))


def root_of(leaves: Iterable[bytes]) -> bytes:
    """The root over these leaf hashes."""
    peaks = Peaks()
    for leaf in leaves:
        peaks, _made = peaks.append(leaf)
    return peaks.root()


def inclusion_proof(index: int, size: int, subtree: Subtree) -> list[bytes]:
    """The path of leaf ``index`` in the tree of the first ``size`` leaves (section 2.1.3.1). Raises ValueError."""
    if not 0 <= index < size:
        msg = f"there is no leaf {index} among the first {size}"
        raise ValueError(msg)
    path, start, end = list[bytes](), 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            path.append(_range(middle, end, subtree))
            end = middle
        else:
            path.append(_range(start, middle, subtree))
            start = middle
    return path[::-1]


def consistency_proof(old: int, new: int, subtree: Subtree) -> list[bytes]:
    """That the first ``new`` leaves begin with the first ``old`` (section 2.1.4.1). Raises ValueError."""
    if not 0 <= old <= new:
        msg = f"a log of {new} rows cannot begin with {old}"
        raise ValueError(msg)
    if old in (0, new):
        return []
    path, start, end = list[bytes](), 0, new
    while old != end:
        middle = start + _split(end - start)
        if old <= middle:
            path.append(_range(middle, end, subtree))
            end = middle
        else:
            path.append(_range(start, middle, subtree))
            start = middle
    if start:
        path.append(_range(start, end, subtree))
    return path[::-1]


def includes(root: bytes, size: int, leaf: bytes, index: int, path: Sequence[bytes]) -> bool:
    """Whether the path leads from the leaf at ``index`` to the root (section 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    place, last, found = index, size - 1, leaf
    for step in path:
        if last == 0:
            return False
        if place & 1 or place == last:
            found = node_hash(step, found)
            while not (place & 1 or place == 0):
                place, last = place >> 1, last >> 1
        else:
            found = node_hash(found, step)
        place, last = place >> 1, last >> 1
    return last == 0 and found == root


def extends(old: int, old_root: bytes, new: int, new_root: bytes, path: Sequence[bytes]) -> bool:
    """Whether the tree of ``new`` leaves begins with the tree of ``old`` (section 2.1.4.2)."""
    if old == new:
        return old_root == new_root and not path
    if not 0 <= old < new or (old == 0) != (not path):
        return False
    if old == 0:
        return old_root == EMPTY_ROOT
    steps = [old_root, *path] if old & (old - 1) == 0 else list(path)
    place, last = old - 1, new - 1
    while place & 1:
        place, last = place >> 1, last >> 1
    first = second = steps[0]
    for step in steps[1:]:
        if last == 0:
            return False
        if place & 1 or place == last:
            first, second = node_hash(step, first), node_hash(step, second)
            while not (place & 1 or place == 0):
                place, last = place >> 1, last >> 1
        else:
            second = node_hash(second, step)
        place, last = place >> 1, last >> 1
    return last == 0 and first == old_root and second == new_root


def _split(size: int) -> int:
    """The largest power of two below ``size``."""
    return 1 << (size - 1).bit_length() - 1


def _range(start: int, end: int, subtree: Subtree) -> bytes:
    """The root over the leaves of [start, end), which begins where the tree splits."""
    size = end - start
    if size & (size - 1) == 0:
        level = size.bit_length() - 1
        return subtree(level, start >> level)
    middle = start + _split(size)
    return node_hash(_range(start, middle, subtree), _range(middle, end, subtree))
