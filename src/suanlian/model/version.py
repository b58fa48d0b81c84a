"""Append-only versions: what is published is never edited, so that an assignment or a charge can name what it used."""

from enum import StrEnum
from typing import Generic, TypeVar

from suanlian.model.base import Name, Utc, Value
from suanlian.model.data import StorageShare
from suanlian.model.ids import PlatformId
from suanlian.model.offer import NewOffer
from suanlian.model.platform import Flavor, Share, Site

T = TypeVar("T", Site, Flavor, Share, NewOffer, StorageShare)


class Subject(StrEnum):
    """What a version is of."""

    SITE = "site"
    FLAVOR = "flavor"
    SHARE = "share"
    OFFER = "offer"
    STORAGE = "storage"


class VersionRef(Value):
    """Names one version of one thing for ever."""

    subject: Subject
    id: str
    version: int
    name: Name


class Published(Value, Generic[T]):
    """A thing of a platform as published, with its version. ``withdrawn`` when the owner left it out later."""

    id: str
    public_id: str
    platform_id: PlatformId
    version: int
    valid_from: Utc
    withdrawn: bool = False
    body: T

    def ref(self, subject: Subject) -> VersionRef:
        """The name of this very version."""
        return VersionRef(subject=subject, id=self.id, version=self.version, name=self.body.name)
