"""In which language is this text shown?

English is the language of the source, so a message is its own key. A catalogue is a `.po` file in `suanlian/locale`;
it is read at first use and compiled in memory, so no compiled file can be stale. The environment is read elsewhere
(settings); the language comes in as a value.

Two choices: `set_language` for the whole process (the command line), `use_language` for the code inside a `with`
(a server that answers two people in two languages). The inner one wins.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from gettext import GNUTranslations, NullTranslations
from importlib.resources import files
from io import BytesIO
from types import MappingProxyType
from typing import IO

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

LANGUAGES = MappingProxyType({"en": None, "zh": "zh_CN"})
"""Language -> name of its catalogue; None for the language of the source."""

DEFAULT = "en"

_process: dict[str, str] = {"language": DEFAULT}
_context: ContextVar[str | None] = ContextVar("suanlian_language", default=None)


def normalise(name: str | None) -> str:
    """Return the language that we have for a name in any usual form: `zh`, `zh-Hans`, `zh_CN.UTF-8`, `en_US`.

    What we have no catalogue for (`fr_FR`, `C`, an empty name) is English.
    """
    code = (name or "").strip().lower().replace("-", "_").partition(".")[0].partition("@")[0].partition("_")[0]
    return code if code in LANGUAGES else DEFAULT


def set_language(lang: str | None) -> None:
    """Choose the language of this process, all its threads included."""
    _process["language"] = normalise(lang)


@contextmanager
def use_language(lang: str | None) -> Iterator[None]:
    """Choose the language of the code inside the `with`; other threads and tasks keep theirs."""
    token = _context.set(normalise(lang))
    try:
        yield
    finally:
        _context.reset(token)


def language() -> str:
    """Return the language in force here, `en` or `zh`."""
    return _context.get() or _process["language"]


def gettext(message: str) -> str:
    """Return the message in the language in force; a message without a translation comes back as it is.

    Fill in values after the look-up, `_("{n} jobs").format(n=n)`: a filled-in text is no key.
    """
    # gettext keeps the catalogue's header under the empty key
    return _translations(language()).gettext(message) if message else message


def ngettext(singular: str, plural: str, n: int) -> str:
    """Return the form of the message that fits the number `n`; Chinese has one form."""
    return _translations(language()).ngettext(singular, plural, n)


_ = gettext


def compile_po(source: IO[bytes], locale: str) -> GNUTranslations:
    """Return the translations of a `.po` file; entries that are empty or marked fuzzy are left out."""
    compiled = BytesIO()
    write_mo(compiled, read_po(source, locale=locale))
    compiled.seek(0)
    return GNUTranslations(compiled)


@cache
def texts(lang: str) -> Mapping[str, str]:
    """The plain texts of a language's catalogue with their translations; none for the language of the source."""
    name = LANGUAGES[lang]
    if name is None:
        return MappingProxyType({})
    with files("suanlian").joinpath("locale", f"{name}.po").open("rb") as source:
        found = {m.id: m.string for m in read_po(source, locale=name) if isinstance(m.id, str) and not m.fuzzy}
    return MappingProxyType({key: text for key, text in found.items() if key and isinstance(text, str)})


@cache
def _translations(lang: str) -> NullTranslations:
    name = LANGUAGES[lang]
    if name is None:
        return NullTranslations()
    with files("suanlian").joinpath("locale", f"{name}.po").open("rb") as source:
        return compile_po(source, name)
