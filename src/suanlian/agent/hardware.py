"""Which serial numbers does this platform name, so that one machine under two identifiers is found? Digests only."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from suanlian.agent.config import AgentConfig
from suanlian.rules.identifiers import hardware_digest, is_junk

DMI: Final = Path("/sys/class/dmi/id")
_NAMES: Final = ("product_uuid", "product_serial", "board_serial", "chassis_serial")
_MAX_BYTES: Final = 256


def serials(config: AgentConfig, dmi: Path = DMI) -> Iterator[str]:
    """What the owner wrote; else those of this machine, as far as this user may read them. Junk is left out."""
    found = config.serials if config.serials is not None else tuple(_read(dmi))
    return (serial for serial in found if not is_junk(serial))


def _read(dmi: Path) -> Iterator[str]:
    for name in _NAMES:
        try:
            yield (dmi / name).read_bytes()[:_MAX_BYTES].decode("utf-8", "replace").strip()
        except OSError:  # not there, or for root alone
            continue


def told(config: AgentConfig, hub_id: str, dmi: Path = DMI) -> tuple[str, ...]:
    """What goes to the hub: digests that this hub alone can compare."""
    return tuple(sorted({hardware_digest(hub_id, serial) for serial in serials(config, dmi)}))
