"""Does a registry's answer become variants, and is no registry obeyed further than it should be?"""

import hashlib
import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import httpx2
import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from suanlian.cli.main import REFUSED, run
from suanlian.model.errors import InvalidError, NotFoundError, UnavailableError
from suanlian.model.images import MAX_BYTES, read_index
from suanlian.model.job import Variant
from suanlian.sdk.images import fetch_index, image_name, variants

CONTENT = json.dumps(
    {
        "schemaVersion": 2,
        "manifests": [
            {"digest": f"sha256:{n:064x}", "platform": {"os": "linux", "architecture": architecture}}
            for n, architecture in enumerate(("amd64", "arm64", "s390x"))
        ],
    }
).encode()
Handler = Callable[[httpx2.Request], httpx2.Response]


def client(handler: Handler) -> httpx2.Client:
    return httpx2.Client(transport=httpx2.MockTransport(handler))


@pytest.mark.parametrize(
    ("reference", "registry", "name", "version"),
    [
        ("images.example.org/library/python", "images.example.org", "library/python", "latest"),
        ("images.example.org/python:3.13-slim", "images.example.org", "python", "3.13-slim"),
        ("images.example.org/a/b_c/d:1", "images.example.org", "a/b_c/d", "1"),
        ("localhost:5000/x", "localhost:5000", "x", "latest"),
        ("localhost/x:y", "localhost", "x", "y"),
        (f"h.example.org/a/b@sha256:{'0' * 64}", "h.example.org", "a/b", f"sha256:{'0' * 64}"),
        (f"h.example.org/a/b:1@sha256:{'1' * 64}", "h.example.org", "a/b", f"sha256:{'1' * 64}"),
    ],
)
def test_a_reference_with_its_registry_is_read(reference: str, registry: str, name: str, version: str) -> None:
    found = image_name(reference)
    assert (found.registry, found.name, found.version) == (registry, name, version)


@pytest.mark.parametrize("reference", ["", "Python", "a b", "a//b", "/a", "a:", "a@sha256:0", "a-" * 2000, "../x"])
def test_what_is_no_reference_is_refused(reference: str) -> None:
    with pytest.raises(InvalidError, match="no reference"):
        image_name(reference)


@pytest.mark.parametrize("reference", ["python", "python:3.13", "snakemake/snakemake:v9"])
def test_a_name_without_its_registry_is_not_guessed(reference: str) -> None:
    with pytest.raises(InvalidError, match="in which registry"):
        image_name(reference)


@given(st.text("ab-_./:@", max_size=400))
def test_any_text_is_read_or_refused_at_once(text: str) -> None:
    with suppress(InvalidError):
        assert image_name(text).name


def test_variants_are_one_an_architecture_by_digest() -> None:
    made = variants(read_index(CONTENT), "h.example.org/a/b", ["run", "it"])
    assert [(one.architecture.value, one.image) for one in made] == [
        ("x86_64", f"h.example.org/a/b@sha256:{0:064x}"),
        ("aarch64", f"h.example.org/a/b@sha256:{1:064x}"),
    ]
    assert {one.command for one in made} == {("run", "it")}


def test_an_index_for_none_of_our_architectures_says_what_it_has() -> None:
    entry = {"digest": f"sha256:{0:064x}", "platform": {"os": "linux", "architecture": "s390x"}}
    with pytest.raises(InvalidError, match="it has linux/s390x"):
        variants(read_index(json.dumps({"manifests": [entry]}).encode()), "a", ["b"])


def test_a_registry_that_wants_a_token_gets_one_from_where_it_says() -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(str(request.url))
        if request.url.host == "auth.example.org":
            assert "authorization" not in request.headers
            return httpx2.Response(200, json={"token": "t0ken"})
        if request.headers.get("authorization") != "Bearer t0ken":
            said = 'Bearer realm="https://auth.example.org/token",service="registry"'
            return httpx2.Response(401, headers={"www-authenticate": said})
        assert "image.index" in request.headers["accept"]
        return httpx2.Response(200, content=CONTENT)

    found = fetch_index(image_name("h.example.org/library/python:3.13"), client(answer))
    assert len(found.images) == 2
    assert asked[0] == asked[2] == "https://h.example.org/v2/library/python/manifests/3.13"
    assert asked[1] == "https://auth.example.org/token?service=registry&scope=repository%3Alibrary%2Fpython%3Apull"


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (httpx2.Response(404), NotFoundError),
        (httpx2.Response(403), NotFoundError),
        (httpx2.Response(500), UnavailableError),
        (httpx2.Response(302, headers={"location": "http://127.0.0.1/"}), UnavailableError),
        (httpx2.Response(401, headers={"www-authenticate": "Basic"}), InvalidError),
        (httpx2.Response(401, headers={"www-authenticate": 'Bearer realm="http://10.0.0.1/x"'}), InvalidError),
        (httpx2.Response(401, headers={"www-authenticate": 'Bearer realm="file:///etc/passwd"'}), InvalidError),
        (httpx2.Response(200, content=b"{}"), InvalidError),
        (httpx2.Response(200, content=b" " * (MAX_BYTES + 1)), InvalidError),
    ],
)
def test_other_answers_are_told_and_lead_nowhere(answer: httpx2.Response, error: type[Exception]) -> None:
    calls = 0

    def give(_request: httpx2.Request) -> httpx2.Response:
        nonlocal calls
        calls += 1
        return answer

    with pytest.raises(error):
        fetch_index(image_name("h.example.org/a/b"), client(give))
    assert calls == 1


def test_a_registry_that_cannot_be_reached_is_told() -> None:
    def fail(_request: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("no route")

    with pytest.raises(UnavailableError, match=r"registry h.example.org did not answer: no route"):
        fetch_index(image_name("h.example.org/a/b"), client(fail))


def test_bytes_of_another_digest_are_not_taken() -> None:
    right, wrong = f"sha256:{hashlib.sha256(CONTENT).hexdigest()}", f"sha256:{'0' * 64}"
    found = fetch_index(
        image_name(f"h.example.org/a/b@{right}"), client(lambda _request: httpx2.Response(200, content=CONTENT))
    )
    assert found == read_index(CONTENT)
    with pytest.raises(InvalidError, match="other bytes"):
        fetch_index(
            image_name(f"h.example.org/a/b@{wrong}"), client(lambda _request: httpx2.Response(200, content=CONTENT))
        )


def test_the_command_line_makes_variants_of_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "index.json"
    file.write_bytes(CONTENT)
    assert run(["variants", str(file), "--image", "h.example.org/a/b:1", "--", "python", "-V"]) == 0
    told = capsys.readouterr()
    made = [Variant.model_validate(one) for one in yaml.safe_load(told.out)["variants"]]
    assert [one.image for one in made] == [f"h.example.org/a/b@sha256:{n:064x}" for n in (0, 1)]
    assert made[0].command == ("python", "-V")
    assert "linux/s390x" in told.err
    assert run(["variants", str(file), "--", "x"]) == REFUSED
    assert "image_index_invalid" in capsys.readouterr().err
