"""Which jobs does the demo submit? Every job of the main run, as plain data, in the order of submission."""

import json
from dataclasses import asdict, replace
from importlib.resources import files

from suanlian.demo.work.datasets import digit_centroids, digit_pictures
from suanlian.demo.work.job import (
    Accuracy,
    DataInput,
    DemoJob,
    DigitLabels,
    FoldAccuracy,
    InputFile,
    OptionContract,
    PlacedLabels,
    PlacedSums,
    Primes,
    Says,
    UrlContent,
    Variant,
    View,
    WordCount,
)
from suanlian.demo.work.placed import DATASET, TRAINED_ROWS

NATIVE = "python-science"
WASM = "wasm32-wasi"
SHANGHAI, SUZHOU, JIASHAN, WUHU = (
    "310000",
    "320500",
    "330421",
    "340200",
)  # GB/T 2260: where the buyer's data or users are

# one slice of a core: more threads would only wait for each other, and sums in another order give other last digits
SINGLE_THREAD = {
    "MKL_NUM_THREADS": "1",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "PYTHONUNBUFFERED": "1",
}
CENTROID_ROWS = 1000  # the batches are taken from the rows after these


def catalogue(native_arch: str) -> list[DemoJob]:
    """Return the jobs of the demo on a machine of this architecture (`x86_64`, `aarch64` ...); names are unique.

    Reads the programs and two data sets from installed packages; the same for the same installation.
    """
    return [
        *_readers(native_arch),
        *_quotes(native_arch),
        *_batches(native_arch),
        *_searches(native_arch),
        *_trainings(native_arch),
        *_simulations(native_arch),
        *_pictures(native_arch),
        *_word_counts(native_arch),
        *_primes(native_arch),
        *_ending_badly(native_arch),
    ]


def _program(name: str) -> InputFile:
    return InputFile(name, (files("suanlian.demo.work") / "programs" / name).read_bytes())


def _json_file(path: str, content: object) -> InputFile:
    return InputFile(path, json.dumps(content, sort_keys=True).encode() + b"\n")


def _native(native_arch: str, *command: str) -> tuple[Variant, ...]:
    return (Variant(native_arch, NATIVE, ("python", *command)),)


def _option_job(native_arch: str, name: str, contract: OptionContract) -> DemoJob:
    """Return a pricing that may run anywhere and has no haste."""
    return DemoJob(
        name=name,
        kind="pricing",
        job_class="hpc",
        variants=_native(native_arch, "price_option.py"),
        inputs=(_program("price_option.py"), _json_file("contract.json", asdict(contract))),
        check=contract,
        env=SINGLE_THREAD,
    )


def _readers(native_arch: str) -> list[DemoJob]:
    """Return two jobs that read a dataset of some MB: one may run anywhere, for the other users in Suzhou wait."""
    use, folder = DataInput(f"{DATASET}@1", "in/digits"), "in/digits"
    anywhere = DemoJob(
        name="sum-placed-digits",
        kind="dataset",
        job_class="cpu",
        variants=_native(native_arch, "sum_placed.py", folder),
        inputs=(_program("sum_placed.py"),),
        check=PlacedSums(),
        env=SINGLE_THREAD,
        data=(use,),
    )
    near = replace(
        anywhere,
        name="recognise-placed-digits",
        variants=_native(native_arch, "recognise_placed.py", folder, str(TRAINED_ROWS)),
        inputs=(_program("recognise_placed.py"),),
        check=PlacedLabels(),
        job_class="inference",
        max_latency_ms=2,
        origin_region=SUZHOU,
    )
    return [anywhere, near]


def _quotes(native_arch: str) -> list[DemoJob]:
    """Return prices that somebody in Shanghai waits for: at most 5 ms away, one of them on the trading platform."""
    jobs = []
    for seed, (right, strike) in enumerate((r, k) for k in (95.0, 100.0, 105.0) for r in ("call", "put")):
        contract = OptionContract("european", "call" if right == "call" else "put", strike, seed, paths=200_000)
        job = _option_job(native_arch, f"quote-{right}-{strike:.0f}", contract)
        platform = "shanghai-trading" if seed == 0 else None
        jobs.append(replace(job, job_class="inference", max_latency_ms=5, platform=platform))
    return jobs


