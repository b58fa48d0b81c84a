"""What all values share: frozen, strict about unknown fields, texts without control characters, UTC times."""

import unicodedata
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, PlainSerializer, StringConstraints


class Value(BaseModel):
    """A frozen value: equal by content, and a field that it does not know is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Wire(Value):
    """A value that a newer peer may have widened: unknown fields are ignored, so that versions can meet."""

    model_config = ConfigDict(frozen=True, extra="ignore")


_TEXT_CONTROLS: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
NAME_PATTERN: Final = r"^[a-z0-9]([a-z0-9._-]{0,61}[a-z0-9])?$"


def plain_text(text: str) -> str:
    """Refuse control and invisible format characters: they forge terminals, logs and names."""
    if text.isprintable():  # the usual case, in one step
        return text
    for place, char in enumerate(text):
        if unicodedata.category(char) in _TEXT_CONTROLS:
            msg = f"control character U+{ord(char):04X} at place {place}; write it without"
            raise ValueError(msg)
    return text


def _to_utc(moment: datetime) -> datetime:
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        msg = "the moment lies outside of the years 1 to 9999 in UTC"
        raise ValueError(msg) from error


def _iso(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


Text = Annotated[str, StringConstraints(max_length=200), AfterValidator(plain_text)]
"""A line that people read: at most 200 characters, none of them a control character."""

LongText = Annotated[str, StringConstraints(max_length=2000), AfterValidator(plain_text)]
"""A paragraph that people read: at most 2,000 characters."""

Name = Annotated[str, StringConstraints(pattern=NAME_PATTERN)]
"""A name that people type: 1-63 of a-z, 0-9, dot, dash and underscore, beginning and ending with a letter or digit."""

Utc = Annotated[AwareDatetime, AfterValidator(_to_utc), PlainSerializer(_iso, when_used="json")]
"""A moment in UTC; on the wire ISO 8601 with microseconds and a Z."""

Sha256 = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
"""A SHA-256 digest in lower-case hexadecimal."""

Region = Annotated[str, StringConstraints(pattern=r"^[1-9][0-9]{5}$")]
"""A GB/T 2260 code of six digits, such as 310000 for Shanghai."""

_PROVINCES: Final = "1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5]|71|8[12]"

ProvinceRegion = Annotated[str, StringConstraints(pattern=rf"^(?:{_PROVINCES})[0-9]{{4}}$")]
"""A GB/T 2260 code whose first two digits are a province, an autonomous region, a municipality or a special region."""
