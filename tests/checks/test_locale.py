"""Is every text that people see there in Chinese, and does the choice of a language hold where it was made?"""

from io import BytesIO
from pathlib import Path
from threading import Thread

import pytest
from babel.messages.catalog import Catalog
from hypothesis import given
from hypothesis import strategies as st

from scripts.locale_catalog import extract, problems, read, update, write
from suanlian.i18n import LANGUAGES, _, language, ngettext, normalise, set_language, use_language
from suanlian.i18n.catalog import compile_po

PO = """
msgid "a"
msgstr "甲"

#, fuzzy
msgid "b"
msgstr "乙"

msgid "{n} c"
msgid_plural "{n} cs"
msgstr[0] "{n} 个丙"
"""


def translated(**texts: str) -> Catalog:
    catalog = Catalog(locale="zh_CN", fuzzy=False)
    for text, translation in texts.items():
        catalog.add(text, translation)
    return catalog


def test_every_text_has_a_chinese_translation_and_none_is_stale() -> None:
    assert problems(extract(), read()) == [], "run `make locale` and translate what it lists"


def test_an_update_keeps_translations_adds_new_texts_and_drops_stale_ones(tmp_path: Path) -> None:
    path = tmp_path / "zh_CN.po"
    write(update(translated(kept="", new=""), translated(kept="留", old="旧")), path)
    texts = {message.id: message.string for message in read(path) if message.id}
    assert texts == {"kept": "留", "new": ""}


def test_a_text_in_the_sources_without_translation_is_found(tmp_path: Path) -> None:
    (tmp_path / "page.py").write_text(
        'from suanlian.i18n import _, ngettext\n_("new")\nngettext("{n} a", "{n} b", 2)\n'
    )
    found = problems(extract(tmp_path), translated())
    assert found == ["no translation: ('{n} a', '{n} b')", "no translation: 'new'"]


def test_what_refusals_say_is_found_where_it_is_written(tmp_path: Path) -> None:
    (tmp_path / "services").mkdir()
    (tmp_path / "services" / "jobs.py").write_text(
        "TODO = 'Do it some other way.'\n"
        "def refuse(name, bad):\n"
        "    wrong, todo = f'No such thing as {name!r}.', 'Name another one.' if bad else TODO\n"
        "    raise InvalidError('code', wrong, todo=todo)\n"
        "def refuse_too(name):\n"
        "    raise NotFoundError('code', 'wrong', todo=f'Set it first: {name} {{}}.')\n"
        "def refuse_thrice():\n"
        "    raise NotFoundError('code', 'It is not here.', todo=TODO)\n"
        "def other():\n"
        "    todo = 'This is none of them.'\n"
        "    return print(todo, 'nor this one here')\n"
    )
    (tmp_path / "services" / "usage.py").write_text("def f():\n    raise InvalidError('code', 'Not this one here.')\n")
    found = {message.id for message in extract(tmp_path) if message.id}
    said = {"No such thing as {0}.", "Name another one.", "Set it first: {0} {{}}.", "It is not here."}
    assert found == said | {"Do it some other way."}


@pytest.mark.parametrize(
    ("have", "finding"),
    [
        (translated(new=""), "no translation: 'new'"),
        (translated(new="新", old="旧"), "nobody shows this any more: 'old'"),
        (translated(new="新 {n}"), "other {fields} than the text: 'new' -> '新 {n}'"),
    ],
)
def test_an_empty_a_stale_and_a_mismatched_entry_are_found(have: Catalog, finding: str) -> None:
    assert problems(translated(new=""), have) == [finding]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("zh", "zh"), ("zh_CN.UTF-8", "zh"), ("zh-Hans-CN", "zh"), ("ZH@pinyin", "zh"), ("en_US", "en"), ("C", "en")],
)
def test_usual_names_of_a_language_are_understood(name: str, expected: str) -> None:
    assert normalise(name) == expected


@given(st.one_of(st.none(), st.text()))
def test_any_name_gives_a_language_that_we_have(name: str | None) -> None:
    assert normalise(name) in LANGUAGES


def test_texts_come_in_the_language_in_force() -> None:
    key = next((message.id for message in read() if isinstance(message.id, str) and message.id), "")
    assert key, "the shipped catalogue has no text"
    with use_language("zh"):
        chinese = _(key)
        with use_language("en"):
            assert _(key) == key
        assert _(key) == chinese != key
    assert _(key) == key


def test_a_catalogue_is_compiled_without_its_unsure_entries() -> None:
    texts = compile_po(BytesIO(PO.encode()), "zh_CN")
    assert (texts.gettext("a"), texts.gettext("b")) == ("甲", "b")
    assert {texts.ngettext("{n} c", "{n} cs", n) for n in (0, 1, 2)} == {"{n} 个丙"}


def test_the_empty_text_stays_empty() -> None:
    with use_language("zh"):
        assert _("") == ""


def test_an_unknown_text_comes_back_in_the_fitting_form() -> None:
    assert ngettext("{n} cat of nobody", "{n} cats of nobody", 2) == "{n} cats of nobody"


def test_the_choice_of_the_process_reaches_threads_and_an_inner_choice_does_not() -> None:
    seen: list[str] = []

    def look() -> None:
        thread = Thread(target=lambda: seen.append(language()))
        thread.start()
        thread.join()

    set_language("zh_CN.UTF-8")
    try:
        look()
        with use_language("en"):
            look()
            seen.append(language())
    finally:
        set_language(None)
    assert seen == ["zh", "zh", "en"]
