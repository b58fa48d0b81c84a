from datetime import UTC, datetime, timedelta
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from suanlian.demo.results import Found, checksum, job_record, uncharged
from suanlian.demo.work.catalogue import catalogue
from suanlian.demo.work.checks import check
from suanlian.demo.work.job import DemoJob, JobResult
from suanlian.model.charge import Charge
from suanlian.model.ids import AccountId, AttemptId, JobId, PlatformId, ProjectId
from suanlian.model.job import Attempt, Job, JobState, Outcome, Task
from suanlian.model.money import Money
from suanlian.model.performance import Architecture
from suanlian.model.placement import Explanation
from suanlian.model.quantity import ResourceKind
from suanlian.model.version import Subject, VersionRef
from suanlian.sdk.answers import TaskOutput

START = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)
FAILING = next(job for job in catalogue("x86_64") if job.name == "fails-bad-command")
ENDED_AT = START + timedelta(seconds=5)


def attempt(number: int, platform: str, state: JobState, *, simulated: bool = False) -> Attempt:
    return Attempt(
        id=AttemptId(f"a{number}"),
        task_index=number,
        number=1,
        token=1,
        state=state,
        platform=platform,
        site="s",
        share="s",
        flavor="f",
        architecture=Architecture.X86_64,
        simulated=simulated,
        created_at=START,
        started_at=START + timedelta(seconds=2),
        ended_at=ENDED_AT,
        outcome=Outcome(exit_code=1, reason="it says why", limit="memory"),
    )


def charge(number: int, ended_at: datetime, *, sequence: int = 0, simulated: bool = False) -> Charge:
    return Charge(
        id=f"c{number}.{sequence}",
        account_id=AccountId("a"),
        project_id=ProjectId("p"),
        platform_id=PlatformId("p1"),
        job_id=JobId("j1"),
        attempt_id=AttemptId(f"a{number}"),
        sequence=sequence,
        kind=ResourceKind.CPU,
        quantity=Decimal(1),
        rate=Decimal("0.05"),
        cost=Money(amount=Decimal("0.05")),
        offer=VersionRef(subject=Subject.OFFER, id="o", version=1, name="o"),
        simulated=simulated,
        started_at=START,
        ended_at=ended_at,
        written_at=ended_at,
    )


def found(*attempts: Attempt, job: DemoJob = FAILING) -> Found:
    tasks = tuple(Task(index=one.task_index, state=one.state, attempts=(one,)) for one in attempts)
    seen = Job(
        id=JobId("j1"),
        public_id="CN-J-1",
        account_id=AccountId("a"),
        project_id=ProjectId("p"),
        name=job.name,
        state=JobState.EXECUTOR_ERROR,
        tally={JobState.EXECUTOR_ERROR: len(tasks)},
        tasks=len(tasks),
        created_at=START,
    )
    result = JobResult("EXECUTOR_ERROR", stderr={0: "suanlian: cannot start 'no-such-program'\n"})
    return Found(job, seen, tasks, (), result, Explanation(at=START, candidates=()), tuple(check(job, result)))


def test_a_record_adds_up_what_its_tasks_did() -> None:
    one = found(
        attempt(0, "near", JobState.COMPLETE),
        attempt(1, "far", JobState.EXECUTOR_ERROR),
        attempt(2, "far", JobState.COMPLETE, simulated=True),
    )
    charges = [charge(0, ENDED_AT), charge(1, ENDED_AT), charge(2, ENDED_AT, simulated=True)]
    stranger = charges[0].model_copy(update={"job_id": "j2"})
    record = job_record(one, "buyer-company", [*charges, stranger])
    assert record.platform == "far"
    assert record.platforms == {"far": 2, "near": 1}
    assert (record.waited_s, record.ran_s) == (Decimal("2.000"), Decimal("9.000"))
    assert (record.cost, record.cost_simulated) == (Decimal("0.15"), Decimal("0.05"))
    assert record.tasks[1].limit == "memory"
    assert record.tasks[1].ended_because == "it says why"
    assert record.verified
    assert "no-such-program" in record.stderr
    assert (record.reason[:5], record.reason_zh[:3]) == ("waits", "等待中")


def test_a_job_that_never_ran_has_no_place_and_no_cost() -> None:
    one = found()
    record = job_record(one, "buyer-company", [])
    assert record.platform is None
    assert record.waited_s is None
    assert record.cost == 0
    assert record.checksum == ""


def test_a_wrong_end_is_told_in_both_languages() -> None:
    primes = next(job for job in catalogue("x86_64") if job.name == "primes-native")
    record = job_record(found(attempt(0, "near", JobState.EXECUTOR_ERROR), job=primes), "buyer-company", [])
    assert not record.verified
    assert "expected COMPLETE" in record.failures[0].en
    assert record.failures[0].zh != record.failures[0].en


def test_run_time_that_is_not_charged_to_its_end_is_found() -> None:
    one = found(attempt(0, "near", JobState.COMPLETE), attempt(1, "near", JobState.COMPLETE))
    half = [charge(0, START + timedelta(seconds=3)), charge(1, ENDED_AT)]
    assert uncharged([one], half) == ["a0"]
    assert uncharged([one], [*half, charge(0, ENDED_AT, sequence=1)]) == []
    assert uncharged([one], []) == ["a0", "a1"]


outputs = st.lists(
    st.builds(
        TaskOutput,
        task_index=st.integers(0, 3),
        path=st.sampled_from(["out/a", "out/b"]),
        size=st.integers(0, 9),
        sha256=st.sampled_from(["0" * 64, "f" * 64]),
    ),
    max_size=5,
)


@given(outputs, st.randoms(use_true_random=False))
def test_a_checksum_does_not_depend_on_the_order_of_the_hubs_answer(
    given_outputs: list[TaskOutput], random: object
) -> None:
    mixed = list(given_outputs)
    random.shuffle(mixed)  # type: ignore[attr-defined]  # hypothesis gives a random.Random
    assert checksum(mixed) == checksum(given_outputs)
    assert bool(checksum(mixed)) == bool(given_outputs)


@given(outputs.filter(bool))
def test_a_checksum_changes_with_any_output(given_outputs: list[TaskOutput]) -> None:
    first = given_outputs[0]
    other = first.model_copy(update={"sha256": "a" * 64})
    assert checksum([other, *given_outputs[1:]]) != checksum(given_outputs)
