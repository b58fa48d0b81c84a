"""Making a hub: its home, key, tables and name; its prefix from above; the link of its first operator."""

from dataclasses import dataclass

from suanlian.app import KEY_FILE, Hub, assemble, database_url, make_secrets, utc_now
from suanlian.crypto.errors import SignatureError
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.crypto.lineage import check_delegated, provisional_prefix
from suanlian.model.errors import ConflictError, InvalidError, SuanlianError
from suanlian.model.ids import new_id
from suanlian.model.protocol import EnrolAnswer, EnrolCall
from suanlian.sdk.connector import ConnectorClient, Link, Means, about
from suanlian.sdk.transport import open_client
from suanlian.services import lineage, nodes, parties
from suanlian.services.ports import Node
from suanlian.settings import HubSettings
from suanlian.store.engine import open_store
from suanlian.store.migrate import upgrade
from suanlian.store.unit import Unit
from suanlian.store.writer import Writer


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
    recovery: KeyPair | None = None
    """The key that stands above the hub's own. It is nowhere in the home: whoever made the hub keeps it elsewhere."""


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
    recovery = KeyPair.generate()
    _write_node(settings, _first_node(wish, keypair), recovery.public_text)
    return _finish(settings, wish, recovery)


def _first_node(wish: Wish, keypair: KeyPair) -> Node:
    """Before the hub above has answered, identifiers are issued under a prefix made of the key."""
    prefix = wish.prefix or provisional_prefix(keypair.public)
    return Node(new_id(), wish.name, wish.url, prefix, frozenset({prefix}), wish.prefix is None, keypair)


def _write_node(settings: HubSettings, node: Node, recovery_key: str) -> None:
    store = open_store(database_url(settings))
    try:
        upgrade(store)
        writer = Writer(store, clock=utc_now, on_commit=lambda _topics: None)

        def begin(unit: Unit) -> None:
            nodes.create(unit, node)
            lineage.begin(unit, node, recovery_key)

        writer.run(begin, source="command")
        writer.stop()
    finally:
        store.close()


def _finish(settings: HubSettings, wish: Wish, recovery: KeyPair) -> Made:
    running, warning = assemble(settings), ""
    try:
        if wish.above is not None:
            try:
                enrol_above(running.hub, wish.above)
            except SuanlianError as error:
                warning = str(error)
        secrets = make_secrets(settings.hub_home)
        link = running.hub.writer.run(lambda unit: parties.make_link(unit, secrets))
        return Made(running.hub.node, link, warning, recovery)
    finally:
        running.stop_unstarted()


def enrol_above(hub: Hub, above: Above) -> EnrolAnswer:
    """Enter the hub above with the join token; from then on its prefix is ours. Raises SuanlianError."""
    node: Node = hub.node
    with open_client() as http:
        told = about(http, above.url)
        with hub.reading() as unit:
            nodes.refuse_second_uplink(unit, told.hub_id)
            recovery = lineage.node_keys(unit, node).recovery_key
        key = PublicKey.parse(above.key or told.public_key)
        link = Link(above.url, key, node.keypair, node.keypair.public_text)
        call = EnrolCall(
            token=above.token,
            name=node.name,
            public_key=node.keypair.public_text,
            url=node.url,
            hub_id=node.id,
            recovery_key=recovery,
        )
        answer = ConnectorClient(link, Means(http, utc_now)).enrol(call)
    _check_chain(answer, key, node)
    hub.node = hub.writer.run(lambda unit: nodes.take_uplink(unit, node, above.url, answer))
    return answer


def _check_chain(answer: EnrolAnswer, key: PublicKey, node: Node) -> None:
    """What the hub above signed for us has to be for us. Raises InvalidError ``chain_broken``."""
    try:
        check_delegated(answer.chain, key, answer.prefix, node.keypair.public)
    except SignatureError as error:
        todo = "Nothing was kept; ask the operator of the hub above."
        raise InvalidError(error.code, error.message, todo=todo, field="chain") from error
