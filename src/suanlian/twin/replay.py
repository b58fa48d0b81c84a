"""The recorded demand that ships with the package, as four platforms: ITP-4.

Four of the ten clusters stand for four platforms, each sized from its own demand for a load rho: nodes of 8
accelerators, as many as its GPU-hours over the span of the trace ask for at that load.
"""

import csv
import gzip
from dataclasses import replace
from functools import cache
from importlib.resources import files
from typing import Final

import numpy as np

from suanlian.twin.results import Floats
from suanlian.twin.trace import Trace
from suanlian.twin.world import World, sized

PLATFORMS: Final = {"cluster04": "Qingpu", "cluster07": "Wujiang", "cluster03": "Wuhu", "cluster02": "Zhongwei"}
SOURCE: Final = "AI training jobs of ElasticFlow, 2021 (MIT licence): four of ten clusters, 37,290 jobs"
NODE_UNITS: Final = 8
KNUTH: Final = 2_654_435_761
WORD: Final = 2**32


@cache
def itp4() -> Trace:
    """The jobs of the four platforms in order; estimates are the true durations, for the trace has none."""
    text = gzip.decompress((files("suanlian.twin") / "data" / "itp2021.csv.gz").read_bytes()).decode()
    places = {cluster: n for n, cluster in enumerate(PLATFORMS)}
    rows = [
        (int(row["job"]), places[row["cluster"]], int(row["submit_s"]), int(row["duration_s"]), int(row["gpus"]))
        for row in csv.DictReader(text.splitlines())
        if row["cluster"] in places
    ]
    table = np.array(rows, dtype=np.int64)
    return Trace.of(
        job=table[:, 0],
        home=table[:, 1],
        submit=table[:, 2].astype(np.float64),
        duration=table[:, 3].astype(np.float64),
        units=table[:, 4],
        accounts=tuple(PLATFORMS.values()),
        source=SOURCE,
    ).ordered()


def itp4_world(rho: float) -> World:
    """The four platforms, sized so that each one's own demand would use a share ``rho`` of it."""
    trace = itp4()
    work = np.bincount(trace.home, weights=trace.duration * trace.units, minlength=len(PLATFORMS))
    span = float((trace.submit + trace.duration).max() - trace.submit.min())
    nodes = np.ceil(work / (NODE_UNITS * span * rho)).astype(np.int64)
    return sized(tuple(PLATFORMS.values()), nodes.tolist(), node_units=NODE_UNITS)


def portable(trace: Trace, share: float) -> Trace:
    """The trace where about ``share`` of the jobs, chosen by a hash of their ids, may run elsewhere."""
    return replace(trace, movable=(trace.job * KNUTH % WORD) / WORD < share)


def jittered(trace: Trace, seed: int) -> Trace:
    """The trace with every submission put off by less than a second."""
    late = np.random.default_rng(seed).random(len(trace))
    return replace(trace, submit=trace.submit + late).ordered()


def guessed(trace: Trace, *, factor: float = 1.0, spread: float = 0.0, seed: int = 0) -> Trace:
    """The trace with synthetic estimates: durations times ``factor`` times a log-normal error of sigma ``spread``."""
    error: Floats = (
        np.exp(np.random.default_rng(seed).normal(0.0, spread, len(trace))) if spread else np.ones(len(trace))
    )
    return replace(trace, estimate=trace.duration * factor * error)
