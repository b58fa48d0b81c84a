"""A job of the platform's own queue as the hub knows jobs: the script is an input, and a shell runs it. Pure."""

import base64
import re
from typing import Final

from pydantic import ValidationError

from suanlian.agent.lending.terms import Lending
from suanlian.drivers.lending import Contents, LocalJob
from suanlian.model.base import Name
from suanlian.model.demand import Retries
from suanlian.model.errors import InvalidError
from suanlian.model.findings import field_faults
from suanlian.model.job import Input, JobSpec, Variant, Wants

SCRIPT: Final = "suanlian-job.sh"
SHELLS: Final = {"bash": "/bin/bash", "sh": "/bin/sh", "dash": "/bin/sh"}
_NOT_IN_NAMES: Final = re.compile(r"[^a-z0-9-]+")
_SHEBANG: Final = re.compile(rb"^#![ \t]*(?:/usr/bin/env[ \t]+)?(?:\S*/)?([a-z]+)[ \t]*\n")
_MAX_NAME: Final = 40


def spec_of(job: LocalJob, contents: Contents, terms: Lending) -> JobSpec:
    """What the hub is asked to run. Raises InvalidError naming what cannot travel."""
    shell = shell_of(contents.script)
    if shell is None or terms.data_level is None:
        wrong = "The script is not for sh or bash." if shell is None else "No data level is set."
        raise InvalidError("not_lendable", wrong)
    environment = next(iter(job.options.get("env", ())), terms.environment)
    files = {SCRIPT: contents.script, **contents.inputs}
    try:
        return JobSpec(
            name=_name(job.name),
            purpose="lent by its platform",
            resources=job.resources,
            variants=tuple(
                Variant(architecture=one, environment=environment, command=(shell, SCRIPT))
                for one in terms.architectures
            ),
            inputs=tuple(
                Input(path=path, content_base64=base64.b64encode(data).decode()) for path, data in files.items()
            ),
            outputs=job.options.get("out", ()),
            env={**contents.variables, **_equivalents(job)},
            wall_time_s=job.wall_time_s or terms.wall_time_s,
            network=terms.network,
            wants=Wants(
                data_level=terms.data_level,
                residency=terms.residency,
                protection_min=terms.protection_min,
                max_cost=terms.max_cost,
            ),
            # a place that is not heard of is waited for: what may still be running is not run a second time
            retries=Retries(lost=0),
        )
    except ValidationError as error:
        faults = field_faults(error.errors(include_url=False), JobSpec)
        wrong = "; ".join(f"{fault.field}: {fault.wrong}" for fault in faults)
        raise InvalidError("not_lendable", f"It cannot travel: {wrong}"[:1000], faults=faults) from error


def shell_of(script: bytes) -> str | None:
    """The shell that its first line names; None where that is no shell that is everywhere."""
    found = _SHEBANG.match(script)
    return None if found is None else SHELLS.get(found[1].decode())


def _equivalents(job: LocalJob) -> dict[str, str]:
    """What a script of that engine may look for, with the values of its own queue."""
    cores = str(max(1, job.resources.cpu // 1000))
    return {
        "SLURM_JOB_ID": job.key.native_id,
        "SLURM_JOBID": job.key.native_id,
        "SLURM_JOB_NAME": job.name,
        "SLURM_CLUSTER_NAME": job.key.cluster,
        "SLURM_CPUS_ON_NODE": cores,
        "SLURM_JOB_NUM_NODES": "1",
        "SUANLIAN_LENT": "1",
    }


def _name(text: str) -> Name:
    plain = _NOT_IN_NAMES.sub("-", text.lower()).strip("-")[:_MAX_NAME].strip("-")
    return f"lent-{plain}" if plain else "lent"
