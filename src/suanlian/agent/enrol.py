"""How does a connector enter a hub? With a join token, a key of its own, and the hub's key pinned from then on."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import NamedTemporaryFile

from suanlian.agent.config import AgentConfig, Home, read_config
from suanlian.agent.desk import Identity
from suanlian.crypto.keys import KeyPair, PublicKey
from suanlian.crypto.sealing import SealingRing
from suanlian.model.errors import ConflictError, InvalidError, SuanlianError, UnavailableError
from suanlian.model.protocol import EnrolAnswer, EnrolCall
from suanlian.sdk.address import hub_address
from suanlian.sdk.connector import ConnectorClient, Departure, Link, Means, UntrustedError, about
from suanlian.sdk.transport import Clock, HttpClient, UncertifiedError


@dataclass(frozen=True, slots=True)
class Entry:
    """What is needed to enter: the hub's address, the join token, the owner's file, the hub's key where it is known."""

    url: str
    token: str
    config: Path
    hub_key: str | None = None


@dataclass(frozen=True, slots=True)
class Doors:
    """By what the hub is reached."""

    http: HttpClient
    clock: Clock
    on_send: Callable[[Departure], None]


def prepare(home: Home, entry: Entry) -> AgentConfig:
    """Make the state directory and copy the owner's file into it. Raises InvalidError, ConflictError."""
    if home.identity.exists():
        raise ConflictError(
            "already_done",
            f"{home.root} holds an enrolled connector already.",
            todo="Use another directory, or move this one away.",
        )
    config = read_config(entry.config)
    if hub_address(entry.url) != config.hub:
        wrong = f"The address given is {entry.url}, the file says {config.hub}."
        raise InvalidError("field_invalid", wrong, todo="Make the two the same.", field="hub")
    home.root.mkdir(mode=0o711, parents=True, exist_ok=True)
    if entry.config.resolve() != home.config.resolve():
        shutil.copyfile(entry.config, home.config)
    home.config.chmod(0o600)
    return config


def enrol(home: Home, entry: Entry, config: AgentConfig, doors: Doors) -> Identity:
    """Enter, and keep who we are. A key from an attempt that broke off is used again, so the token is not lost.

    Raises the errors of `ConnectorClient`, InvalidError when the hub has another key than the one that was given, and
    ConflictError when the token is another platform's.
    """
    keypair = KeyPair.load(home.key) if home.key.exists() else KeyPair.generate()
    if not home.key.exists():
        keypair.save(home.key)
    if not home.sealing.exists():
        SealingRing.generate().save(home.sealing)
    call = EnrolCall(token=entry.token, name=config.connector, public_key=keypair.public_text)
    try:
        hub_key = PublicKey.parse(entry.hub_key or about(doors.http, config.hub).public_key)
        link = Link(config.hub, hub_key, keypair, keyid=keypair.public_text)
        answer = ConnectorClient(link, Means(doors.http, doors.clock, doors.on_send)).enrol(call)
    except UntrustedError as error:
        _check_key(entry, config, doors, error)
        raise
    except UncertifiedError:
        raise  # it says what to do
    except UnavailableError as error:
        todo = "Check the address and that the hub is up; then enrol again with the same token."
        raise UnavailableError(error.code, error.wrong, todo=todo) from error
    identity = identity_of(answer, config)
    keep_identity(identity, home.identity)
    return identity


def read_identity(home: Home) -> Identity:
    """Who this connector is. Raises ConflictError when it was never enrolled, ValueError when the file is damaged."""
    try:
        return Identity.model_validate_json(home.identity.read_bytes())
    except FileNotFoundError as error:
        raise ConflictError(
            "state_conflict",
            f"{home.root} holds no enrolled connector.",
            todo="Enter a hub first: suanlian-agent enrol HUB_URL --token jt_... --config FILE",
        ) from error


def _check_key(entry: Entry, config: AgentConfig, doors: Doors, error: UntrustedError) -> None:
    """Say plainly that the key that was given is another than the hub's. Raises InvalidError; else says nothing."""
    if entry.hub_key is None:
        return
    try:
        said = about(doors.http, config.hub).public_key
    except SuanlianError:
        return  # the first error stands
    if said != entry.hub_key:
        wrong = f"The hub has another key than the one you gave: it says {said}, you gave {entry.hub_key}."
        todo = "Ask the hub's operator which is right; if yours is, something stands between here and the hub."
        raise InvalidError("signature_invalid", wrong, todo=todo, field="hub_key") from error


def identity_of(answer: EnrolAnswer, config: AgentConfig) -> Identity:
    """Who we are by what the hub answered. Raises ConflictError when the token was another platform's."""
    if answer.platform != config.platform:
        raise ConflictError(
            "state_conflict",
            f"The token is platform {answer.platform!r}'s, the file is platform {config.platform!r}'s.",
            todo="Ask the operator for a token of the right platform.",
            field="platform",
        )
    return Identity(
        connector_id=answer.connector_id,
        platform_id=answer.platform_id,
        platform=answer.platform,
        hub_id=answer.hub_id,
        hub_name=answer.hub_name,
        hub_url=config.hub,
        hub_key=answer.hub_public_key,
        prefix=answer.prefix,
        hub_recovery_key=answer.hub_recovery_key,
        hub_key_serial=answer.hub_key_serial,
        hub_recovery_serial=answer.hub_key_serial,
    )


def keep_identity(identity: Identity, path: Path) -> None:
    """Write down who we are, whole or not at all."""
    with NamedTemporaryFile("w", dir=path.parent, delete=False, encoding="utf-8") as fresh:  # made with mode 0600
        fresh.write(identity.model_dump_json(indent=2))
        fresh.flush()
        os.fsync(fresh.fileno())
    Path(fresh.name).replace(path)
