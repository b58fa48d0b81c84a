"""Does a real workflow of Snakemake run through the hub, by Snakemake's own TES executor, unchanged?

The platform declares an environment that stands for the image of the workflow: Snakemake's own interpreter, and a
directory that its jobs and the workflow share. Snakemake has each job install the storage plugin by ``pip``; as that is
in the environment already, the environment's own ``pip`` does nothing.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

from scripts.install_engines import SNAKEMAKE_BINARIES
from suanlian.model.party import Role
from suanlian.testing.nodes import NO_PROBES, HubProcess, Slots, make_hub, make_platform
from suanlian.testing.processes import Processes

pytestmark = [
    pytest.mark.engine("snakemake"),
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(shutil.which("rsync") is None, reason="make test-engines installs rsync"),
    pytest.mark.skipif(not (SNAKEMAKE_BINARIES / "snakemake").exists(), reason="make test-engines installs Snakemake"),
]

USER: Final = 250_000
"""Nobody else's on this machine: where jobs end, all processes of their user do."""
RSYNC: Final = "rsync alias --times --times --perms --chmod=F644,D755\n"
"""Snakemake sends private files to the shared directory, which jobs of another user must read."""
IMAGE: Final = "snakemake/snakemake:v9"
WORDS: Final = {"a": "one two three", "b": "four five", "c": "six"}
SNAKEFILE: Final = """
rule all:
    input: "results/report.txt"

rule count:
    input: "data/{sample}.txt"
    output: "results/{sample}.count"
    resources: mem_mb=600
    shell: "wc -w < {input} > {output}"

rule total:
    input: expand("results/{sample}.count", sample=["a", "b", "c"])
    output: "results/total.txt"
    shell: "cat {input} | awk '{{ n += $1 }} END {{ print n }}' > {output}"

rule most:
    input: expand("results/{sample}.count", sample=["a", "b", "c"])
    output: "results/most.txt"
    run:
        counts = [int(open(name).read()) for name in input]
        open(output[0], "w").write(str(max(counts)))

rule report:
    input: total="results/total.txt", most="results/most.txt"
    output: "results/report.txt"
    shell: "echo total $(cat {input.total}) most $(cat {input.most}) > {output}"
"""


@dataclass(frozen=True)
class Lab:
    """A hub, a buyer's key, and the directory that jobs and the workflow share."""

    hub: HubProcess
    key: str
    storage: Path


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    # not below /tmp, which is each job's own
    with Processes() as started, tempfile.TemporaryDirectory(dir="/var/tmp", prefix="suanlian-tes-") as home:
        root = Path(home)
        root.chmod(0o755)
        storage, programs = root / "storage", root / "bin"
        (storage / "data").mkdir(parents=True)
        storage.chmod(0o777)
        for name, text in WORDS.items():
            (storage / "data" / f"{name}.txt").write_text(text)
        programs.mkdir()
        (programs / "pip").write_text("#!/bin/sh\nexit 0\n")
        (programs / "pip").chmod(0o755)
        hub = make_hub(started, "national")
        read = [str(programs), str(SNAKEMAKE_BINARIES.parent), sys.base_prefix]
        slots = Slots(
            cores=1,
            probes=NO_PROBES,
            # one user for all jobs, as on a site that knows who sends them: what one leaves the next may replace
            options={"slots": "1", "base_uid": str(USER), "user_locks": json.dumps(str(root / "users"))},
            images=(IMAGE,),
            path=(str(programs), str(SNAKEMAKE_BINARIES)),
            binds=tuple(dict.fromkeys(read)),
            shared=(str(storage),),
        )
        make_platform(started, hub, "wuhu", slots)
        yield Lab(hub, hub.let_in("lab", Role.BUYER), storage)


def written(lab: Lab) -> list[str]:
    """What each job has said."""
    with lab.hub.client(lab.key) as door:
        return [
            f"{job.name} {job.state} {b''.join(door.jobs.log(job.id, stream='stderr'))[-2000:].decode()}"
            for job in door.jobs.list()
        ]


def test_a_workflow_of_six_jobs_runs_through_the_hub(lab: Lab, tmp_path: Path) -> None:
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / ".popt").write_text(RSYNC)
    command = [str(SNAKEMAKE_BINARIES / "python"), "-m", "snakemake", "--executor", "tes", "--jobs", "4", "--nocolor"]
    command += ["--tes-url", f"{lab.hub.url}/ga4gh/tes", "--container-image", IMAGE]
    command += ["--default-storage-provider", "fs", "--default-storage-prefix", str(lab.storage)]
    command += ["--seconds-between-status-checks", "1", "--max-status-checks-per-second", "10"]
    env = {**os.environ, "SNAKEMAKE_TES_TOKEN": lab.key, "HOME": str(tmp_path), "XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (written(lab), done.stderr[-4000:])
    assert (lab.storage / "results" / "report.txt").read_text() == "total 6 most 3\n"
    with lab.hub.client(lab.key) as door:
        ran = list(door.jobs.list())
    assert len(ran) == len(WORDS) + 3
    assert {job.state for job in ran} == {"COMPLETE"}
