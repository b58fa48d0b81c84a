"""How does a job of the catalogue become what a buyer sends? Plain data in, a JobSpec out."""

import base64
import hashlib
from collections.abc import Callable

from suanlian.demo.work.corpus import corpus
from suanlian.demo.work.job import DemoJob, InputFile, UrlContent
from suanlian.demo.world import BUYERS
from suanlian.model.job import Input, JobSpec, Variant, Wants

AddressOf = Callable[[str], str]
"""From the key of a corpus to the address where it is served."""


def spec_of(job: DemoJob, address_of: AddressOf) -> JobSpec:
    """What the buyer sends. Read as a document, so that amounts are written as people write them."""
    document = {
        "name": job.name,
        "purpose": job.kind,
        "resources": {"cpu": job.cpu, "memory": job.memory, "disk": job.disk},
        "variants": [Variant.model_validate(variant._asdict()).model_dump(mode="json") for variant in job.variants],
        "inputs": [_input(file, address_of).model_dump(mode="json") for file in job.inputs],
        "outputs": list(job.outputs),
        "env": dict(job.env),
        "array_size": job.array_size,
        "wall_time_s": job.wall_time_s,
        "wants": _wants(job).model_dump(mode="json"),
        "data": [use._asdict() for use in job.data],
    }
    return JobSpec.model_validate(document)


def buyer_of(job: DemoJob) -> str:
    """Which buyer submits it. Raises KeyError for a kind that nobody submits."""
    for buyer, kinds in BUYERS.items():
        if job.kind in kinds:
            return buyer
    raise KeyError(f"no buyer submits jobs of the kind {job.kind}")


def corpus_file(key: str) -> str:
    """The name under which a corpus is served."""
    return f"{key}.txt"


def _input(file: InputFile, address_of: AddressOf) -> Input:
    if isinstance(file.content, UrlContent):
        digest = hashlib.sha256(corpus(file.content.key)).hexdigest()
        return Input(path=file.path, url=address_of(file.content.key), sha256=digest)
    return Input(path=file.path, content_base64=base64.b64encode(file.content).decode())


def _wants(job: DemoJob) -> Wants:
    document = {
        "platform": job.platform,
        "user_region": job.origin_region,
        "max_latency_ms": None if job.max_latency_ms is None else str(job.max_latency_ms),
        "green_min": job.green_min or "0",
    }
    return Wants.model_validate(document)
