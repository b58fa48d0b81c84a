"""What does the demo submit, and what has to come out? Plain data, independent of the client and of the wire."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple, TypeAlias

JobClass: TypeAlias = Literal["training", "inference", "hpc", "cpu"]
EndState: TypeAlias = Literal["COMPLETE", "EXECUTOR_ERROR", "CANCELED"]


class UrlContent(NamedTuple):
    """Content that the platform fetches by URL and checks: the bytes of `corpus.corpus(key)`, served by the demo."""

    scheme: Literal["url"]
    key: str


class InputFile(NamedTuple):
    """One file of the working directory; `path` is relative to it."""

    path: str
    content: bytes | UrlContent


class DataInput(NamedTuple):
    """A dataset that the job reads, as one writes it, and the directory where it lies for the job."""

    dataset: str
    path: str


class Variant(NamedTuple):
    """One way to run the job: on which architecture, in which named environment, by which command.

    In `wasm32-wasi` the command is module and arguments: the platform puts its runner (drivers/local/wasm.py) before
    it.
    """

    architecture: str
    environment: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Accuracy:
    """A search reaches `figure` (a share of `rows` rows) within three standard errors, recounted."""

    dataset: str
    rows: int
    figure: float


@dataclass(frozen=True)
class FoldAccuracy:
    """Every row is predicted in one fold; over all folds `figure` is reached within three standard errors."""

    dataset: str
    rows: int
    figure: float


@dataclass(frozen=True)
class OptionContract:
    """An option and its simulation: the price has to be within four standard errors of the closed form.

    Money in one currency; rate and volatility a year; `dates` are the averaging dates of a geometric-Asian option,
    evenly spaced.
    """

    style: Literal["european", "geometric-asian"]
    right: Literal["call", "put"]
    strike: float
    seed: int
    paths: int
    spot: float = 100.0
    rate: float = 0.02
    volatility: float = 0.25
    years: float = 0.5
    dates: int = 12


@dataclass(frozen=True)
class View:
    """A picture in tiles; `left`, `top`, `step` and `julia` are in units of 2**-24.

    `crc32` is the CRC-32 of the merged pixels, one byte a pixel, as the slow path (reference.escape_times) computes it.
    """

    left: int
    top: int
    step: int
    crc32: int
    julia: tuple[int, int] | None = None
    width: int = 300
    height: int = 200
    columns: int = 3
    rows: int = 2
    limit: int = 250


@dataclass(frozen=True)
class WordCount:
    """The counts of the corpus `key`, merged over the tasks, equal those of another way of counting."""

    key: str


@dataclass(frozen=True)
class DigitLabels:
    """The labels of `count` pictures of the digits set from row `first` are exactly those of another formula.

    The model is the mean picture of each digit over the first `centroid_rows` rows.
    """

    first: int
    count: int
    centroid_rows: int


@dataclass(frozen=True)
class Primes:
    """The number of primes below one million and their checksum, exactly."""


@dataclass(frozen=True)
class Says:
    """The job is to end badly, and this text is on standard output and that on standard error (empty: none asked)."""

    stdout: str = ""
    stderr: str = ""


@dataclass(frozen=True)
class PlacedSums:
    """The sums of all pictures of the dataset, by digit, and the digest of every file that was read, exactly."""


@dataclass(frozen=True)
class PlacedLabels:
    """What each picture of the dataset shows, the same wherever it stands, and the digest of every file, exactly."""


Expectation: TypeAlias = (
    Accuracy
    | FoldAccuracy
    | OptionContract
    | View
    | WordCount
    | DigitLabels
    | Primes
    | Says
    | PlacedSums
    | PlacedLabels
)


@dataclass(frozen=True)
class DemoJob:
    """One job of the demo; an array counts as one.

    `cpu` in cores, `memory` and `disk` with unit, `green_min` a share from 0 to 1, each as text, as on the wire.
    `platform` is the key of the platform that it must run on, `origin_region` a GB/T 2260 code, `max_latency_ms` one
    way from there.
    """

    name: str
    kind: str
    job_class: JobClass
    variants: tuple[Variant, ...]
    inputs: tuple[InputFile, ...]
    check: Expectation
    outputs: tuple[str, ...] = ("out/result.json",)
    array_size: int | None = None
    cpu: str = "0.25"
    memory: str = "256MiB"
    disk: str = "64MiB"
    wall_time_s: int = 120
    env: Mapping[str, str] = field(default_factory=dict)
    platform: str | None = None
    max_latency_ms: int | None = None
    green_min: str | None = None
    origin_region: str = "310000"
    expected_state: EndState = "COMPLETE"
    data: tuple[DataInput, ...] = ()


@dataclass(frozen=True)
class JobResult:
    """How a job ended: its state, and by array index (0 for a plain job) its output files and its two streams."""

    state: str
    outputs: Mapping[int, Mapping[str, bytes]] = field(default_factory=dict)
    stdout: Mapping[int, str] = field(default_factory=dict)
    stderr: Mapping[int, str] = field(default_factory=dict)
