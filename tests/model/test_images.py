"""Does an image index give one image an architecture, by digest, whatever else stands in it?"""

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.model.errors import InvalidError
from suanlian.model.images import ARCHITECTURES, MAX_BYTES, Index, read_index
from suanlian.model.performance import Architecture


def digest(number: int) -> str:
    return f"sha256:{number:064x}"


def entry(number: int, system: str = "linux", architecture: str = "amd64", form: str = "") -> dict[str, Any]:
    platform = {"os": system, "architecture": architecture, **({"variant": form} if form else {})}
    return {"mediaType": "x", "size": 1, "digest": digest(number), "platform": platform}


def index(*entries: dict[str, Any]) -> bytes:
    return json.dumps({"schemaVersion": 2, "manifests": list(entries)}).encode()


def pairs(found: Index) -> list[tuple[str, str]]:
    return [(image.architecture.value, image.digest) for image in found.images]


def test_an_index_as_registries_have_it_counts_as_several() -> None:
    found = read_index(
        index(
            entry(1),
            entry(2, architecture="arm", form="v7"),
            entry(3, architecture="arm64", form="v8"),
            entry(4, architecture="riscv64"),
            entry(5, "windows"),
            entry(6, "wasi", "wasm"),
            entry(7, "unknown", "unknown"),
            entry(8, "unknown", "unknown"),
        )
    )
    wanted = [("x86_64", digest(1)), ("aarch64", digest(3)), ("riscv64", digest(4)), ("wasm32", digest(6))]
    assert pairs(found) == wanted
    assert found.others == ("linux/arm/v7", "windows/amd64")


def test_what_only_newer_machines_run_is_not_taken_for_the_architecture() -> None:
    found = read_index(index(entry(1, form="v3"), entry(2), entry(3, form="v2")))
    assert pairs(found) == [("x86_64", digest(2))]
    assert found.others == ("linux/amd64/v3", "linux/amd64/v2")


BAD = {
    "not JSON": b"{",
    "a list": b"[]",
    "no manifests": b'{"schemaVersion": 2}',
    "manifests no list": b'{"manifests": {}}',
    "an entry no object": b'{"manifests": [1]}',
    "a single image": b'{"config": {}, "layers": []}',
    "no platform": json.dumps({"manifests": [{"digest": digest(1)}]}).encode(),
    "a platform no text": json.dumps({"manifests": [{"digest": digest(1), "platform": {"os": 1}}]}).encode(),
    "no digest": json.dumps({"manifests": [{**entry(1), "digest": None}]}).encode(),
    "another digest": json.dumps({"manifests": [{**entry(1), "digest": "sha512:00"}]}).encode(),
    "control characters": index(entry(1, "li\nnux")),
    "too deep": b"[" * 100_000,
    "too long": b" " * (MAX_BYTES + 1),
}


@pytest.mark.parametrize("content", BAD.values(), ids=BAD)
def test_what_is_no_index_is_refused_with_what_to_do(content: bytes) -> None:
    with pytest.raises(InvalidError) as caught:
        read_index(content)
    assert caught.value.code == "image_index_invalid"
    assert caught.value.todo


platforms = st.sampled_from([*ARCHITECTURES, ("linux", "s390x"), ("windows", "amd64"), ("unknown", "unknown")])
forms = st.sampled_from(["", "v1", "v7", "v8", "v3"])


@given(st.lists(st.tuples(platforms, forms), max_size=12))
def test_each_architecture_once_and_nothing_is_lost_in_silence(entries: list[tuple[tuple[str, str], str]]) -> None:
    found = read_index(index(*(entry(n, *platform, form) for n, (platform, form) in enumerate(entries))))
    architectures = [image.architecture for image in found.images]
    assert len(set(architectures)) == len(architectures)
    assert set(architectures) <= set(Architecture)
    named = {"/".join(filter(None, (*platform, form))) for platform, form in entries if "unknown" not in platform}
    taken = {int(image.digest[7:], 16) for image in found.images}
    told = {"/".join(filter(None, (*entries[n][0], entries[n][1]))) for n in taken}
    assert named == told | set(found.others)


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(content: bytes) -> None:
    with suppress(InvalidError):
        assert isinstance(read_index(content), Index)
