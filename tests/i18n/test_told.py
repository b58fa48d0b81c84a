"""What a hub says in English is known again whatever its values are, and what is not known stays as it is."""

from string import Formatter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.i18n import use_language
from suanlian.i18n.catalog import texts
from suanlian.i18n.told import told

CHINESE = texts("zh")


def fields(text: str) -> list[str]:
    return [name for _literal, name, _spec, _conversion in Formatter().parse(text) if name]


TEMPLATES = sorted(text for text in CHINESE if fields(text) and all(name.isdecimal() for name in fields(text)))


@pytest.mark.parametrize("template", TEMPLATES)
def test_each_text_with_values_is_known_again_with_them(template: str) -> None:
    values = [f"<{n}>" for n in range(len(fields(template)))]
    with use_language("zh"):
        assert told(template.format(*values)) == CHINESE[template].format(*values)
    assert told(template.format(*values)) == template.format(*values)


@given(st.sampled_from(TEMPLATES), st.lists(st.text(min_size=1), min_size=4, max_size=4))
def test_whatever_the_values_are_it_comes_back_and_is_no_worse(template: str, values: list[str]) -> None:
    said = template.format(*values)
    with use_language("zh"):
        found = told(said)
    assert found
    with use_language("en"):
        assert told(said) == said


@given(st.text())
def test_a_text_that_nobody_knows_stays(text: str) -> None:
    with use_language("zh"):
        found = told(text)
    assert found == text or text.strip() != "" or not text


def test_values_that_are_texts_themselves_are_told_too() -> None:
    with use_language("zh"):
        assert told("memory limit of 64 MiB reached (peak 63 MiB); the job was ended") == (
            "达到内存上限 64 MiB（峰值 63 MiB）；作业被终止"
        )
        assert told("Inputs, logs and outputs lie at this hub, which is set to no region: outside of 31.") == (
            "输入、日志和输出都存放在本枢纽，而它没有设置所在地区：不在 31 之内。"
        )
        assert told("Did you mean nvidia? suanlian chips lists the families.") == (
            "你是不是想写 nvidia？suanlian chips 列出各系列。"
        )
