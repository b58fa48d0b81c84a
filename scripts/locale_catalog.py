"""Is every text that people see there in Chinese? Reads the sources, reports what is missing, updates the catalogue.

`python -m scripts.locale_catalog` (or `make locale`) writes new texts, untranslated, into the catalogue and drops those
that nobody shows any more.
"""

import sys
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from string import Formatter

from babel.messages.catalog import Catalog, Message
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.pofile import read_po, write_po

from scripts import told_texts

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "suanlian"
CATALOGUE = PACKAGE / "locale" / "zh_CN.po"
MARKS = {**DEFAULT_KEYWORDS, "N_": None, "T_": None}
METHODS = [("**.py", "python"), ("**/templates/**.html", "jinja2")]
# header lines that change with every run, or that nobody fills in
NOISE = (b'"POT-Creation', b'"PO-Revision', b'"Generated-By', b'"Report-Msgid', b'"Last-Translator')
OPTIONS = {"**/templates/**.html": {"silent": "false"}}

Key = str | tuple[str, str]


def extract(package: Path = PACKAGE) -> Catalog:
    """Return the texts that the sources under `package` mark for translation."""
    found = Catalog(fuzzy=False)
    for name, _line, message, comments, context in extract_from_dir(package, METHODS, OPTIONS, MARKS):
        found.add(_key(message), locations=[(f"src/suanlian/{name}", 0)], auto_comments=comments, context=context)
    for text, name in told_texts.extract(package):
        found.add(text, locations=[(f"src/suanlian/{name}", 0)])
    return found


def read(path: Path = CATALOGUE) -> Catalog:
    """Return the catalogue as it stands."""
    with path.open("rb") as source:
        return read_po(source, locale=path.stem)


def problems(wanted: Catalog, have: Catalog) -> list[str]:
    """List what is wrong with `have` as a translation of `wanted`; empty when all is well."""
    keys = {_key(message.id) for message in wanted if message.id}
    missing = [f"no translation: {key!r}" for key in sorted(keys, key=str) if not _is_translated(have, key)]
    entries = [message for message in have if message.id]
    stale = [f"nobody shows this any more: {message.id!r}" for message in entries if _key(message.id) not in keys]
    return missing + stale + [text for message in entries for text in _wrong_fields(message)]


def update(wanted: Catalog, have: Catalog) -> Catalog:
    """Return `have` with the texts of `wanted` and no others; a text that is new has an empty translation."""
    have.update(wanted, no_fuzzy_matching=True)
    have.obsolete.clear()
    return have


def write(catalog: Catalog, path: Path = CATALOGUE) -> None:
    """Write the catalogue in one fixed order, without dates and line numbers, so that a difference means something."""
    text = BytesIO()
    write_po(text, catalog, width=120, sort_output=True, include_lineno=False, ignore_obsolete=True)
    path.write_bytes(b"".join(line for line in text.getvalue().splitlines(keepends=True) if not line.startswith(NOISE)))


def _key(message_id: object) -> Key:
    """Return a message's key: its text, or singular and plural."""
    if isinstance(message_id, str):
        return message_id
    if isinstance(message_id, list | tuple):
        return str(message_id[0]), str(message_id[1])
    raise TypeError(f"babel gave a message id of type {type(message_id).__name__}")


def _is_translated(have: Catalog, key: Key) -> bool:
    message = have.get(key if isinstance(key, str) else key[0])
    return message is not None and not message.fuzzy and all(_strings(message)) and bool(_strings(message))


def _strings(message: Message) -> list[str]:
    texts = message.string
    return [texts] if isinstance(texts, str) else list(texts or ())


def _wrong_fields(message: Message) -> Iterator[str]:
    """Yield a line for each translation whose `{fields}` are not those of the text: it would fail when shown."""
    key = _key(message.id)
    texts = [key] if isinstance(key, str) else list(key)
    allowed = [_fields(text) for text in texts]
    for text in filter(None, _strings(message)):
        if _fields(text) not in allowed:
            yield f"other {{fields}} than the text: {message.id!r} -> {text!r}"


def _fields(text: str) -> frozenset[str]:
    try:
        return frozenset(name for _, name, _, _ in Formatter().parse(text) if name is not None)
    except ValueError:
        return frozenset({f"not a format: {text}"}) if "%" not in text else frozenset()


def main() -> int:
    """Update the catalogue and print what is left for a person to translate."""
    wanted = extract()
    have = update(wanted, read())
    write(have)
    left = problems(wanted, read())
    print(*left, f"{len(wanted)} texts, {len(left)} to look at in {CATALOGUE.relative_to(ROOT)}", sep="\n")
    return 1 if left else 0


if __name__ == "__main__":
    sys.exit(main())
