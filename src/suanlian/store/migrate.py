"""Bringing a store's tables up to date with Alembic; the revisions lie in ``migrations/versions``."""

from pathlib import Path
from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

from suanlian.store.dialect import check_references, rebuilding
from suanlian.store.engine import Store

_HERE: Final = Path(__file__).parent / "migrations"


def config() -> Config:
    """Alembic's configuration, without a file."""
    made = Config()
    made.set_main_option("script_location", str(_HERE).replace("%", "%%"))
    return made


def upgrade(store: Store) -> None:
    """Create or update every table. All of it or nothing where the database can do that."""
    made = config()
    with store.writing.connect() as connection, rebuilding(connection), connection.begin():
        made.attributes["connection"] = connection
        command.upgrade(made, "head")
        check_references(connection)


def is_current(store: Store) -> bool:
    """Whether the tables are those of this version."""
    with store.readers.connect() as connection:
        found = MigrationContext.configure(connection).get_current_revision()
    return found == ScriptDirectory.from_config(config()).get_current_head()
