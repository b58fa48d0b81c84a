"""Do two references name one image? Compared as registries read them.

A name without a registry means the one that Docker takes then, a single word there its library, and no tag the latest.
A digest names bytes: it matches only where the owner listed that very digest.
"""

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Final

_SCHEMES: Final = ("docker://", "oci://")
_USUAL: Final = re.compile(r"(?:[a-z0-9-]+\.)*docker\.(?:io|com)")
"""The hosts of the registry that is meant where none is named."""
_LIBRARY: Final = "library/"
_NEAREST: Final = 5


@dataclass(frozen=True, slots=True)
class Reference:
    """An image reference in its parts; ``tag`` is empty where a digest stands alone. ``name`` is as it was written."""

    repository: str
    tag: str
    digest: str = ""
    name: str = field(default="", compare=False)

    @classmethod
    def read(cls, text: str) -> "Reference":
        """Take a reference apart, with what registries fill in."""
        bare = text.strip()
        for scheme in _SCHEMES:
            bare = bare.removeprefix(scheme)
        bare, _, digest = bare.partition("@")
        head, slash, last = bare.rpartition("/")
        word, _, tag = last.partition(":")
        name = f"{head}{slash}{word}"
        return cls(_repository(name), tag or ("" if digest else "latest"), digest, name)

    def covers(self, asked: "Reference") -> bool:
        """Whether who asks for ``asked`` means this one."""
        if self.repository != asked.repository:
            return False
        return self.digest == asked.digest if asked.digest else bool(self.tag) and self.tag == asked.tag

    def __str__(self) -> str:
        return self.repository + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def _repository(name: str) -> str:
    first, slash, rest = name.partition("/")
    is_host = bool(slash) and ("." in first or ":" in first or first == "localhost")
    if is_host and not _USUAL.fullmatch(first.lower()):
        return f"{first.lower()}/{rest}"
    path = rest if is_host else name
    return path.removeprefix(_LIBRARY) if path.count("/") == 1 else path


def nearest(word: str, words: Collection[str]) -> tuple[str, ...]:
    """The few of ``words`` that are most like ``word``, by their names first, then with their tags."""

    def likeness(other: str) -> tuple[float, float]:
        names = difflib.SequenceMatcher(None, word.partition(":")[0], other.partition(":")[0]).ratio()
        return -names, -difflib.SequenceMatcher(None, word, other).ratio()

    return tuple(sorted(sorted(set(words)), key=likeness)[:_NEAREST])
