"""What does the agent keep of its storage? How it is opened, and what is known of tasks, places and files."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from suanlian.agent.config import AgentConfig, Home
from suanlian.agent.data.book import DataBook
from suanlian.agent.data.manifests import Manifests
from suanlian.agent.data.stores import Stores
from suanlian.agent.ledger import Ledger


@dataclass(frozen=True, slots=True)
class Shelf:
    """One for an agent. ``came``: bytes of each replica that is on its way here, as far as this process knows."""

    stores: Stores
    book: DataBook
    manifests: Manifests
    came: dict[str, int] = field(default_factory=dict)

    def close(self) -> None:
        """Close what is open."""
        self.stores.close()
        self.manifests.close()


def shelf_of(config: AgentConfig, home: Home, ledger: Ledger, clock: Callable[[], datetime]) -> Shelf:
    """Over the state directory."""
    home.data.mkdir(mode=0o700, exist_ok=True)
    stores = Stores(config, home.root)
    return Shelf(stores, DataBook(ledger, clock), Manifests(home.data / "manifests.sqlite3"))
