"""What happens in a demo, in which order? Hubs, platforms, buyers, work, results, the report upwards."""

import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Final

from rich.console import Console

from suanlian.demo import dataset, lakes, onboarding
from suanlian.demo.agentfile import Setting
from suanlian.demo.dataset import Sent
from suanlian.demo.onboarding import Hub, Platform
from suanlian.demo.processes import Fleet, free_port
from suanlian.demo.progress import Progress
from suanlian.demo.submit import buyer_of, corpus_file, spec_of
from suanlian.demo.watch import Watch
from suanlian.demo.work.catalogue import catalogue
from suanlian.demo.work.corpus import corpus, corpus_keys
from suanlian.demo.work.job import DemoJob
from suanlian.demo.work.placed import DATASET
from suanlian.demo.world import DATA_OWNER, SLICE_CORES, PlatformPlan, native_architecture
from suanlian.i18n import _
from suanlian.model.charge import Charge
from suanlian.model.errors import SuanlianError
from suanlian.model.job import ENDED, JobSpec
from suanlian.model.performance import Grade, Performance, Precision
from suanlian.sdk.answers import SentReport
from suanlian.sdk.client import Client

_CANCEL_S: Final = 3.0
_LOOK_S: Final = 0.1
_PROMISED: Final = Decimal("0.3")
"""So much of what a product reaches alone an owner of the demo claims: five platforms share two cores here."""
_CLAIMED: Final = frozenset({Precision.FP32})
_SOURCE: Final = (
    "the owner's word: 30 % of a matrix product in numpy on one idle thread of this machine, times the slice"
)


@dataclass(frozen=True)
class Stage:
    """All that runs: two hubs, five platforms, the keys of buyers and supervisor, where inputs are served."""

    national: Hub
    delta: Hub
    platforms: tuple[Platform, ...]
    buyers: Mapping[str, str]
    supervisor: str
    origin: str
    unisolated: tuple[str, ...]


@dataclass(frozen=True)
class Played:
    """What came of it."""

    watch: Watch
    charges: tuple[Charge, ...]
    sent: SentReport


