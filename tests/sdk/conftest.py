from collections.abc import Iterator

import pytest

from suanlian.sdk.client import Client
from suanlian.testing.people_hub import PeopleHub


@pytest.fixture
def hub() -> Iterator[PeopleHub]:
    with PeopleHub() as running:
        yield running


@pytest.fixture
def client(hub: PeopleHub) -> Iterator[Client]:
    with Client(hub.url, "sl_test", timeout_s=5, retry_wait_s=0.001) as made:
        yield made
