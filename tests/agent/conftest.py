from collections.abc import Iterator

import pytest

from suanlian.agent import ledger


@pytest.fixture(scope="session", autouse=True)
def hurry() -> Iterator[None]:
    """No ledger of these tests need survive a power cut; that of a process that is killed does all the same."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ledger, "SAFE", "PRAGMA synchronous=OFF")
        yield
