"""The node itself: made once, known by its name, key and prefix; uplinks to hubs above."""

from dataclasses import replace

from suanlian.crypto.keys import KeyPair
from suanlian.model.errors import ConflictError, NotFoundError
from suanlian.model.ids import HubId, Kind, new_id, public_id
from suanlian.model.node import NodeAbout
from suanlian.model.protocol import PROTOCOL_VERSION, EnrolAnswer
from suanlian.services.ports import Node
from suanlian.store import nodes, parties
from suanlian.store.unit import Unit


def create(unit: Unit, node: Node) -> None:
    """Write the node row. Raises ConflictError when there is one."""
    if nodes.get(unit) is not None:
        wrong = "This store belongs to a hub already."
        raise ConflictError("already_done", wrong, todo="Use another home or database for another hub.")
    row = {"id": node.id, "name": node.name, "url": node.url, "prefix": node.prefix, "provisional": node.provisional}
    nodes.create(unit, {**row, "created_at": unit.now})


def load(unit: Unit, keypair: KeyPair) -> Node:
    """This hub as the store knows it. Raises NotFoundError before ``init``."""
    row = nodes.get(unit)
    if row is None:
        raise NotFoundError("not_found", "There is no hub in this store yet.", todo="Run suanlian-hub init first.")
    return Node(
        id=row["id"],
        name=row["name"],
        url=row["url"],
        prefix=row["prefix"],
        prefixes=nodes.prefixes(unit),
        provisional=row["provisional"],
        keypair=keypair,
    )


def move(unit: Unit, url: str) -> None:
    """From now on the hub is reached there."""
    nodes.change_url(unit, url)


def about(unit: Unit, node: Node, version: str) -> NodeAbout:
    """What the hub tells everybody of itself."""
    above = nodes.uplinks(unit)
    return NodeAbout(
        hub_id=HubId(node.id),
        public_id=public_id(node.prefix, Kind.HUB, node.id),
        name=node.name,
        prefix=node.prefix,
        provisional=node.provisional,
        public_key=node.keypair.public_text,
        protocol=PROTOCOL_VERSION,
        version=version,
        upstream=above[0]["url"] if above else "",
    )


def take_uplink(unit: Unit, node: Node, url: str, answer: EnrolAnswer) -> Node:
    """Keep what the hub above answered. Its prefix is ours from now on; identifiers issued before stay resolvable."""
    refuse_second_uplink(unit, answer.hub_id)
    row = {
        "id": new_id(),
        "url": url,
        "hub_id": answer.hub_id,
        "hub_name": answer.hub_name,
        "hub_key": answer.hub_public_key,
        "connector_id": answer.connector_id,
        "platform_id": answer.platform_id,
        "prefix": answer.prefix,
        "enrolled_at": unit.now,
        "seen_at": unit.now,
        "chain": answer.chain.model_dump_json(),
        "chain_at": unit.now,
        "recovery_key": answer.hub_recovery_key,
        "key_serial": answer.hub_key_serial,
        "recovery_serial": answer.hub_key_serial,
        "protocol": answer.protocol,
    }
    nodes.add_uplink(unit, row)
    if not node.provisional:
        return node
    nodes.take_prefix(unit, answer.prefix)
    return replace(node, prefix=answer.prefix, provisional=False, prefixes=node.prefixes | {answer.prefix})


def refuse_second_uplink(unit: Unit, hub_id: str) -> None:
    """Raises ConflictError when there is an uplink to this hub already: asked before a token is spent."""
    if any(row["hub_id"] == hub_id for row in nodes.uplinks(unit)):
        wrong = "There is an uplink to this hub already."
        raise ConflictError("already_done", wrong, todo="suanlian-hub status shows it.")


def needs_operator(unit: Unit) -> bool:
    """Whether nobody operates this hub yet."""
    return not parties.has_operator(unit)
