"""Two real S3 servers, started once for all tests of storage; each test has a bucket's prefix of its own."""

import secrets
from collections.abc import Callable, Iterator

import pytest

from suanlian.storage.contract import S3At
from suanlian.testing.seaweed import Seaweed


@pytest.fixture(scope="session")
def seaweed() -> Iterator[Seaweed]:
    with Seaweed() as server:
        server.bucket("tests")
        yield server


@pytest.fixture
def s3_at(seaweed: Seaweed) -> S3At:
    return seaweed.at("tests", f"{secrets.token_hex(6)}/of a test")


@pytest.fixture
def prefix(seaweed: Seaweed) -> Callable[[], S3At]:
    """Another prefix each time."""
    return lambda: seaweed.at("tests", secrets.token_hex(6))
