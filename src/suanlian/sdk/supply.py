"""Truth of supply, as people ask for it."""

from collections.abc import Iterator

from suanlian.model.supply import Reply, SupplyCheck, SupplyDraw
from suanlian.sdk.paging import items, part
from suanlian.sdk.people import Call, Transport


class Supply:
    """Checks of capacity that was reported free."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def checks(self, platform: str) -> Iterator[SupplyCheck]:
        """The checks of a platform's shares, newest first (its provider or the operator)."""
        return items(self._transport, SupplyCheck, f"/v1/platforms/{part(platform)}/supply")

    def reply(self, check: str, text: str) -> None:
        """Say something to a check of an own platform, once."""
        content = Reply(text=text).model_dump_json().encode()
        self._transport.send(Call("POST", f"/v1/supply/checks/{part(check)}/reply", content=content))

    def draw(self, period: int) -> SupplyDraw:
        """A period with its commitment; once it is over, its seed and when each share was checked."""
        return self._transport.read(SupplyDraw, f"/v1/supply/periods/{period}")
