from pathlib import Path

import numpy as np
import pytest

from suanlian.twin.mine import repeated
from suanlian.twin.own import own_queue
from suanlian.twin.report import page
from suanlian.twin.request import Partner, Request, Unit
from suanlian.twin.setting import recorded
from suanlian.twin.words import own_sentences
from tests.twin.plain_engine import plain

RECORDED = Path(__file__).parent / "recordings" / "sacct-22.05-parsable2.txt"


def quiet(_done: int, _total: int, _what: str) -> None:
    pass


@pytest.fixture
def queue(tmp_path: Path) -> Path:
    """Hand-made in the form of sacct -P: ten jobs of a day queue up at one node, then it rests for weeks."""
    head = "JobID|User|State|Submit|Start|Elapsed|AllocTRES|AllocNodes\n"
    days = range(1, 11)
    rows = [
        f"{day}|ann|COMPLETED|2026-03-01T00:00:00|2026-03-{day:02d}T00:00:00|1-00:00:00|cpu=64,gres/gpu=8,node=1|1\n"
        for day in days
    ]
    path = tmp_path / "sacct.txt"
    path.write_text(
        head + "".join(rows) + "99|bob|FAILED|2026-03-30T00:00:00|2026-03-30T00:00:00|01:00:00|gres/gpu=1|1\n"
    )
    return path


def test_waits_as_recorded_and_as_simulated_agree_and_federation_ends_them(queue: Path) -> None:
    report = own_queue(Request(mine=queue, partner=Partner.GENERATED, rho=0.2, jobs=500), quiet, plain)
    own = report.own
    assert own is not None
    assert own.unit == "gpu"
    assert own.recorded.mean == pytest.approx(own.alone.mean) == 45 / 11 * 86_400
    assert own.federated.mean < own.alone.mean / 5
    assert own.later == 0
    # one node of 8 over 29 days and an hour, of which ten days and an hour of one card were used
    assert own.capacity == pytest.approx(8 * (29 * 24 + 1))
    assert own.idle == pytest.approx(own.capacity - 8 * 240 - 1)
    assert own.earned == pytest.approx(own.sold * 1.8)
    assert own.if_all_idle_sold == pytest.approx(own.idle * 1.8)
    assert own.bought > 0
    assert [share for share, _mean in own.needs] == [0.1, 0.25, 0.5, 1.0]
    assert report.sites[0].name == "mine"


def test_nothing_moves_where_nothing_is_portable(queue: Path) -> None:
    own = own_queue(Request(mine=queue, partner=Partner.GENERATED, jobs=300, portable=0.0), quiet, plain).own
    assert own is not None
    assert (own.sold, own.bought, own.later) == (0, 0, 0)
    assert own.federated == own.alone


def test_jobs_that_would_end_later_are_told_by_their_own_ids(queue: Path) -> None:
    """Partners without a card to spare fill what is idle here: somebody waits behind their work."""
    request = Request(mine=queue, partner=Partner.GENERATED, rho=4.0, jobs=3000)
    own = own_queue(request, quiet, plain).own
    assert own is not None
    assert own.later > 0
    assert {one.job for one in own.latest} <= {str(day) for day in range(1, 11)} | {"99"}
    assert [one.by for one in own.latest] == sorted((one.by for one in own.latest), reverse=True)
    assert len(own.latest) == own.later


def test_the_recorded_partners_are_repeated_over_a_longer_span() -> None:
    trace = recorded().trace
    rows = np.arange(200)
    short = trace.take(rows)
    twice = repeated(short, 2.5 * float(short.submit[-1]))
    assert len(twice) > 400
    twice.ordered().validate(4)
    assert np.array_equal(twice.duration[200:400], short.duration)
    assert len(repeated(short, float(short.submit[100]))) <= 110


def test_a_real_output_of_sacct() -> None:
    """Recorded from Slurm 22.05 with slurmdbd: arrays, steps, two nodes, a requeue, time limits, a dependency."""
    report = own_queue(Request(mine=RECORDED, partner=Partner.GENERATED, jobs=200), quiet, plain)
    assert report.own is not None
    # 1, 2, 3_1 to 3_4, 5, 7, 8, 10 and both runs of 11; 4 failed at once, 6 had no card
    assert (report.own.unit, report.own.jobs) == (Unit.GPU, 12)
    told = "\n".join(report.notes)
    for words in (
        "16 job steps",
        "1 jobs ended without having run",
        "1 jobs have no gpu",
        "8 jobs have no time limit",
    ):
        assert words in told
    drawn = page(report)
    assert "16 job steps passed over: their jobs count." in drawn
    assert "略过 16 个作业步：以其作业计。" in drawn
    assert report.sites[0].units == 8
    # the first run of 11 waited longest
    assert report.own.recorded.most == 101


def test_the_same_cluster_by_parsable_and_cores() -> None:
    request = Request(mine=RECORDED.with_name("sacct-22.05-parsable-cpus.txt"), partner=Partner.GENERATED, jobs=200)
    own = own_queue(request, quiet, plain).own
    assert own is not None
    assert (own.unit, own.jobs) == (Unit.CPU, 12)


def test_where_simulation_and_recording_are_far_apart_or_federation_is_worse_it_is_said(queue: Path) -> None:
    own = own_queue(Request(mine=queue, partner=Partner.GENERATED, jobs=200), quiet, plain).own
    assert own is not None
    assert not any("recorded were" in text for text in own_sentences(own))
    far = own.model_copy(update={"recorded": own.recorded.model_copy(update={"mean": own.alone.mean / 4})})
    assert any("recorded were" in text for text in own_sentences(far))
    idle = own.model_copy(update={"alone": own.alone.model_copy(update={"mean": 5.0})})
    assert any("hardly wait" in text for text in own_sentences(idle))
    assert not any("moving costs more" in text for text in own_sentences(own))
    worse = own.model_copy(update={"federated": own.alone.model_copy(update={"mean": own.alone.mean + 90.0})})
    assert any("moving costs more" in text for text in own_sentences(worse))