def _simulations(native_arch: str) -> list[DemoJob]:
    """Return pricings over night: anywhere, two with green power only; the array is one price from four streams."""
    contracts = {
        "asian-call-95": OptionContract("geometric-asian", "call", 95.0, 11, paths=100_000),
        "asian-call-105": OptionContract("geometric-asian", "call", 105.0, 12, paths=100_000),
        "asian-put-95": OptionContract("geometric-asian", "put", 95.0, 13, paths=100_000),
        "asian-put-105": OptionContract("geometric-asian", "put", 105.0, 14, paths=100_000),
        "asian-call-weekly": OptionContract("geometric-asian", "call", 100.0, 15, paths=50_000, dates=26),
        "call-volatile": OptionContract("european", "call", 120.0, 16, paths=400_000, volatility=0.45),
        "put-long": OptionContract("european", "put", 90.0, 17, paths=400_000, years=2.0),
        "call-streams": OptionContract("european", "call", 110.0, 18, paths=200_000),
    }
    jobs = [_option_job(native_arch, f"simulate-{name}", contract) for name, contract in contracts.items()]
    greens = ("simulate-call-volatile", "simulate-put-long")
    jobs = [replace(job, green_min="0.80" if job.name in greens else None) for job in jobs]
    return [*jobs[:-1], replace(jobs[-1], array_size=4)]


def _batches(native_arch: str) -> list[DemoJob]:
    """Return small batches of pictures to classify, for users in the region."""
    program = _program("classify_batch.py")
    model = _json_file("model.json", {"centroids": digit_centroids(CENTROID_ROWS)})
    return [
        DemoJob(
            name=f"classify-digits-{number}",
            kind="inference",
            job_class="inference",
            variants=_native(native_arch, "classify_batch.py"),
            inputs=(program, model, _json_file("batch.json", {"pictures": digit_pictures(first, 100)})),
            check=DigitLabels(first, 100, CENTROID_ROWS),
            env=SINGLE_THREAD,
            max_latency_ms=5,
            origin_region=region,
        )
        for number, (first, region) in enumerate(
            ((1000, SHANGHAI), (1200, SUZHOU), (1400, JIASHAN), (1600, WUHU)), start=1
        )
    ]


def _searches(native_arch: str) -> list[DemoJob]:
    """Return searches for the best setting of a model; one is an array over parts of its grid, one runs in Jiashan."""
    wanted = (
        # name, program and arguments, what was reached with numpy 2.4 and scikit-learn 1.9
        ("breast-cancer-logistic", ("search_sklearn.py", "breast-cancer", "logistic"), 569, 0.979),
        ("breast-cancer-svc", ("search_sklearn.py", "breast-cancer", "svc"), 569, 0.977),
        ("breast-cancer-tree", ("search_sklearn.py", "breast-cancer", "tree"), 569, 0.944),
        ("breast-cancer-bayes", ("search_sklearn.py", "breast-cancer", "bayes"), 569, 0.926),
        ("digits-tree", ("search_sklearn.py", "digits", "tree"), 1797, 0.823),
        ("digits-logistic", ("search_sklearn.py", "digits", "logistic", "600"), 600, 0.975),
        ("digits-svc", ("search_sklearn.py", "digits", "svc", "600"), 600, 0.995),
        ("breast-cancer-nearest", ("search_nearest.py", "breast-cancer", "euclidean", "1", "3", "5", "7"), 569, 0.97),
        ("breast-cancer-wide", ("search_nearest.py", "breast-cancer", "euclidean", "9", "15", "31"), 569, 0.967),
        ("breast-cancer-cosine", ("search_nearest.py", "breast-cancer", "cosine", "1", "5", "9"), 569, 0.965),
        ("digits-nearest", ("search_nearest.py", "digits", "euclidean", "1", "3", "5", "7"), 1797, 0.978),
        ("digits-cosine", ("search_nearest.py", "digits", "cosine", "1", "3", "5", "7"), 1797, 0.97),
    )
    return [
        DemoJob(
            name=f"search-{name}",
            kind="search",
            job_class="training",
            variants=_native(native_arch, *command),
            inputs=(_program(command[0]),),
            check=Accuracy("digits" if "digits" in command else "breast-cancer", rows, figure),
            array_size=3 if name == "digits-svc" else None,
            memory="512MiB" if command[0] == "search_sklearn.py" else "256MiB",
            env=SINGLE_THREAD,
            platform="jiashan-intelligent" if name == "digits-logistic" else None,
        )
        for name, command, rows, figure in wanted
    ]


def _trainings(native_arch: str) -> list[DemoJob]:
    """Return trainings by folds, one task a fold; no haste, and half the power of one must be green."""
    wanted = (
        # name, dataset, hidden units, epochs, rows, what was reached with numpy 2.4
        ("digits-softmax", "digits", 0, 20, 1797, 0.964),
        ("digits-network", "digits", 32, 20, 1797, 0.969),
        ("breast-cancer-softmax", "breast-cancer", 0, 20, 569, 0.979),
        ("breast-cancer-network", "breast-cancer", 8, 20, 569, 0.974),
    )
    return [
        DemoJob(
            name=f"train-{name}",
            kind="training",
            job_class="training",
            variants=_native(native_arch, "train_fold.py", dataset, str(hidden), str(epochs)),
            inputs=(_program("train_fold.py"),),
            check=FoldAccuracy(dataset, rows, figure),
            outputs=("out/result.json", "out/weights.npz"),
            array_size=5,
            env=SINGLE_THREAD,
            green_min="0.50" if name == "digits-network" else None,
        )
        for name, dataset, hidden, epochs, rows, figure in wanted
    ]


