"""How are datasets written for people? Name and version, sizes with units, where each copy is and how it is there."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from decimal import Decimal

from rich.filesize import decimal

from suanlian.cli.loads import lasting
from suanlian.cli.output import Columns
from suanlian.cli.shown import data_level, money, when, yes_no
from suanlian.i18n import _
from suanlian.i18n.told import told
from suanlian.model.data import CopyRule, DatasetVersion, DataTransfer, Replica, ReplicaState
from suanlian.model.dataset_api import Dataset

_ID_CHARS = 8


def size(count: int) -> str:
    """Bytes, in the unit that reads best."""
    return decimal(count)


def old(moment: datetime | None) -> str:
    """How long ago that was."""
    return "" if moment is None else lasting(Decimal(max(0.0, (datetime.now(UTC) - moment).total_seconds())))


def named(one: Dataset | DatasetVersion, own: str) -> str:
    """As it is named in commands: with its account where that is another's; a version with its number."""
    name = one.name if isinstance(one, Dataset) else f"{one.dataset}@{one.number}"
    return name if one.account == own else f"{one.account}/{name}"


def where(version: DatasetVersion) -> str:
    """Each copy's storage, with its state where it is not whole."""
    return ", ".join(
        copy.storage if copy.state is ReplicaState.WHOLE else f"{copy.storage} ({copy.state})"
        for copy in version.replicas
        if copy.state is not ReplicaState.GONE
    )


def _whole(version: DatasetVersion) -> int:
    return sum(copy.state is ReplicaState.WHOLE for copy in version.replicas)


def version_columns(own: str) -> Columns[DatasetVersion]:
    """A version a line. ``own``: the account of whoever reads it."""
    return [
        (_("Dataset"), lambda one: named(one, own)),
        (_("State"), lambda one: one.state),
        (_("Files"), lambda one: one.files),
        (_("Size"), lambda one: size(one.bytes)),
        (_("Level"), lambda one: data_level(one.level)),
        (_("Copies"), _whole),
        (_("Where"), where),
        (_("Age"), lambda one: old(one.created_at)),
        (_("Reason"), lambda one: told(one.reason)),
    ]


def dataset_columns(own: str) -> Columns[Dataset]:
    """A dataset a line, as its newest version is."""
    return [
        (_("Dataset"), lambda one: named(one.versions[0], own) if one.versions else named(one, own)),
        (_("State"), lambda one: one.versions[0].state if one.versions else _("no version")),
        (_("Files"), lambda one: one.versions[0].files if one.versions else ""),
        (_("Size"), lambda one: size(one.versions[0].bytes) if one.versions else ""),
        (_("Level"), lambda one: data_level(one.level)),
        (_("Copies"), lambda one: _whole(one.versions[0]) if one.versions else 0),
        (_("Where"), lambda one: where(one.versions[0]) if one.versions else ""),
        (_("Age"), lambda one: old(one.versions[0].created_at if one.versions else one.created_at)),
    ]


def version_fields(version: DatasetVersion, own: str) -> list[tuple[str, object]]:
    """A version, field by field."""
    return [
        (_("Dataset"), named(version, own)),
        (_("Title"), version.title),
        (_("State"), version.state),
        (_("Files"), version.files),
        (_("Size"), f"{size(version.bytes)} ({version.bytes})"),
        (_("Level"), data_level(version.level)),
        (_("Stays within"), ", ".join(version.residency)),
        (_("Public"), yes_no(version.public)),
        (_("Comes from"), told(version.origin)),
        (_("Made"), when(version.created_at)),
        (_("Sealed"), when(version.sealed_at)),
        (_("Is deleted"), when(version.expires_at)),
        (_("Manifest, SHA-256"), version.digest or ""),
        (_("Identifier"), version.public_id),
        (_("Reason"), told(version.reason)),
    ]


def replica_columns() -> Columns[Replica]:
    """A copy a line."""
    return [
        (_("Where"), lambda one: one.storage),
        (_("Site"), lambda one: one.site),
        (_("State"), lambda one: one.state),
        (_("Size"), lambda one: size(one.bytes)),
        (_("Read and found whole"), lambda one: when(one.verified_at)),
        (_("Kept until"), lambda one: when(one.pinned_until)),
        (_("Read by"), lambda one: one.used_by or ""),
        (_("Note"), _note),
    ]


