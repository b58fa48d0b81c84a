"""The tables that migrations make are those of the code, on both databases."""

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, insert, select

from suanlian.app import database_url
from suanlian.store.engine import open_store
from suanlian.store.migrate import config, is_current, upgrade
from suanlian.store.tables import connector, metadata
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


def _fill(connection: Connection, table: str, **known: object) -> None:
    """A row of a table as it is at this revision; what has no default gets something."""
    found = Table(table, MetaData(), autoload_with=connection)
    some = {int: 1, str: "x", bool: True}
    needed = [c for c in found.columns if not c.nullable and c.server_default is None and c.name not in known]
    row = {column.name: some[column.type.python_type] for column in needed}
    connection.execute(insert(found).values(**row, **known))


def test_a_connector_that_was_there_goes_on_selling(stores: Stores) -> None:
    settings = stores.fresh()
    settings.hub_home.mkdir()
    store, alembic = open_store(database_url(settings)), config()
    before = ScriptDirectory.from_config(alembic).get_revision("0021").down_revision
    with store.writing.begin() as connection:
        alembic.attributes["connection"] = connection
        command.upgrade(alembic, str(before))
        _fill(connection, "entity", id="e")
        _fill(connection, "platform", id="p", entity_id="e")
        _fill(connection, "connector", id="c", platform_id="p")
    upgrade(store)
    with store.readers.connect() as connection:
        row = connection.execute(select(connector.c.level, connector.c.partners)).one()
    assert tuple(row) == ("trade", "[]")
    store.close()
    stores.drop(settings)