def _pictures(native_arch: str) -> list[DemoJob]:
    """Return three pictures in six tiles each: work that may go west, one to contracted green power only."""
    views = {
        "mandelbrot": View(left=-35651584, top=18874368, step=188743, crc32=3846337438),
        "seahorses": View(left=-12918456, top=2516582, step=3355, crc32=3886239981),
        "julia": View(left=-26843545, top=17895697, step=178956, crc32=2669423960, julia=(-13086228, 2617245)),
    }
    return [
        DemoJob(
            name=f"render-{name}",
            kind="rendering",
            job_class="hpc",
            variants=_native(native_arch, "render_tile.py"),
            inputs=(_program("render_tile.py"), _json_file("view.json", _drop_unset(view))),
            check=view,
            outputs=("out/result.json", "out/tile.png"),
            array_size=view.columns * view.rows,
            env=SINGLE_THREAD,
            green_min="0.80" if name == "seahorses" else None,
        )
        for name, view in views.items()
    ]


def _drop_unset(view: View) -> dict[str, object]:
    """Return what the program reads of a view: a Mandelbrot picture has no `julia`, and the checksum stays here."""
    return {name: value for name, value in asdict(view).items() if value is not None and name != "crc32"}


def _word_counts(native_arch: str) -> list[DemoJob]:
    """Return counts over texts that the platform fetches by URL; one text is also counted by four tasks."""
    wanted = (
        ("numpy", "numpy-docstrings", None),
        ("sklearn", "sklearn-docstrings", None),
        ("sklearn-shared", "sklearn-docstrings", 4),
        ("pillow", "pillow-docstrings", None),
    )
    return [
        DemoJob(
            name=f"count-words-{name}",
            kind="word-count",
            job_class="cpu",
            variants=_native(native_arch, "count_words.py"),
            inputs=(_program("count_words.py"), InputFile("corpus.txt", UrlContent("url", key))),
            check=WordCount(key),
            outputs=("out/counts.json", "out/result.json"),
            array_size=array_size,
            env=SINGLE_THREAD,
        )
        for name, key, array_size in wanted
    ]


def _primes(native_arch: str) -> list[DemoJob]:
    """Return one computation three times: native, as WebAssembly, and with both variants, where the hub decides."""
    native, wasm = _native(native_arch, "count_primes.py"), (Variant("wasm32", WASM, ("primes.wat",)),)
    wanted = {"primes-native": native, "primes-wasm": wasm, "primes-either": (*native, *wasm)}
    return [
        DemoJob(
            name=name,
            kind="architecture",
            job_class="cpu",
            variants=variants,
            inputs=tuple(
                _program("count_primes.py" if variant.environment == NATIVE else "primes.wat") for variant in variants
            ),
            check=Primes(),
            env=SINGLE_THREAD,
            origin_region=SUZHOU,
        )
        for name, variants in wanted.items()
    ]


def _ending_badly(native_arch: str) -> list[DemoJob]:
    """Return a bad command, a program that takes too much memory, and a job for a chip that no platform has."""
    elsewhere = "riscv64" if native_arch == "aarch64" else "aarch64"
    bad_command = DemoJob(
        name="fails-bad-command",
        kind="failure",
        job_class="cpu",
        variants=(Variant(native_arch, NATIVE, ("no-such-program", "--version")),),
        inputs=(),
        outputs=(),
        check=Says(stderr="no-such-program"),
        expected_state="EXECUTOR_ERROR",
    )
    over_memory = replace(
        bad_command,
        name="fails-over-memory",
        variants=_native(native_arch, "fill_memory.py"),
        inputs=(_program("fill_memory.py"),),
        check=Says(stdout="holding 32 MiB", stderr="memory"),
        memory="128MiB",
        env=SINGLE_THREAD,
    )
    unplaceable = replace(
        bad_command,
        name=f"waits-for-{elsewhere}",
        kind="unplaceable",
        variants=(Variant(elsewhere, NATIVE, ("python", "count_primes.py")),),
        inputs=(_program("count_primes.py"),),
        outputs=("out/result.json",),
        check=Says(),
        expected_state="CANCELED",
    )
    return [bad_command, over_memory, unplaceable]
