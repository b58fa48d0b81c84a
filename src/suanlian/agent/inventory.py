"""What does this platform publish? What its owner wrote, the flavors that the driver described, and how it isolates."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from suanlian.agent.config import AgentConfig
from suanlian.drivers.contract import DriverError, DriverStatus
from suanlian.model.errors import InvalidError
from suanlian.model.offer import NewOffer
from suanlian.model.owner import OwnerPolicy
from suanlian.model.platform import Feature, Flavor, Inventory, Share
from suanlian.rules.owner import below_floor

_MAX_TEXT = 200
_MAX_NAMES: Final = 20


@dataclass(frozen=True, slots=True)
class Told:
    """What is told besides the file: the owner's policy, the driver of its engine, where folders lie."""

    policy: OwnerPolicy
    status: DriverStatus
    filesystems: Mapping[str, str] = field(default_factory=dict)
    """By the name of a storage share."""


def published(config: AgentConfig, described: Sequence[Flavor], told: Told, file: Path) -> Inventory:
    """Put the inventory together; the owner's word on a flavor stands before the driver's.

    Only flavors of some share are published. Raises InvalidError naming ``file`` and the share where a share names a
    flavor that nobody states, an offer is below the owner's own floor, or the whole cannot be meant; DriverError where
    the engine is not there to be asked.
    """
    known = {flavor.name: flavor for flavor in (*described, *config.inventory.flavors)}
    _check_flavors(config.inventory.shares, known, told.status, file)
    _check_prices(config, told.policy, file)
    used = {share.flavor for share in config.inventory.shares}
    features = tuple(sorted({*told.status.features, Feature.FILES}))
    flavors = tuple(flavor.model_copy(update={"features": features}) for name, flavor in known.items() if name in used)
    shares = tuple(_told(share, told) for share in config.inventory.shares)
    storage = tuple(
        store.model_copy(update={"filesystem": told.filesystems.get(store.name, "")})
        for store in config.inventory.storage
    )
    try:
        return Inventory(sites=config.inventory.sites, flavors=flavors, shares=shares, storage=storage)
    except ValidationError as error:
        wrong = "; ".join(
            fault["msg"].removeprefix("Value error, ") for fault in error.errors(include_url=False)[:_MAX_NAMES]
        )
        raise _refused(file, "inventory", wrong) from error


def _check_flavors(shares: Sequence[Share], known: Collection[str], status: DriverStatus, file: Path) -> None:
    for number, share in enumerate(shares):
        if share.flavor in known:
            continue
        names = ", ".join(sorted(known)[:_MAX_NAMES]) or "none"
        wrong = f"share {share.name!r} names flavor {share.flavor!r}, which neither the file nor the driver describes"
        if not status.ready:
            text = f"{file}: {wrong}; the engine is not ready, so its flavors are not known yet: {status.detail}"
            raise DriverError(text, transient=True)
        raise _refused(file, f"inventory.shares.{number}.flavor", f"{wrong}; known flavors: {names}")


def _check_prices(config: AgentConfig, policy: OwnerPolicy, file: Path) -> None:
    """The owner's own offers keep the floor; of a kind that an offer gives away nothing may be asked."""
    of = {share.name: share for share in config.inventory.shares}
    for number, offer in enumerate(config.offers):
        if below := _priced_below(offer, of[offer.share], policy):
            wrong = f"offer {offer.name!r} prices {below} below the policy's own price_floor"
            raise _refused(file, f"offers.{number}.rates", wrong)


def _priced_below(offer: NewOffer, share: Share, policy: OwnerPolicy) -> str:
    return ", ".join(below_floor(share.capacity, offer.rates, policy))


def _refused(file: Path, field: str, wrong: str) -> InvalidError:
    todo = "Correct the file and start the agent again."
    return InvalidError("field_invalid", f"{file}: {field}: {wrong}.", todo=todo, field=field)


def _told(share: Share, told: Told) -> Share:
    status = told.status
    return share.model_copy(
        update={
            "isolation": status.isolation[:_MAX_TEXT],
            "isolated": status.isolated,
            "allow_unisolated": told.policy.allow_unisolated,
        }
    )