def _note(copy: Replica) -> str:
    notes = [
        "" if copy.managed else _("registered: never deleted by the market"),
        "" if copy.reachable else _("its connector is not heard of"),
        told(copy.reason),
    ]
    return "; ".join(filter(None, notes))


def transfer_columns() -> Columns[DataTransfer]:
    """A transfer a line."""
    return [
        (_("Transfer"), lambda one: one.id),
        (_("Dataset"), lambda one: one.dataset),
        (_("From"), lambda one: one.source or ""),
        (_("To"), lambda one: one.target),
        (_("State"), lambda one: one.state),
        (_("Done"), _done),
        (_("Rate"), lambda one: f"{one.seen_mbps:.0f} Mbit/s" if one.seen_mbps is not None else ""),
        (_("For"), lambda one: one.purpose),
        (_("Ends"), lambda one: when(one.ends_at)),
        (_("Reason"), reason),
    ]


def _done(transfer: DataTransfer) -> str:
    return _("{done} of {all}").format(done=size(transfer.bytes_done), all=size(transfer.bytes))


def reason(transfer: DataTransfer) -> str:
    """Why it waits or failed."""
    text = told(transfer.reason)
    return f"{transfer.code}: {text}" if transfer.code and text else transfer.code or text


def transfer_fields(transfer: DataTransfer) -> list[tuple[str, object]]:
    """A transfer, field by field."""
    return [
        (_("Transfer"), transfer.id),
        (_("Dataset"), transfer.dataset),
        (_("From"), transfer.source or ""),
        (_("Over"), transfer.via or ""),
        (_("To"), transfer.target),
        (_("State"), transfer.state),
        (_("Done"), _done(transfer)),
        (_("Files"), _("{done} of {all}").format(done=transfer.files_done, all=transfer.files)),
        (_("Rate"), f"{transfer.seen_mbps:.0f} Mbit/s" if transfer.seen_mbps is not None else ""),
        (_("Rate, by plan"), f"{transfer.rate_mbps:.0f} Mbit/s" if transfer.rate_mbps is not None else ""),
        (_("For"), transfer.purpose),
        (_("Wanted by"), ", ".join(transfer.wanted_by)),
        (_("Priority"), transfer.priority or ""),
        (_("Wanted by the time"), when(transfer.deadline)),
        (_("Begins"), when(transfer.begins_at)),
        (_("Ends"), when(transfer.ends_at)),
        (_("Price, by plan"), money(transfer.cost_cny)),
        (_("Tries"), transfer.tries),
        (_("Comes after"), transfer.after),
        (_("Reason"), reason(transfer)),
    ]


def rule_columns() -> Columns[CopyRule]:
    """A rule a line."""
    return [
        (_("Rule"), lambda one: one.id),
        (_("Dataset"), lambda one: one.dataset),
        (_("Copies"), lambda one: one.rule.copies),
        (_("Where"), lambda one: ", ".join(_places(one)) or _("anywhere")),
        (_("Until"), lambda one: when(one.rule.until)),
        (_("Whole"), lambda one: one.whole),
        (_("Coming"), lambda one: one.coming),
        (_("State"), lambda one: _("ended") if one.ended_at else _("holds") if _holds(one) else _("does not hold yet")),
        (_("Reason"), lambda one: told(one.reason)),
    ]


def _holds(rule: CopyRule) -> bool:
    return rule.whole >= rule.rule.copies


def _places(rule: CopyRule) -> Iterator[str]:
    told_where = rule.rule.where
    yield from told_where.regions
    if told_where.west is not None:
        yield _("the west") if told_where.west else _("the east")
    yield from told_where.storages


def files_left(files: Sequence[object], most: int) -> str:
    """That more files are there than are shown; empty where none are."""
    more = len(files) - most
    return _("... and {n} more: --json lists all of them").format(n=more) if more > 0 else ""
