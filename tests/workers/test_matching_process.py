"""Does the process that matches answer, and what happens when it does not?"""

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from suanlian.rules.admitting import Admissions
from suanlian.rules.compiling import Waiting, compiled
from suanlian.workers import matching_wire as wire
from suanlian.workers.matching_process import MatcherFailedError, MatchingProcess
from suanlian.workers.matching_wire import Problem, RefusedProblemError, Solution, WireError
from tests.rules.worlds import NOW, demand, place

HANGS = "import time; time.sleep(600)"
ENDS = "import sys; sys.exit(3)"
pytestmark = pytest.mark.timeout(600)  # where nothing is compiled yet the first answer takes long
BABBLES = "import sys, time; sys.stdout.write('x' * 1000); sys.stdout.flush(); time.sleep(600)"


def problem(count: int = 1) -> Problem:
    where = [place("near"), place("far", rate="0.06")]
    hours = {one.share_id: dict.fromkeys(one.free.base(), 1000.0) for one in where}
    made = compiled([Waiting("job", demand(), count)], where, hours, Admissions(), NOW)
    return Problem(made.pools, made.demands)


def nothing() -> None:
    """Nobody minds."""


@pytest.fixture
def process() -> Iterator[MatchingProcess]:
    made = MatchingProcess()
    yield made
    made.close()


def test_it_says_where_work_is_best_again_and_again(process: MatchingProcess) -> None:
    for _ in range(2):
        found = process.solve(problem(), deadline_s=500, alive=nothing)
        assert found.pool.tolist() == [0]
        assert found.bound <= found.total + 1e-9
        assert found.prices.shape == (2, 4)
    assert process.pid is not None


def test_it_ends_with_its_input(process: MatchingProcess) -> None:
    process.solve(problem(), deadline_s=500, alive=nothing)
    pid = process.pid
    assert pid is not None
    assert os.getsid(pid) == pid, "a session of its own: Ctrl-C at the hub's terminal does not reach it"
    process.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_one_whose_hub_was_killed_ends_without_a_word() -> None:
    """It has read the problem, and nobody takes the answer."""
    command = [sys.executable, "-m", "suanlian.workers.matching_child"]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.close()
    child.stdin.write(wire.framed(wire.problem_bytes(problem())))
    child.stdin.close()
    said = child.stderr.read().decode()
    child.stderr.close()
    assert child.wait() == 0
    assert said == ""


@pytest.mark.parametrize("does", ["while True: pass", "time.sleep(10**6)"])
def test_one_whose_hub_was_killed_ends_whatever_it_does(does: str) -> None:
    """As when it compiles, which takes long."""
    busy = f"def serve(*pipes):\n    sys.stderr.write('busy'); sys.stderr.flush()\n    {does}"
    program = f"import sys, time\nfrom suanlian.workers import matching_child\n{busy}\n"
    program += "matching_child.serve = serve\nmatching_child.main()"
    child = subprocess.Popen([sys.executable, "-c", program], stdin=subprocess.PIPE, stderr=subprocess.PIPE)
    assert child.stdin is not None
    assert child.stderr is not None
    child.stdin.write(b"a problem that nobody has read")
    child.stdin.flush()
    assert child.stderr.read(4) == b"busy"
    assert child.poll() is None
    child.stdin.close()
    assert child.stderr.read() == b""
    child.stderr.close()
    assert child.wait() == 0


def test_one_that_was_killed_is_started_anew(process: MatchingProcess) -> None:
    process.solve(problem(), deadline_s=500, alive=nothing)
    first = process.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    while process.pid is not None:
        time.sleep(0.01)
    assert process.solve(problem(), deadline_s=500, alive=nothing).pool.tolist() == [0]
    assert process.pid != first


