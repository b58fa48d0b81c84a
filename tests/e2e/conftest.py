from collections.abc import Iterator

import pytest

from suanlian.testing.processes import Processes


@pytest.fixture
def processes() -> Iterator[Processes]:
    with Processes() as started:
        yield started
