"""Secrets of an account: names that jobs refer to. What they say goes in and is never told again, to nobody."""

from typing import Annotated, Final

from pydantic import AfterValidator, Field, SecretStr

from suanlian.model.base import Name, Utc, Value, Wire

AT_REST: Final = "suanlian-secret"
"""What a secret is sealed as while it is kept."""
MIN_CHARS: Final = 8
"""Shorter ones could not be kept out of logs without spoiling them."""
MAX_BYTES: Final = 16 * 1024
MAX_PER_JOB: Final = 16
MAX_PER_ACCOUNT: Final = 200
MAX_SEALED_CHARS: Final = 768 * 1024
"""Room for all secrets of one job, sealed and written in base64 twice."""


def _fits(value: SecretStr) -> SecretStr:
    """Refuse what no log could be kept clean of, or no variable could hold; the text never says what it was."""
    text = value.get_secret_value()
    if len(text) < MIN_CHARS:
        msg = f"a secret has at least {MIN_CHARS} characters: a shorter one cannot be kept out of logs"
        raise ValueError(msg)
    if "\x00" in text or not text.strip():
        msg = "a secret is text without a NUL character, and not blank"
        raise ValueError(msg)
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        msg = "a secret is text that UTF-8 can hold"
        raise ValueError(msg) from error
    if size > MAX_BYTES:
        msg = f"a secret has at most {MAX_BYTES} bytes"
        raise ValueError(msg)
    return value


class NewSecret(Value):
    """What a secret says. It shows as stars wherever it might be printed."""

    value: Annotated[SecretStr, AfterValidator(_fits)]


class SecretAbout(Value):
    """What is told of a secret: that it is there."""

    name: Name
    created_at: Utc
    changed_at: Utc


class SecretContents(Wire):
    """What is inside of what a hub seals to a connector: each secret's bytes in base64, by name."""

    values: dict[Name, str] = Field(max_length=MAX_PER_JOB)


def bound_to(account_id: str, name: str) -> dict[str, str]:
    """What a kept secret is bound to: it opens only as this name of this account."""
    return {"account": account_id, "name": name}
