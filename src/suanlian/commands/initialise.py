"""Making a hub: its home, key, tables and name; its prefix from above; the link of its first operator."""

from dataclasses import dataclass
from typing import Final

from suanlian.app import KEY_FILE, Hub, assemble, database_url, make_secrets, utc_now
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.model.errors import ConflictError, InvalidError, SuanlianError
from suanlian.model.ids import new_id
from suanlian.model.protocol import EnrolAnswer, EnrolCall
from suanlian.sdk.connector import ConnectorClient, Link, Means, about
from suanlian.sdk.transport import open_client
from suanlian.services import nodes, parties
from suanlian.services.ports import Node
from suanlian.settings import HubSettings
from suanlian.store.engine import open_store
from suanlian.store.migrate import upgrade
from suanlian.store.writer import Writer

_PROVISIONAL_LENGTH: Final = 10


@dataclass(frozen=True, slots=True)
class Above:
    """The hub above: its address, the join token that its operator gave, its key where it is known."""

    url: str
    token: str
    key: str | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """What came of it. ``warning`` when the hub above was not reached and the prefix is provisional."""

    node: Node
    link: str
    warning: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What the new hub is to be: a root hub has a prefix of its own, others get theirs from above."""

    name: str
    url: str
    prefix: str | None = None
    above: Above | None = None


def initialise(settings: HubSettings, wish: Wish) -> Made:
    """Make the hub. Raises ConflictError when the home holds one, InvalidError without a prefix and a hub above."""
    if (wish.prefix is None) == (wish.above is None):
        todo = "A root hub has --prefix; every other hub --upstream and --join-token."
        raise InvalidError("field_invalid", "Give either a prefix of its own or a hub above.", todo=todo)
    home = settings.hub_home
    if (home / KEY_FILE).exists():
        wrong = f"There is a hub in {home} already."
        raise ConflictError("already_done", wrong, todo="Choose another --home.")
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    keypair = KeyPair.generate()
    keypair.save(home / KEY_FILE)
    _write_node(settings, _first_node(wish, keypair))
    return _finish(settings, wish)


def _first_node(wish: Wish, keypair: KeyPair) -> Node:
    """Before the hub above has answered, identifiers are issued under a prefix made of the key."""
    own = "".join(c for c in keypair.key_id.upper() if c.isascii() and c.isalnum())[:_PROVISIONAL_LENGTH]
    prefix = wish.prefix or f"X{own}"
    return Node(new_id(), wish.name, wish.url, prefix, frozenset({prefix}), wish.prefix is None, keypair)


def _write_node(settings: HubSettings, node: Node) -> None:
    store = open_store(database_url(settings))
    try:
        upgrade(store)
        writer = Writer(store, clock=utc_now, on_commit=lambda _topics: None)
        writer.run(lambda unit: nodes.create(unit, node))
        writer.stop()
    finally:
        store.close()


def _finish(settings: HubSettings, wish: Wish) -> Made:
    running, warning = assemble(settings), ""
    try:
        if wish.above is not None:
            try:
                enrol_above(running.hub, wish.above)
            except SuanlianError as error:
                warning = str(error)
        secrets = make_secrets(settings.hub_home)
        link = running.hub.writer.run(lambda unit: parties.make_link(unit, secrets))
        return Made(running.hub.node, link, warning)
    finally:
        running.stop_unstarted()


def enrol_above(hub: Hub, above: Above) -> EnrolAnswer:
    """Enter the hub above with the join token; from then on its prefix is ours. Raises SuanlianError."""
    node: Node = hub.node
    with open_client() as http:
        key = PublicKey.parse(above.key or about(http, above.url).public_key)
        link = Link(above.url, key, node.keypair, node.keypair.public_text)
        call = EnrolCall(token=above.token, name=node.name, public_key=node.keypair.public_text, url=node.url)
        answer = ConnectorClient(link, Means(http, utc_now)).enrol(call)
    hub.node = hub.writer.run(lambda unit: nodes.take_uplink(unit, node, above.url, answer))
    return answer
