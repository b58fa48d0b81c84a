"""What does this platform say of itself? A descriptor, signed, handed in when something in it has changed."""

import json
from datetime import datetime, timedelta
from typing import Final

from suanlian.agent.desk import Desk, log
from suanlian.agent.hardware import told
from suanlian.crypto.canonical import digest
from suanlian.crypto.dossiers import sign_descriptor
from suanlian.crypto.lineage import body_of
from suanlian.model.descriptor import Descriptor, DescriptorAnswer, DescriptorCall, described
from suanlian.model.errors import SuanlianError, UnavailableError
from suanlian.model.platform import Inventory

ASK_AGAIN: Final = timedelta(minutes=10)
"""So often the hub is asked what it has registered, and after a refusal it is tried again."""
_FLAG: Final = "descriptor"


class Describer:
    """Hands descriptors in. What was registered last stands in the ledger, by its digest."""

    def __init__(self, desk: Desk) -> None:
        """Begin without knowing what the hub has."""
        self._desk = desk
        self._due: datetime | None = None
        self._said: str | None = None

    def describe(self, inventory: Inventory) -> bool:
        """Register what is so now, where the hub has something else; False when there was nothing to say.

        Raises UnavailableError. A refusal is logged, and tried again after a while.
        """
        now, content = self._desk.clock(), self._content_of(inventory)
        if content == self._said and self._due is not None and now < self._due:
            return False
        try:
            changed = self._register(inventory, content)
        except UnavailableError:
            raise
        except SuanlianError as error:
            log.warning("the hub refused the descriptor: %s", error)
            changed = False
        self._said, self._due = content, now + ASK_AGAIN
        return changed

    def _content_of(self, inventory: Inventory) -> str:
        """A digest of all that this side may change."""
        desk = self._desk
        sites, shares = described(inventory)
        said = [[body_of(site) for site in sites], [body_of(share) for share in shares]]
        more = [list(desk.config.endpoints), desk.keypair.public_text, list(self._hardware()), desk.level.value]
        return digest([*said, *more])

    def _hardware(self) -> tuple[str, ...]:
        return told(self._desk.config, self._desk.identity.hub_id)

    def _register(self, inventory: Inventory, content: str) -> bool:
        desk = self._desk
        there = desk.hub.descriptor(DescriptorCall())
        new = self._made(inventory, there)
        known = json.loads(desk.ledger.flag(_FLAG) or "{}")
        if known == {"digest": there.digest, "content": self._all(new, content)}:
            return False
        signature = sign_descriptor(new, desk.keypair)
        answer = desk.hub.descriptor(DescriptorCall(descriptor=new, signature=signature, hardware=self._hardware()))
        desk.ledger.set_flag(_FLAG, json.dumps({"digest": answer.digest, "content": self._all(new, content)}))
        log.info("descriptor version %d of %s is registered", answer.version, answer.identifier)
        return True

    @staticmethod
    def _all(new: Descriptor, content: str) -> str:
        return digest([new.content(), content])

    def _made(self, inventory: Inventory, there: DescriptorAnswer) -> Descriptor:
        desk = self._desk
        sites, shares = described(inventory)
        return Descriptor(
            identifier=there.identifier,
            version=there.version + 1,
            part=desk.config.connector,
            platform=desk.identity.platform,
            entity=there.entity,
            issuer=there.issuer,
            key=desk.keypair.public_text,
            endpoints=desk.config.endpoints,
            sites=sites,
            shares=shares,
            level=desk.level.value,
            made_at=desk.clock(),
            previous=there.digest,
        )