@pytest.mark.parametrize(("program", "state"), [(HANGS, "timeout"), (ENDS, "died"), (BABBLES, "died")])
def test_no_answer_is_told_and_leaves_no_process(program: str, state: str) -> None:
    process = MatchingProcess(command=[sys.executable, "-c", program])
    with pytest.raises(MatcherFailedError) as caught:
        process.solve(problem(), deadline_s=1.5, alive=nothing)
    assert caught.value.state == state
    assert process.pid is None


def test_a_large_problem_to_one_that_does_not_read_is_broken_off() -> None:
    process = MatchingProcess(command=[sys.executable, "-c", HANGS])
    many = problem()
    wide = Problem(many.pools, many.demands, np.zeros((200_000, 4)))
    with pytest.raises(MatcherFailedError, match="within its time"):
        process.solve(wide, deadline_s=1.5, alive=nothing)


def test_whoever_waits_may_break_off() -> None:
    process = MatchingProcess(command=[sys.executable, "-c", HANGS])

    def lost() -> None:
        raise LookupError

    with pytest.raises(LookupError):
        process.solve(problem(), deadline_s=60, alive=lost)
    assert process.pid is None


def test_it_is_closed_while_it_is_asked() -> None:
    """As when the hub ends: whoever waits for the answer is let go."""
    process = MatchingProcess(command=[sys.executable, "-c", HANGS])
    failed: list[BaseException] = []

    def ask() -> None:
        try:
            process.solve(problem(), deadline_s=60, alive=nothing)
        except BaseException as error:  # noqa: BLE001 - it is looked at below
            failed.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    while process.pid is None:
        time.sleep(0.01)
    process.close()
    asking.join(20)
    assert [type(error) for error in failed] == [MatcherFailedError]


def test_what_cannot_be_meant_is_refused_and_the_process_goes_on(process: MatchingProcess) -> None:
    good = problem()
    bad = Problem(good.pools, good.demands, np.full((2, 4), np.nan))
    with pytest.raises(MatcherFailedError) as caught:
        process.solve(bad, deadline_s=500, alive=nothing)
    assert caught.value.state == "refused"
    assert process.pid is not None
    process.solve(good, deadline_s=500, alive=nothing)


DTYPES = st.sampled_from([np.dtype(name) for name in ("<f8", "<i8", "<u8", "|b1")])
ARRAYS = DTYPES.flatmap(
    lambda dtype: arrays_of.arrays(dtype, arrays_of.array_shapes(min_dims=0, max_dims=3, min_side=0))
)


@given(st.dictionaries(st.text(max_size=5), ARRAYS, max_size=4), st.dictionaries(st.text(), st.integers()))
def test_what_is_packed_is_unpacked(
    arrays: dict[str, np.ndarray[tuple[int, ...], np.dtype[np.float64]]], said: dict[str, int]
) -> None:
    told, came = wire.unpack(wire.pack(said, arrays))
    assert told == said
    assert list(came) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(came[name], array)
        assert came[name].dtype == array.dtype


def test_a_problem_travels_whole() -> None:
    sent = problem(5)
    came = wire.read_problem(wire.problem_bytes(sent))
    assert wire.problem_bytes(came) == wire.problem_bytes(sent)
    assert came.demands.quotas is None
    np.testing.assert_array_equal(came.pools.sites.latency, sent.pools.sites.latency)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_message_or_an_error(body: bytes) -> None:
    for read in (wire.unpack, wire.read_problem, wire.read_solution):
        with pytest.raises((WireError, RefusedProblemError)):
            read(body)


def test_an_endless_message_is_refused_by_its_head() -> None:
    with pytest.raises(WireError):
        wire.length(wire.MAGIC + (wire.MOST + 1).to_bytes(8, "big"))
    with pytest.raises(WireError):
        wire.length(b"x" * wire.LENGTH)


def test_an_infinite_bound_is_none() -> None:
    solution = Solution(np.zeros(1, dtype=np.int64), np.zeros((1, 4)), float("-inf"), 1.0)
    assert wire.read_solution(wire.solution_bytes(solution)).bound == float("-inf")
