"""Hub and connectors are killed with SIGKILL while data moves: every dataset ends whole, verified, and nothing is left.

The seed of the random moments is printed; SUANLIAN_E2E_SEED=... runs the same ones again. SUANLIAN_DATA_KILLS says how
often: three kills, once each, during one move, unless it says more (`make test-chaos-data`).
"""

import os
import random
import sys
from collections import Counter
from typing import Final

import pytest

from suanlian.crypto.sealing import SealingPair
from suanlian.testing.processes import Processes, until
from suanlian.testing.seaweed import Seaweed
from tests.e2e.yard import POND, SPRING, WELL, Storm, Yard, files_of, write, yard

KILLS: Final = int(os.environ.get("SUANLIAN_DATA_KILLS", "3"))
ENDS_S: Final = 300


def _note(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _registered(here: Yard, storm: Storm, name: str) -> None:
    data = files_of(storm.chance)
    write(here.root("lake") / "in" / name, data)
    with storm.calm():
        here.make(name, data)
        here.register(name)
    with storm.during("register"):
        until(f"{name} is sealed", lambda: here.version(name)["state"] == "sealed", within_s=ENDS_S, every_s=0.3)


def _copied(here: Yard, storm: Storm, name: str, way: str, to: str) -> None:
    with storm.calm():
        transfer = here.copy(name, to)
    with storm.during(way):
        until(f"{way}: {name}", lambda: here.transfer(transfer)["ended_at"], within_s=ENDS_S, every_s=0.3)
    row = here.transfer(transfer)
    assert (row["state"], row["code"], row["reason"]) == ("done", "", ""), dict(row)
    assert bool(row["push"]) == ("push" in way)


def _put(here: Yard, storm: Storm, name: str) -> None:
    data, pair, folder = files_of(storm.chance), SealingPair.generate(), here.root(name)
    write(folder, data)
    with storm.calm():
        here.make(name, data)
        grant = here.open(name, folder, WELL, pair)
    with storm.during("put and TAKE"):
        here.put(grant, name, folder, pair)
        with storm.calm():
            here.ask("POST", f"/v1/datasets/{name}/seal")
        until(f"{name} is sealed", lambda: here.version(name)["state"] == "sealed", within_s=ENDS_S, every_s=0.3)


def _round(here: Yard, storm: Storm, number: int) -> None:
    """Every way once: a folder to a folder and to a bucket, a person to a bucket, a bucket to a bucket."""
    if KILLS > 3:
        _put(here, storm, f"put-{number}")
        _copied(here, storm, f"put-{number}", "pull S3 to S3", SPRING)
        _registered(here, storm, f"pushed-{number}")
        _copied(here, storm, f"pushed-{number}", "push folder to S3", WELL)
    _registered(here, storm, f"folder-{number}")
    _copied(here, storm, f"folder-{number}", "pull folder to folder", POND)


def _check(here: Yard) -> None:
    for name in here.content:
        copies = here.verified(name)
        assert {copy["state"] for copy in copies} == {"whole"}, (name, copies)
        assert here.version(name)["state"] == "sealed"
        assert len(copies) == 2
    until("nobody has anything to do", here.settled, within_s=60, every_s=0.5)
    here.swept()
    assert here.stored() == here.expected()
    assert here.pieces() == []
    assert here.uploads() == []
    assert [name.name for name in here.victims() if "Traceback" in name.said()] == []


def _table(storm: Storm) -> str:
    counts = Counter((way, who) for who, way, _state in storm.killed)
    whos = sorted({who for who, _way, _state in storm.killed})
    ways = dict.fromkeys(way for _who, way, _state in storm.killed)
    rows = [("during", *whos), *((way, *(str(counts[way, who]) for who in whos)) for way in ways)]
    return "\n".join(" | ".join(row) for row in rows)


@pytest.mark.e2e
@pytest.mark.slow
@pytest.mark.timeout(300 + 60 * KILLS)
def test_every_dataset_ends_whole_whatever_is_killed(capsys: pytest.CaptureFixture[str]) -> None:
    seed = int(os.environ.get("SUANLIAN_E2E_SEED") or random.SystemRandom().randrange(2**32))
    with capsys.disabled():
        _note(f"SUANLIAN_E2E_SEED={seed}")
    with Seaweed() as seaweed, Processes() as processes, yard(processes, seaweed) as here:
        storm, number = Storm(here, random.Random(seed), KILLS), 0
        with storm:
            while not storm.done:
                _round(here, storm, number)
                number += 1
                with capsys.disabled():
                    _note(f"{len(storm.killed)} kills, {len(here.content)} datasets")
        with capsys.disabled():
            _note(_table(storm))
            for entry in storm.killed:
                _note("  ".join(entry))
        assert len(storm.killed) == KILLS
        _check(here)
