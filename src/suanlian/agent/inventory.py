"""What does this platform publish? What its owner wrote, the flavors that the driver described, and how it isolates."""

from collections.abc import Sequence

from suanlian.agent.config import AgentConfig
from suanlian.drivers.contract import DriverStatus
from suanlian.model.platform import Flavor, Inventory, Share

_MAX_TEXT = 200


def published(config: AgentConfig, described: Sequence[Flavor], status: DriverStatus) -> Inventory:
    """Put the inventory together; the owner's word on a flavor stands before the driver's.

    Only flavors of some share are published. Raises ValueError where a share names what nobody states.
    """
    known = {flavor.name: flavor for flavor in (*described, *config.inventory.flavors)}
    used = {share.flavor for share in config.inventory.shares}
    flavors = tuple(flavor for name, flavor in known.items() if name in used)
    shares = tuple(_told(share, config, status) for share in config.inventory.shares)
    return Inventory(sites=config.inventory.sites, flavors=flavors, shares=shares)


def _told(share: Share, config: AgentConfig, status: DriverStatus) -> Share:
    return share.model_copy(
        update={
            "isolation": status.isolation[:_MAX_TEXT],
            "isolated": status.isolated,
            "allow_unisolated": config.policy.allow_unisolated,
        }
    )
