"""Specs: whole ones come back as they were; paths stay inside, addresses carry nothing secret, nothing is ambiguous."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from suanlian.model.job import Input, JobSpec, Path, Url
from suanlian.testing.strategies import inputs, job_specs, names, paths

PATH: TypeAdapter[str] = TypeAdapter(Path)
URL: TypeAdapter[str] = TypeAdapter(Url)
DIGEST = "0" * 64


def spec(**changes: object) -> dict[str, Any]:
    variant = {"architecture": "x86_64", "environment": "python", "command": ["true"]}
    return {"name": "j", "resources": {"cpu": "1", "memory": "1MiB"}, "variants": [variant], **changes}


def fault(**changes: object) -> tuple[str, str]:
    with pytest.raises(ValidationError) as refused:
        JobSpec.model_validate(spec(**changes))
    first = refused.value.errors()[0]
    return ".".join(str(step) for step in first["loc"]), str(first["msg"])


@settings(max_examples=50)
@given(job_specs)
def test_a_spec_comes_back_from_the_wire_as_it_was(one: JobSpec) -> None:
    text = one.model_dump_json()
    assert JobSpec.model_validate_json(text) == one
    assert JobSpec.model_validate(json.loads(text)) == one
    assert JobSpec.model_validate_json(text).model_dump_json() == text


@given(inputs)
def test_an_input_has_its_bytes_where_they_stand_in_the_spec(item: Input) -> None:
    data = item.inline()
    assert (data is None) == (item.object or item.url is not None)
    if item.content is not None:
        assert data == item.content.encode()
    if item.content_base64 is not None:
        assert data == base64.b64decode(item.content_base64)


@given(st.text(max_size=30) | paths | st.lists(names | st.sampled_from([".", "..", ""])).map("/".join))
def test_a_path_stays_inside_or_is_refused(text: str) -> None:
    try:
        path = PATH.validate_python(text)
    except ValidationError:
        return
    assert path == text
    assert not path.startswith("/")
    assert all(part not in ("", ".", "..") for part in path.split("/"))
    assert "\\" not in path
    assert "\x00" not in path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "/",
        "/etc/passwd",
        "..",
        "../a",
        "a/../b",
        "a/..",
        "a//b",
        "a/",
        "./a",
        "a/.",
        "a\\..\\b",
        "C:\\x",
        "a" * 256,
        "a\x00b",
        "a\nb",
        "a\x1b[2J",
        "a\u202eb",
        "a\u200bb",
        "a\u2028b",
    ],
)
def test_paths_that_climb_out_or_lie_are_refused(text: str) -> None:
    with pytest.raises(ValidationError, match=r"relative path|leads out|control character"):
        PATH.validate_python(text)
    assert fault(outputs=[text])[0] == "outputs.0"
    assert fault(inputs=[{"path": text, "content": ""}])[0] == "inputs.0.path"


@pytest.mark.parametrize(
    "text", ["http://example.org", "https://example.org:8443/a?b=c#d@e", "http://[2001:db8::1]/x", "http://例子.cn/文"]
)
def test_plain_addresses_are_taken_as_they_are(text: str) -> None:
    assert URL.validate_python(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "example.org",
        "file:///etc/passwd",
        "ftp://a/b",
        "javascript:alert(1)",
        "http://",
        "http:///a",
        "http:a",
        "http://user@a/",
        "http://user:secret@a/",
        "http://:secret@a/",
        "http://@a/",
        "http://:@a/",
        "http://a:99999/",
        "http://a:0/",
        "http://a:b/",
        "http://[::1",
        "http://[1.2.3/",
        " http://a",
        "http://a b/",
        "http://a/\n",
        "http://a/\r\nHost: b",
        "http://a/\x00",
        "http://a/\u202e",
        "http://a\xa0b/",
        "h" * 2001,
    ],
)
def test_addresses_with_a_password_or_without_a_sense_are_refused(text: str) -> None:
    with pytest.raises(ValidationError):
        URL.validate_python(text)
    assert fault(inputs=[{"path": "a", "url": text, "sha256": DIGEST}])[0] == "inputs.0.url"


@pytest.mark.parametrize(
    ("changes", "where", "what"),
    [
        ({"name": "Big"}, "name", "pattern"),
        ({"name": "a\n"}, "name", "pattern"),
        ({"name": "a" * 64}, "name", "pattern"),
        ({"purpose": "a\x1b[31m"}, "purpose", "U+001B"),
        ({"purpose": "a\u202e"}, "purpose", "U+202E"),
        ({"purpose": "a" * 201}, "purpose", "200"),
        ({"resources": {"cpu": "0", "memory": "1MiB"}}, "", "cpu and memory"),
        ({"resources": {"cpu": "1"}}, "", "cpu and memory"),
        ({"array_size": 0}, "array_size", "greater"),
        ({"array_size": 100_001}, "array_size", "less"),
        ({"wall_time_s": 0}, "wall_time_s", "greater"),
        ({"wall_time_s": 10**400}, "wall_time_s", "less"),
        ({"attempts": 11}, "attempts", "less"),
        ({"env": {"A=B": "x"}}, "env.A=B.[key]", "pattern"),
        ({"env": {"A": "x\x00"}}, "env.A", "pattern"),
        ({"variants": []}, "variants", "at least 1"),
        ({"wants": {"max_latency_ms": "1"}}, "wants", "user_region"),
        ({"wants": {"green_min": "1.1"}}, "wants.green_min", "less"),
        ({"wants": {"green_min": 0.5}}, "wants.green_min", "float"),
        ({"wants": {"max_cost": "0"}}, "wants.max_cost", "greater"),
        ({"mistyped": 1}, "mistyped", "not permitted"),
        ({"wants": {"platfrom": "x"}}, "wants.platfrom", "not permitted"),
    ],
)
def test_faults_name_their_field(changes: dict[str, object], where: str, what: str) -> None:
    field, message = fault(**changes)
    assert field == where
    assert what in message


def variant(**changes: object) -> dict[str, object]:
    return {"architecture": "x86_64", "environment": "python", "command": ["true"], **changes}


@pytest.mark.parametrize(
    ("variants", "what"),
    [
        ([variant(environment=None)], "exactly one of environment and image"),
        ([variant(image=f"a@sha256:{DIGEST}")], "exactly one of environment and image"),
        ([variant(environment=None, image="python:3")], "pattern"),
        ([variant(command=[])], "at least 1"),
        ([variant(command=["a\x00"])], "pattern"),
        ([variant(throughput="0")], "greater"),
        ([variant(), variant(command=["false"])], "two variants"),
        ([variant(architecture="x86")], "Input should be"),
    ],
)
def test_a_variant_says_one_thing(variants: list[dict[str, object]], what: str) -> None:
    assert what in fault(variants=variants)[1]


@pytest.mark.parametrize(
    ("item", "what"),
    [
        ({}, "exactly one of"),
        ({"content": "", "content_base64": ""}, "exactly one of"),
        ({"content": "", "object": True, "sha256": DIGEST}, "exactly one of"),
        ({"object": True}, "needs its sha256"),
        ({"url": "http://a/"}, "needs its sha256"),
        ({"content_base64": "a"}, "not base64"),
        ({"content_base64": "YQ==\n"}, "not base64"),
        ({"object": True, "sha256": DIGEST.upper().replace("0", "A")}, "pattern"),
    ],
)
def test_an_input_has_one_source(item: dict[str, object], what: str) -> None:
    with pytest.raises(ValidationError, match=what):
        Input.model_validate({"path": "a", **item})


def test_two_inputs_of_one_path_are_refused() -> None:
    item = {"path": "a", "content": ""}
    assert "same path" in fault(inputs=[item, item])[1]


def test_a_value_is_frozen() -> None:
    made = JobSpec.model_validate(spec())
    with pytest.raises(ValidationError, match="frozen"):
        made.name = "other"  # type: ignore[misc]  # the type checker knows it too
