"""Datasets as GA4GH DRS 1.4 has them, for reading: a version is a bundle of its files, a file is a blob."""

from typing import Final

from pydantic import Field

from suanlian.model.base import Utc, Value

MAX_CONTENTS: Final = 10_000
"""A bundle tells so many files at most: that standard knows no pages of them."""


class DrsChecksum(Value):
    """A checksum and what it was made by."""

    checksum: str
    type: str = "sha-256"


class DrsAccessUrl(Value):
    """Where the bytes are; ``headers`` are none: whoever reads S3 brings leave of their own."""

    url: str


class DrsAccessMethod(Value):
    """One way to the bytes."""

    type: str
    access_id: str
    access_url: DrsAccessUrl
    region: str | None = None


class DrsContents(Value):
    """A file of a bundle."""

    name: str
    id: str
    drs_uri: tuple[str, ...]


class DrsObject(Value):
    """A bundle or a blob."""

    id: str
    name: str
    self_uri: str
    size: int = Field(ge=0)
    created_time: Utc
    updated_time: Utc
    version: str
    checksums: tuple[DrsChecksum, ...]
    access_methods: tuple[DrsAccessMethod, ...] = ()
    contents: tuple[DrsContents, ...] | None = None
    description: str = ""


class DrsServiceType(Value):
    """Which standard is spoken."""

    group: str = "org.ga4gh"
    artifact: str = "drs"
    version: str = "1.4.0"


class DrsOrganization(Value):
    """Who runs the service."""

    name: str
    url: str


class DrsServiceInfo(Value):
    """What the service is, as GA4GH service-info has it."""

    id: str
    name: str
    type: DrsServiceType = DrsServiceType()
    description: str = "Versions of datasets; a version is a bundle of its files."
    organization: DrsOrganization
    version: str
