"""A job names what it reads and what it leaves, and says how far its data is and what became of what it left."""

from pathlib import Path

import pytest
import yaml

from suanlian.model.ids import Kind
from suanlian.testing.people_hub import PeopleHub
from suanlian.testing.people_samples import MOMENT, UUID, job, public_id, published, spec, task

from .conftest import Suanlian

READS = {"dataset": "lab/reads@2", "path": "in", "only": ["a"]}
FLAVOR: dict[str, object] = {
    "name": "slice",
    "compute_class": "general",
    "architecture": "x86_64",
    "node": {"cpu": "1", "memory": "1GiB"},
    "environments": [{"name": "python", "architecture": "x86_64"}],
}
SAVES = {"path": "out", "dataset": "model", "to": "wuhu/lake"}


def submitted(hub: PeopleHub) -> dict[str, object]:
    (asked,) = [one for one in hub.asked if (one.method, one.path) == ("POST", "/v1/jobs")]
    document = asked.document()
    assert isinstance(document, dict)
    return document


def test_run_and_submit_name_datasets(suanlian: Suanlian, logged_in: PeopleHub, tmp_path: Path) -> None:
    logged_in.says("POST /v1/jobs", job(state="QUEUED", ended_at=None, tally={"QUEUED": 1}))
    logged_in.lists("/v1/flavors", published(FLAVOR))
    options = ("--data", "lab/reads@2:in", "--data", "genomes", "--save", "out:model:wuhu/lake", "--save", "log:log")
    code, out, err = suanlian(
        "run", "-d", "--environment", "python", "--architecture", "x86_64", *options, "--", "true"
    )
    assert (code, public_id(Kind.JOB) in out) == (0, True), err
    sent = submitted(logged_in)
    named = [(one["dataset"], one["path"]) for one in sent["data"]]  # type: ignore[attr-defined]
    assert named == [("lab/reads@2", "in"), ("genomes", "genomes")]
    assert [one.get("to") for one in sent["save"]] == ["wuhu/lake", None]  # type: ignore[attr-defined]

    logged_in.asked.clear()
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(spec(data=[READS], save=[SAVES])))
    assert suanlian("submit", tmp_path / "job.yaml", "--data", "genomes", "--save", "log:log")[0] == 0
    sent = submitted(logged_in)
    assert [one["dataset"] for one in sent["data"]] == ["lab/reads@2", "genomes"]  # type: ignore[attr-defined]
    assert [one["dataset"] for one in sent["save"]] == ["model", "log"]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    "options", [("--save", "out"), ("--save", "a:b:c:d"), ("--data", "no name"), ("--data", "a:..")]
)
def test_what_names_no_dataset_is_refused_here(
    suanlian: Suanlian, logged_in: PeopleHub, options: tuple[str, str]
) -> None:
    code, _out, err = suanlian("run", "-d", "--environment", "python", *options, "--", "true")
    assert (code, "Refused (field_invalid)" in err) == (125, True), err
    assert logged_in.asked == []


def test_show_tells_how_far_data_is_and_what_was_saved(
    suanlian: Suanlian, logged_in: PeopleHub, monkeypatch: pytest.MonkeyPatch, lang: str
) -> None:
    monkeypatch.setenv("SUANLIAN_LANG", lang)
    named = {**spec(), "data": [READS], "save": [SAVES]}
    reason = "bringing data: 412000000 of 980000000 bytes of lab/reads@2"
    waits = job(state="INITIALIZING", ended_at=None, spec=named)
    logged_in.says(f"GET /v1/jobs/{UUID}", waits)
    tasks = {"items": [task(state="INITIALIZING", ended_at=None, outcome={"reason": reason})], "next": None}
    logged_in.says(f"GET /v1/jobs/{UUID}/tasks", tasks)
    version = {"id": "v", "public_id": "p", "account": "lab", "dataset": "model", "number": 3, "state": "sealed"}
    version |= {"files": 1, "bytes": 2000, "created_at": MOMENT, "origin": f"job {public_id(Kind.JOB)}: out"}
    version["replicas"] = [{"id": "r", "storage": "wuhu/lake", "site": "main", "state": "whole"}]
    other = {**version, "number": 4, "origin": "uploaded"}
    logged_in.says("GET /v1/datasets/model/versions", {"items": [other, version], "next": None})
    code, out, err = suanlian("show", UUID)
    assert code == 0, err
    said = {"en": "bringing lab/reads@2: 412.0 MB of 980.0 MB", "zh": "正在运送 lab/reads@2：412.0 MB / 980.0 MB"}
    assert said[lang] in out
    assert ("model@3" in out, "model@4" in out, "wuhu/lake" in out) == (True, False, True)
