from collections.abc import Iterator
from pathlib import Path

import pytest

from suanlian.testing.postgres import TemporaryPostgres
from tests.hub.hurry import in_a_hurry
from tests.hub.world import Stores, Template, World, bare, populated, running


@pytest.fixture(scope="session", autouse=True)
def hurry() -> Iterator[None]:
    with in_a_hurry():
        yield


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(scope="session")
def postgres() -> Iterator[TemporaryPostgres]:
    with TemporaryPostgres() as server:
        yield server


@pytest.fixture(scope="session")
def stores(engine: str, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stores]:
    directory: Path = tmp_path_factory.mktemp(engine)
    server = request.getfixturevalue("postgres") if engine == "postgresql" else None
    made = Stores(directory, server)
    yield made
    made.close()


@pytest.fixture(scope="session")
def bare_hub(stores: Stores) -> Template:
    return bare(stores)


@pytest.fixture(scope="session")
def template(bare_hub: Template, stores: Stores) -> Template:
    return populated(bare_hub, stores)


@pytest.fixture
def world(template: Template, stores: Stores) -> Iterator[World]:
    with running(template, stores) as made:
        yield made


@pytest.fixture
def new_world(bare_hub: Template, stores: Stores) -> Iterator[World]:
    """A hub that nobody operates yet."""
    with running(bare_hub, stores) as made:
        yield made


@pytest.fixture(scope="session")
def still(template: Template, stores: Stores) -> Iterator[World]:
    """A world for calls that change nothing; a job waits in it."""
    with running(template, stores) as made:
        made.submit()
        yield made
