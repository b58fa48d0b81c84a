"""The tables that migrations make are those of the code, on both databases."""

from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext

from suanlian.app import database_url
from suanlian.store.engine import open_store
from suanlian.store.migrate import is_current, upgrade
from suanlian.store.tables import metadata
from tests.hub.world import Stores


def test_an_empty_database_becomes_that_of_the_code(stores: Stores) -> None:
    settings = stores.fresh()
    settings.hub_home.mkdir()
    store = open_store(database_url(settings))
    assert not is_current(store)
    upgrade(store)
    assert is_current(store)
    with store.readers.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
    # again, it changes nothing
    upgrade(store)
    assert is_current(store)
    store.close()
    stores.drop(settings)
