"""How are a job's secrets kept out of what it wrote? Masked at equal length, so that every offset stays true. Pure.

Whether a byte is masked follows from the bytes around it alone, never from where pieces were cut: what goes out is the
same for every chunking. A secret of several lines is also masked line by line. What a program writes in another form
(encoded, split, one letter at a time) is not found.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from suanlian.model.secret import MIN_CHARS

MASK: Final = b"*"


@dataclass(frozen=True)
class Redactor:
    """Masks what is in ``patterns``, none of which is empty."""

    patterns: tuple[bytes, ...]

    @classmethod
    def of(cls, values: Iterable[bytes]) -> "Redactor":
        """Of secrets: whole, and each of their longer lines."""
        found: set[bytes] = set()
        for value in values:
            lines = (line.strip() for line in value.splitlines())
            found |= {value, *(line for line in lines if len(line) >= MIN_CHARS)}
        return cls(tuple(sorted(found, key=lambda pattern: (-len(pattern), pattern))))

    @cached_property
    def around(self) -> int:
        """How many bytes before and behind a byte decide whether it is masked."""
        return max((len(pattern) - 1 for pattern in self.patterns), default=0)

    @cached_property
    def _periods(self) -> tuple[tuple[bytes, int], ...]:
        return tuple((pattern, _period(pattern)) for pattern in self.patterns)

    def piece(self, before: bytes, data: bytes, *, final: bool) -> bytes:
        """What may be told of ``data`` now: its beginning, masked; the end is held back while more may come.

        ``before`` are the bytes in front of it, ``around`` of them where there are so many. ``final``: nothing follows;
        then what looks like the beginning of a secret that was cut off is masked too.
        """
        whole = before + data
        masked = bytearray(whole)
        for pattern, period in self._periods:
            _mask(masked, whole, pattern, period)
        begun = self._begun(whole)
        if final and len(whole) - begun >= MIN_CHARS:
            masked[begun:] = MASK * (len(whole) - begun)
        end = len(whole) if final else max(begun, len(before))
        return bytes(masked[len(before) : end])

    def text(self, text: str) -> str:
        """A whole text, such as a reason, masked."""
        return self.piece(b"", text.encode(errors="replace"), final=True).decode(errors="replace")

    def _begun(self, whole: bytes) -> int:
        """Where the earliest secret begins of which only a beginning is here; the end where there is none."""
        return min((_cut_off(whole, pattern) for pattern in self.patterns), default=len(whole))


def _mask(masked: bytearray, whole: bytes, pattern: bytes, period: int) -> None:
    """Mask every occurrence, also those that overlap: most of these follow at the pattern's own period."""
    at, tail = whole.find(pattern), pattern[-period:]
    while at >= 0:
        end = at + len(pattern)
        while whole.startswith(tail, end):
            end += period
        masked[at:end] = MASK * (end - at)
        at = whole.find(pattern, end - len(pattern) + 1)


def _period(pattern: bytes) -> int:
    """The smallest shift by which the pattern fits on itself (Knuth, Morris and Pratt)."""
    borders, longest = [0], 0
    for byte in pattern[1:]:
        while longest and pattern[longest] != byte:
            longest = borders[longest - 1]
        longest += pattern[longest] == byte
        borders.append(longest)
    return len(pattern) - longest


def _cut_off(whole: bytes, pattern: bytes) -> int:
    first = max(0, len(whole) - len(pattern) + 1)
    at = whole.find(pattern[:1], first)
    while at >= 0:
        if pattern.startswith(whole[at:]):
            return at
        at = whole.find(pattern[:1], at + 1)
    return len(whole)
