"""How does data take part? Registered where it lies, copied by a rule, and read by jobs that go where it is."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from suanlian.demo.lakes import OPENED
from suanlian.demo.onboarding import Hub
from suanlian.demo.record import BothText, CopyRecord, DataRecord, PlacedRecord, RuleRecord, TransferRecord
from suanlian.demo.results import both
from suanlian.demo.trouble import Trouble
from suanlian.demo.work.failure import CheckFailure, differs
from suanlian.demo.work.job import DemoJob
from suanlian.demo.work.placed import DATASET, placed_digests, placed_files
from suanlian.demo.world import DATA_COPIED, DATA_HOME, DATA_REGION, LAKE
from suanlian.i18n import _, use_language
from suanlian.i18n.reasons import place_text, reason_line, term_text
from suanlian.model.data import (
    DataFile,
    DatasetVersion,
    DataTransfer,
    NewCopyRule,
    NewDataset,
    Replica,
    ReplicaState,
    StorageShare,
    VersionState,
    Where,
    manifest_digest,
)
from suanlian.model.dataset_api import AskCopyRule, NewVersion, Register
from suanlian.model.job import Job, JobSpec
from suanlian.model.levels import LOWEST
from suanlian.model.placement import Candidate, Explanation, Term
from suanlian.sdk.client import Client

HOME: Final = f"{DATA_HOME}/{LAKE}"
COPIED: Final = f"{DATA_COPIED}/{LAKE}"
PLACES: Final = f"{HOME}, {COPIED}"
EXPECTED: Final[Mapping[str, str]] = {"sum-placed-digits": DATA_HOME, "recognise-placed-digits": DATA_COPIED}
"""Where each job that reads the dataset has to go: to the copy that costs it least."""
_LOOK_S: Final = 0.2
_PUBLISHED_S: Final = 40
_WHOLE_S: Final = 60
_PLACED_S: Final = 60
_RULES: Final = (NewCopyRule(copies=1, where=Where(regions=(DATA_REGION,))), NewCopyRule(copies=2))
"""Two copies, one of them in Shanghai: the rule for the region stands first, so that one copy keeps both."""

Check = Callable[[], None]
"""Raises Trouble when a process has ended."""


@dataclass(frozen=True)
class Sent:
    """A job that reads the dataset: where it would go without it, and why it went where it went."""

    job: Job
    demo: DemoJob
    without: Explanation
    why: Explanation


def begin(hub: Hub, key: str, still_well: Check) -> None:
    """Register the folder in which the dataset lies; its connector reads it while the platforms are tested."""
    with hub.client(key) as owner:
        wrong = _("{what} is not published").format(what=HOME)
        _until(lambda: HOME in published(owner), _PUBLISHED_S, still_well, wrong)
        owner.data.make(NewDataset(name=DATASET, title="digits at 25 places of a picture", level=LOWEST))
        owner.data.open(DATASET, NewVersion(register=Register(storage=HOME, folder=OPENED)))


def published(client: Client) -> dict[str, StorageShare]:
    """All storage by its name, as people write it."""
    names = {platform.id: platform.name for platform in client.platforms.list()}
    return {f"{names[one.platform_id]}/{one.body.name}": one.body for one in client.catalogue.storages()}


def keep_copies(owner: Client, still_well: Check) -> None:
    """Ask for two copies, one in Shanghai; return when both are whole and both rules are kept. Raises Trouble.

    Only platforms that are live take copies: asked for before, another place would be found.
    """
    for rule in _RULES:
        owner.data.keep(AskCopyRule(dataset=DATASET, rule=rule))

    def is_kept() -> bool:
        version = next(iter(owner.data.versions(DATASET)))
        whole = {copy.storage for copy in version.replicas if copy.state is ReplicaState.WHOLE}
        kept = all(rule.whole >= rule.rule.copies for rule in owner.data.rules())
        return version.state is VersionState.SEALED and whole >= {HOME, COPIED} and kept

    _until(is_kept, _WHOLE_S, still_well, _("{what} has no two whole copies").format(what=DATASET))


def send(owner: Client, jobs: Sequence[tuple[DemoJob, JobSpec]], still_well: Check) -> Iterator[Sent]:
    """Plan each job without its data, submit it with it, and wait until it has a place."""
    for demo, spec in jobs:
        without = owner.jobs.plan(spec.model_copy(update={"data": ()}))
        job = owner.jobs.submit(spec)
        yield Sent(job, demo, without, _await_place(owner, demo, job, still_well))


def _await_place(owner: Client, demo: DemoJob, job: Job, still_well: Check) -> Explanation:
    """Why it went where it went, once it did."""

    def has_place() -> bool:
        return any(task.attempts for task in owner.jobs.tasks(job.id))

    _until(has_place, _PLACED_S, still_well, _("{what} has no place").format(what=demo.name))
    return owner.jobs.why(job.id)


def _until(is_so: Callable[[], bool], seconds: float, still_well: Check, wrong: str) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        still_well()
        if time.monotonic() > deadline:
            text = _("{wrong} after {seconds} s.").format(wrong=wrong, seconds=f"{seconds:g}")
            raise Trouble(text, _("See the logs of the hub and of the agents."))
        time.sleep(_LOOK_S)


def because(sent: Sent) -> tuple[str, ...]:
    """Lines for people, in the language in force: where, why, what bringing would have cost, where it went without."""
    lines = [f"{sent.demo.name}: {reason_line(sent.why)}"]
    other = sent.without.won
    if other is None:
        return tuple(lines)
    there = _same(sent.why, other)
    cost = next((term_text(term) for term in there.terms if term.term is Term.DATA), "") if there else ""
    place = place_text(other)
    if cost:
        lines.append(_("at {place}: {cost}").format(place=place, cost=cost))
    lines.append(_("without its data, by a plan made just before: {place}").format(place=place))
    return tuple(lines)


def _same(why: Explanation, other: Candidate) -> Candidate | None:
    found = (one for one in why.candidates if (one.platform, one.share) == (other.platform, other.share))
    return next((one for one in found if one.variant == other.variant), None)


def data_record(owner: Client, sent: Sequence[Sent], ran: Mapping[str, str | None]) -> DataRecord:
    """The dataset at the end: its copies, what was moved, how far the rules hold, and the jobs that went to it.

    ``ran``: on which platform each job ran, by its name.
    """
    version = next(iter(owner.data.versions(DATASET)))
    prices = {name: share.egress_cny_per_gb for name, share in published(owner).items()}
    moved = [one for one in owner.data.transfers() if one.version_id == version.id]
    rules = sorted(owner.data.rules(), key=lambda one: one.created_at)
    failures = [*_wrong_with(version), *(failure for one in sent for failure in _wrongly_placed(one, ran))]
    return DataRecord(
        dataset=f"{version.dataset}@{version.number}",
        public_id=version.public_id,
        state=version.state,
        files=version.files,
        bytes=version.bytes,
        level=version.level,
        digest=version.digest or "",
        copies=tuple(_copy(one, prices) for one in sorted(version.replicas, key=lambda one: one.storage)),
        transfers=tuple(map(_transfer, moved)),
        rules=tuple(
            RuleRecord(copies=one.rule.copies, regions=one.rule.where.regions, whole=one.whole) for one in rules
        ),
        jobs=tuple(_placed(one) for one in sent),
        failures=tuple(both(failure.message) for failure in failures),
    )


def _copy(copy: Replica, prices: Mapping[str, Decimal]) -> CopyRecord:
    return CopyRecord(
        storage=copy.storage,
        state=copy.state,
        managed=copy.managed,
        verified_at=copy.verified_at,
        egress_cny_per_gb=prices.get(copy.storage, Decimal(0)),
    )


def _transfer(one: DataTransfer) -> TransferRecord:
    took = None if one.ends_at is None else (one.ends_at - one.created_at) / timedelta(seconds=1)
    return TransferRecord(
        source=one.source or "",
        target=one.target,
        purpose=one.purpose,
        state=one.state,
        bytes=one.bytes_done,
        cost_cny=one.cost_cny,
        took_s=None if took is None else Decimal(f"{max(0.0, took):.1f}"),
    )


def _placed(sent: Sent) -> PlacedRecord:
    won, other = sent.why.won, sent.without.won
    english, chinese = both_lines(sent)
    return PlacedRecord(
        job=sent.demo.name,
        platform=won.platform if won else "",
        without=other.platform if other else "",
        why=tuple(BothText(en=en, zh=zh) for en, zh in zip(english, chinese, strict=True)),
    )


def both_lines(sent: Sent) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """`because` in English and Chinese."""
    with use_language("en"):
        english = because(sent)
    with use_language("zh"):
        return english, because(sent)


def _wrong_with(version: DatasetVersion) -> Iterator[CheckFailure]:
    """Both copies are whole, and the manifest that the hub keeps is that of the files as they were made."""
    digests, files = placed_digests(), placed_files()
    made = manifest_digest(DataFile(path=path, size=len(files[path]), sha256=digests[path]) for path in files)
    yield from differs(DATASET, "digest", version.digest, made)
    whole = {copy.storage for copy in version.replicas if copy.state is ReplicaState.WHOLE}
    if missing := sorted({HOME, COPIED} - whole):
        yield CheckFailure(DATASET, "no-copy", {"where": ", ".join(missing)})


def _wrongly_placed(sent: Sent, ran: Mapping[str, str | None]) -> Iterator[CheckFailure]:
    """It ran where its data is cheapest to read, and without its data it would have gone elsewhere."""
    name, wanted = sent.demo.name, EXPECTED[sent.demo.name]
    other = sent.without.won
    values = {"had": ran.get(name) or "-", "wanted": wanted, "without": other.platform if other else "-"}
    if values["had"] != wanted or values["without"] in (wanted, "-"):
        yield CheckFailure(name, "not-by-data", values)