class Play:
    """One run. All of its state lies below ``root``; all of its processes are in ``fleet``."""

    def __init__(self, fleet: Fleet, root: Path, console: Console, plans: Sequence[PlatformPlan]) -> None:
        """``console``: where people read what happens. ``plans``: the platforms that take part."""
        self.fleet = fleet
        self.root = root
        self.console = console
        self.plans = plans
        self.jobs: list[DemoJob] = []
        self.charges: tuple[Charge, ...] = ()
        self.by_data: list[Sent] = []
        self._watch: Watch | None = None

    def say(self, text: str) -> None:
        """One line for people."""
        self.console.print(text, soft_wrap=True, highlight=False, markup=False)

    def set_the_stage(self) -> Stage:
        """Start everything. Raises Trouble, SuanlianError."""
        self.say(_("Starting the national hub and the hub of the Yangtze River Delta ..."))
        measuring = self.fleet.begin(
            "measure", [sys.executable, "-m", "suanlian.demo.measure"], {"OPENBLAS_NUM_THREADS": "1"}
        )
        above, below = onboarding.hub_plans(self.root)
        made = onboarding.begin_root_hub(self.fleet, above)
        measured = _performance(self.fleet.finish(measuring))
        origin = self._serve_inputs()
        national = onboarding.open_hub(self.fleet, above, made)
        delta = onboarding.lower_hub(self.fleet, below, national, [origin])
        self.say(_("Onboarding five platforms, each tested before it may take work ..."))
        lakes.dig(self.root / "lakes", self.plans)
        setting = Setting(delta.url, origin, measured, self.root / "tools", self.root / "lakes")
        platforms = onboarding.enter(self.fleet, delta, self.plans, self.root, setting)
        self.jobs = catalogue(native_architecture().value)
        buyers, supervisor = onboarding.buyers(delta), onboarding.supervisor(delta)
        dataset.begin(delta, buyers[DATA_OWNER], self.fleet.check)
        onboarding.await_live(self.fleet, delta, self.plans, self.say)
        open_setting = replace(setting, allow_unisolated=True)
        unisolated = onboarding.allow_unisolated(self.fleet, delta, platforms, open_setting)
        if unisolated:
            text = _("This machine cannot keep jobs apart; allow_unisolated is set for: {names}.")
            self.say(text.format(names=", ".join(unisolated)))
        return Stage(national, delta, tuple(platforms), buyers, supervisor, origin, unisolated)

    def _serve_inputs(self) -> str:
        """A file server for the inputs that jobs fetch by URL; its origin."""
        place = self.root / "inputs"
        place.mkdir()
        for key in corpus_keys():
            (place / corpus_file(key)).write_bytes(corpus(key))
        port = free_port()
        command = [sys.executable, "-m", "http.server", "--bind", "127.0.0.1", "--directory", str(place), str(port)]
        self.fleet.start("input-server", command)
        return f"http://127.0.0.1:{port}"

    def work(self, stage: Stage) -> Watch:
        """Submit everything as the two buyers, follow it to its end, cancel what can never run."""
        with contextlib.ExitStack() as doors:
            buyers = {name: doors.enter_context(stage.delta.client(key)) for name, key in stage.buyers.items()}
            providers = {
                platform.plan.name: doors.enter_context(stage.delta.client(platform.key))
                for platform in stage.platforms
            }
            submitted = dict(self._submit_readers(buyers[DATA_OWNER], stage.origin))
            submitted |= dict(self._submit(buyers, stage.origin))
            watch = self._watch = Watch(buyers, providers, submitted, self.fleet.check)
            tasks = sum(job.array_size or 1 for job in self.jobs)
            self.say(_("Submitted {jobs} jobs with {tasks} tasks.").format(jobs=len(submitted), tasks=tasks))
            with Progress(self.console) as progress:
                watch.follow(progress.show)
                watch.cancel_unplaceable(progress.show)
            self.charges = tuple(watch.charges())
        return watch

    def _submit(self, buyers: Mapping[str, Client], origin: str) -> Iterator[tuple[str, tuple[str, DemoJob]]]:
        for name, client in buyers.items():
            mine = [job for job in self.jobs if buyer_of(job) == name and not job.data]
            specs = [self._spec(job, origin) for job in mine]
            for ref, job in zip(client.jobs.submit_many(specs), mine, strict=True):
                yield ref.id, (name, job)

    def _submit_readers(self, owner: Client, origin: str) -> Iterator[tuple[str, tuple[str, DemoJob]]]:
        """First those that read the dataset, while every platform has room: only cost decides where they go."""
        dataset.keep_copies(owner, self.fleet.check)
        self.say(_("{dataset}: two whole copies, at {places}.").format(dataset=DATASET, places=dataset.PLACES))
        mine = [(job, self._spec(job, origin)) for job in self.jobs if job.data]
        for sent in dataset.send(owner, mine, self.fleet.check):
            self.by_data.append(sent)
            for text in dataset.because(sent):
                self.say(f"  {text}")
            yield sent.job.id, (DATA_OWNER, sent.demo)

    @staticmethod
    def _spec(job: DemoJob, origin: str) -> JobSpec:
        return spec_of(job, lambda key: f"{origin}/{corpus_file(key)}")

    def report_up(self, stage: Stage) -> SentReport:
        """Send the supervision report to the national hub; its receipt comes back."""
        with stage.delta.client() as operator:
            return operator.supervision.send()

    def cancel_all(self, stage: Stage | None) -> None:
        """Before an early end: ask every job to end, and wait a little until nothing is held any more."""
        if stage is None or self._watch is None:
            return
        deadline = time.monotonic() + _CANCEL_S
        with contextlib.suppress(SuanlianError):
            for key in stage.buyers.values():
                with Client(stage.delta.url, key, timeout_s=1) as client:
                    _cancel_mine(client)
            with Client(stage.delta.url, stage.delta.operator, timeout_s=1) as operator:
                while time.monotonic() < deadline and any(share.used.cpu for share in operator.catalogue.capacity()):
                    time.sleep(_LOOK_S)


def _cancel_mine(client: Client) -> None:
    for job in client.jobs.list():
        if job.state not in ENDED:
            client.jobs.cancel(job.id)


def _performance(told: str) -> tuple[Performance, ...]:
    """What an owner claims of one slice of this machine, from what `measure` wrote; the hub will hold it to this."""
    share = Decimal(SLICE_CORES)
    return tuple(
        Performance(
            precision=Precision(name),
            tera_per_s=(Decimal(str(giga)) * share * _PROMISED / 1000).quantize(Decimal("0.0001")),
            grade=Grade.CLAIMED,
            source=_SOURCE,
        )
        for name, giga in json.loads(told).items()
        if Precision(name) in _CLAIMED
    )


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0))
