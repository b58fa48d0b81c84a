"""The tables that migrations make are those of the code, on both databases."""

from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, Table, insert, select, text

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


_AT = 1_700_000_000_000_000
_ENTITY = "INSERT INTO entity (id, public_id, name, title, created_at) VALUES (:id, :id, :name, '', :at)"
_ACCOUNT = "INSERT INTO account (id, entity_id, name, held_bytes, created_at) VALUES ('a', 'e2', 'hub', 0, :at)"
_PROJECT = "INSERT INTO project (id, account_id, name) VALUES ('p', 'a', 'default')"
_PRINCIPAL = (
    "INSERT INTO principal (id, name, role, entity_id, account_id, project_id) "
    "VALUES ('o', 'op', 'operator', 'e2', 'a', 'p')"
)
_PLATFORM = (
    "INSERT INTO platform (id, public_id, entity_id, name, title, title_zh, kind, state, applied_at, live_at) "
    "VALUES (:id, :id, 'e1', :id, '', '', :kind, :state, :at, :live)"
)
_CONNECTOR = (
    "INSERT INTO connector (id, platform_id, name, public_key, revision, accepting, enrolled_at) "
    "VALUES (:id, :platform, 'c1', :id, 0, :yes, :at)"
)
_PLATFORMS = {
    "running": ("compute", "live"),
    "stopped": ("compute", "suspended"),
    "let-in": ("compute", "approved"),
    "entered": ("compute", "approved"),
    "waiting": ("hub", "applied"),
}


def _old(connection: Connection) -> None:
    """A hub as it was before."""

    def run(statement: str, **values: object) -> None:
        bound = {name: value for name, value in {"at": _AT, **values}.items() if f":{name}" in statement}
        connection.execute(text(statement), bound)

    run(_ENTITY, id="e1", name="owner")
    run(_ENTITY, id="e2", name="hub")
    for statement in (_ACCOUNT, _PROJECT, _PRINCIPAL):
        run(statement)
    for name, (kind, state) in _PLATFORMS.items():
        run(_PLATFORM, id=name, kind=kind, state=state, live=_AT if state in ("live", "suspended") else None)
    for name in ("running", "stopped", "entered"):
        run(_CONNECTOR, id=f"c-{name}", platform=name, yes=True)


def test_what_was_there_before_checks_were_kept_is_carried_over(stores: Stores) -> None:
    settings = stores.fresh()
    settings.hub_home.mkdir()
    store = open_store(database_url(settings))
    made = config()
    with store.writing.begin() as connection:
        made.attributes["connection"] = connection
        command.upgrade(made, "0001")
        _old(connection)
    upgrade(store)
    with store.readers.connect() as connection:

        def rows(query: str) -> dict[str, tuple[object, ...]]:
            return {row[0]: tuple(row[1:]) for row in connection.execute(text(query))}

        assert rows("SELECT name, standing, kind FROM entity") == {
            "owner": ("checked", "both"),
            "hub": ("checked", "operator"),
        }
        assert rows("SELECT name, state FROM platform") == {
            "running": ("live",),
            "stopped": ("suspended",),
            "let-in": ("documents-checked",),
            "entered": ("connected",),
            "waiting": ("applied",),
        }
        assert rows("SELECT id, admitted_at, level FROM connector") == {
            "c-running": (_AT, "trade"),
            "c-stopped": (_AT, "trade"),
            "c-entered": (None, "trade"),
        }
        assert rows("SELECT platform_id, name FROM named_connector") == {
            "running": ("c1",),
            "stopped": ("c1",),
            "entered": ("c1",),
            "let-in": ("let-in-1",),
            "waiting": ("waiting",),
        }
        # a suspension of then goes back to live, as it would have
        assert rows("SELECT platform_id, from_state, to_state FROM onboarding_step")["stopped"] == ("live", "suspended")
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
