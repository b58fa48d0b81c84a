"""What is told of a task that is followed, whatever of it was seen: looks come seldom, a quick job ends between two."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from suanlian.cli import following
from suanlian.cli.following import Follower
from suanlian.model.job import Job, Task
from suanlian.sdk.live import News
from suanlian.testing.people_samples import MOMENT, job, task

STATES = ["QUEUED", "INITIALIZING", "RUNNING", "PAUSED", "RUNNING", "EXECUTOR_ERROR"]


def news(state: str, *, started: bool = True) -> News:
    ended: dict[str, object] = {"ended_at": None} if state != "EXECUTOR_ERROR" else {}
    ended["outcome"] = {} if ended else {"exit_code": 7}
    begun = started and state not in ("QUEUED", "INITIALIZING")
    document = task(state=state, started_at=MOMENT if begun else None, **ended)
    return News(Job.model_validate(job(state=state)), Task.model_validate({**document, "state": state}))


def told(seen: list[News], monkeypatch: pytest.MonkeyPatch, **how: bool) -> list[str]:
    lines: list[str] = []
    monkeypatch.setattr(following, "remark", lines.append)
    follower = Follower("j", 0, {}, **how)  # type: ignore[arg-type]
    for one in seen:
        follower.hear(one)
    return lines


@given(st.sets(st.integers(0, 4)))
def test_where_it_ran_is_told_however_little_was_seen(looks: set[int]) -> None:
    seen = [news(STATES[look]) for look in sorted(looks)] + [news(STATES[5])]
    with pytest.MonkeyPatch.context() as monkeypatch:
        lines = told(seen, monkeypatch)
    assert any("at wuhu/open" in line and ("RUNNING" in line or "PAUSED" in line) for line in lines)
    assert "EXECUTOR_ERROR, exit code 7" in lines[-1]
    assert lines.count(lines[-1]) == 1


def test_what_never_ran_is_not_said_to_have(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = told([news("INITIALIZING"), news("EXECUTOR_ERROR", started=False)], monkeypatch)
    assert not any("RUNNING" in line for line in lines)


def test_of_what_goes_as_ever_nothing_is_told_to_who_reads_its_log(monkeypatch: pytest.MonkeyPatch) -> None:
    assert told([news("EXECUTOR_ERROR")], monkeypatch, quiet_start=True) == []
    assert len(told([news("RUNNING"), news("EXECUTOR_ERROR")], monkeypatch, quiet_start=True)) == 1
