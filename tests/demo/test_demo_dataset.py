from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest

from suanlian.demo.dataset import COPIED, EXPECTED, HOME, Sent, because, data_record
from suanlian.demo.work.catalogue import catalogue
from suanlian.demo.work.placed import DATASET, placed_digests, placed_files
from suanlian.i18n import use_language
from suanlian.model.data import DataFile, DatasetVersion, Replica, ReplicaState, VersionState, manifest_digest
from suanlian.model.ids import ShareId
from suanlian.model.performance import Architecture
from suanlian.model.placement import Candidate, CostTerm, Explanation, Term

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
READERS = {job.name: job for job in catalogue("x86_64") if job.data}
DIGEST = manifest_digest(
    DataFile(path=path, size=len(content), sha256=placed_digests()[path]) for path, content in placed_files().items()
)


def candidate(platform: str, rent: str, data: str = "") -> Candidate:
    terms = [CostTerm(term=Term.RENT, amount=Decimal(rent), how="1 h")]
    if data:
        how = f"0.012 GB x 0.45 CNY/GB from {HOME}, about 0.01 h"
        terms.append(CostTerm(term=Term.DATA, amount=Decimal(data), how=how))
    return Candidate(
        share_id=ShareId(platform),
        platform=platform,
        site="s",
        share="s",
        flavor="f",
        variant=0,
        architecture=Architecture.X86_64,
        simulated=False,
        terms=tuple(terms),
        cost=sum((term.amount for term in terms), Decimal(0)),
    )


def sent(name: str, without: str = "zhongwei-west") -> Sent:
    home = EXPECTED[name]
    why = Explanation(
        at=NOW, candidates=(candidate(home, "0.0008"), candidate("zhongwei-west", "0.0007", "0.0052")), winner=0
    )
    plan = Explanation(at=NOW, candidates=(candidate(without, "0.0007"),), winner=0)
    job: Any = SimpleNamespace(id=name)
    return Sent(job, READERS[name], plan, why)


def owner(digest: str = DIGEST, second: ReplicaState = ReplicaState.WHOLE) -> Any:  # noqa: ANN401 - stands for a client
    def copy(storage: str, state: ReplicaState) -> Replica:
        return Replica(id=storage, storage=storage, site="s", state=state)

    version = DatasetVersion(
        id="v",
        public_id="CN-V-1",
        account="a",
        dataset=DATASET,
        number=1,
        state=VersionState.SEALED,
        files=26,
        bytes=11_502_597,
        digest=digest,
        created_at=NOW,
        replicas=(copy(HOME, ReplicaState.WHOLE), copy(COPIED, second)),
    )
    data = SimpleNamespace(versions=lambda _ref: iter([version]), transfers=lambda: iter([]), rules=lambda: iter([]))
    platforms, storages = SimpleNamespace(list=list), SimpleNamespace(storages=list)
    return SimpleNamespace(data=data, platforms=platforms, catalogue=storages)


def test_every_reader_has_a_place_where_it_has_to_go() -> None:
    assert READERS.keys() == EXPECTED.keys()
    assert len(set(EXPECTED.values())) == 2


@pytest.mark.parametrize(("language", "words"), [("en", "moving its data"), ("zh", "若不计数据")])
def test_what_is_said_names_the_cost_of_bringing_and_the_place_without_data(language: str, words: str) -> None:
    with use_language(language):
        said = "\n".join(because(sent("sum-placed-digits")))
    assert words in said
    assert "0.012 GB x 0.45 CNY/GB" in said
    assert HOME in said
    assert said.count("zhongwei-west/s") >= 2


def test_all_as_expected_is_no_failure() -> None:
    record = data_record(owner(), [sent(name) for name in EXPECTED], dict(EXPECTED))
    assert record.failures == ()
    assert [job.without for job in record.jobs] == ["zhongwei-west"] * 2


@pytest.mark.parametrize("name", EXPECTED)
def test_a_job_that_ran_elsewhere_or_would_have_gone_there_anyway_is_a_failure(name: str) -> None:
    others = [sent(other) for other in EXPECTED if other != name]
    moved = data_record(owner(), [sent(name), *others], {**EXPECTED, name: "zhongwei-west"})
    anyway = data_record(owner(), [sent(name, EXPECTED[name]), *others], dict(EXPECTED))
    nowhere = replace(sent(name), without=Explanation(at=NOW, candidates=()))
    for record in (moved, anyway, data_record(owner(), [nowhere, *others], dict(EXPECTED))):
        (failure,) = record.failures
        assert failure.en.startswith(f"{name}: ")
        assert failure.zh != failure.en


def test_another_manifest_and_a_copy_that_is_not_whole_are_failures() -> None:
    assert len(data_record(owner("0" * 64), [], {}).failures) == 1
    assert len(data_record(owner(second=ReplicaState.COMING), [], {}).failures) == 1
