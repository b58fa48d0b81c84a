"""Secrets of one's account: set, list by name, remove. No call tells what a secret says."""

import json
from collections.abc import Iterator

from suanlian.model.secret import NewSecret, SecretAbout
from suanlian.sdk.paging import items, part
from suanlian.sdk.people import Call, Transport
from suanlian.sdk.problems import read_answer


class AccountSecrets:
    """Secrets by name."""

    def __init__(self, transport: Transport) -> None:
        self._transport = transport

    def set(self, name: str, new: NewSecret) -> SecretAbout:
        """Set it, in place of one of this name."""
        content = json.dumps({"value": new.value.get_secret_value()}).encode()
        return read_answer(SecretAbout, self._transport.send(Call("PUT", _path(name), content=content)).content)

    def list(self) -> Iterator[SecretAbout]:
        """The names, with when each was set."""
        return items(self._transport, SecretAbout, "/v1/secrets")

    def remove(self, name: str) -> None:
        """Remove it. Raises NotFoundError ``no_such_secret``."""
        self._transport.send(Call("DELETE", _path(name), repeatable=False))


def _path(name: str) -> str:
    return f"/v1/secrets/{part(name)}"
