"""What cannot be seen is made visible, so that no text from elsewhere commands a terminal or forges a name."""

import unicodedata
from typing import Final

_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_CONTROL_PICTURES: Final = 0x2400
_SPACE: Final = 0x20
_DELETE: Final = 0x7F


def visible(text: str) -> str:
    """The text with every control or invisible character made visible; line breaks and tabs stay."""
    return "".join(char if char in "\n\t" else _seen(char) for char in text.replace("\r\n", "\n"))


def _seen(char: str) -> str:
    if ord(char) < _SPACE:
        return chr(_CONTROL_PICTURES + ord(char))
    if ord(char) == _DELETE:
        return "\u2421"
    return f"<U+{ord(char):04X}>" if unicodedata.category(char) in _HIDDEN else char
