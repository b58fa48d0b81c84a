"""How do the jobs get on? Asks the hub in short rounds, and fetches what has ended meanwhile."""

import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from suanlian.demo.progress import Counts, Snapshot
from suanlian.demo.results import Found, collect, uncharged
from suanlian.demo.trouble import Trouble
from suanlian.demo.work.job import DemoJob
from suanlian.i18n import _
from suanlian.model.charge import Charge
from suanlian.model.job import ENDED, Job, JobState
from suanlian.sdk.client import Client

_ROUND_S: Final = 0.7
_FETCHED_A_ROUND: Final = 4
_SETTLE_S: Final = 20
_STARTING: Final = frozenset({JobState.QUEUED, JobState.INITIALIZING})
_RUNNING: Final = frozenset({JobState.RUNNING, JobState.PAUSED, JobState.CANCELING})


@dataclass
class Watch:
    """The jobs from submission to their last output. ``buyers``: name -> client; ``jobs``: id -> who and what."""

    buyers: Mapping[str, Client]
    providers: Mapping[str, Client]
    jobs: Mapping[str, tuple[str, DemoJob]]
    still_well: Callable[[], None]
    seen: dict[str, Job] = field(default_factory=dict)
    found: dict[str, Found] = field(default_factory=dict)

    def follow(self, show: Callable[[Snapshot], None]) -> None:
        """Return when every job that can end has ended and is fetched. Raises Trouble when a process ends."""
        while True:
            self.still_well()
            began = time.monotonic()
            self._look()
            show(self._snapshot())
            fresh = [job for job in self._ending() if self.seen[job].state in ENDED and job not in self.found]
            for job in fresh[:_FETCHED_A_ROUND]:
                self._fetch(job)
            if all(job in self.found for job in self._ending()):
                return
            time.sleep(max(0.05, _ROUND_S - (time.monotonic() - began)))

    def cancel_unplaceable(self, show: Callable[[Snapshot], None]) -> None:
        """Cancel what waits for ever, keeping the reason for which it waited."""
        for number, (buyer, job) in self.jobs.items():
            if number in self.found:
                continue
            client = self.buyers[buyer]
            why = client.jobs.why(number)
            client.jobs.cancel(number)
            self.seen[number] = client.jobs.wait(number, timeout_s=_SETTLE_S, poll_s=0.2)
            self.found[number] = collect(client, job, self.seen[number], why)
        show(self._snapshot())

    def charges(self) -> list[Charge]:
        """All charges, once every attempt's run time is charged to its end. Raises Trouble when that does not come."""
        deadline = time.monotonic() + _SETTLE_S
        while True:
            self.still_well()
            charges = [charge for client in self.buyers.values() for charge in client.jobs.charges()]
            missing = uncharged(self.found.values(), charges)
            if not missing:
                return charges
            if time.monotonic() > deadline:
                wrong = _("{n} attempts are not charged to their end {seconds} s after the last job.")
                todo = _("The first of them is {attempt}; see the log of its agent.").format(attempt=missing[0])
                raise Trouble(wrong.format(n=len(missing), seconds=_SETTLE_S), todo)
            time.sleep(0.2)

    def _look(self) -> None:
        for client in self.buyers.values():
            self.seen.update({job.id: job for job in client.jobs.list()})

    def _ending(self) -> list[str]:
        return [number for number, (_buyer, job) in self.jobs.items() if job.expected_state != JobState.CANCELED]

    def _fetch(self, number: str) -> None:
        buyer, job = self.jobs[number]
        self.found[number] = collect(self.buyers[buyer], job, self.seen[number])

    def _snapshot(self) -> Snapshot:
        jobs = [self.seen[number] for number in self.jobs]
        platforms = {name: _counts(client, name) for name, client in self.providers.items()}
        placed = sum(counts.starting for counts in platforms.values())
        queued = sum(job.tally.get(state, 0) for job in jobs for state in _STARTING)
        return Snapshot(
            finished=sum(job.state in ENDED for job in jobs),
            total=len(jobs),
            waiting=max(0, queued - placed),
            platforms=platforms,
        )


def _counts(client: Client, platform: str) -> Counts:
    states = Counter(JobState(str(attempt["state"])) for attempt in client.platforms.attempts(platform))
    return Counts(
        starting=sum(states[state] for state in _STARTING),
        running=sum(states[state] for state in _RUNNING),
        ended=sum(states[state] for state in ENDED),
    )
