import ast
import sys
from collections import Counter
from importlib.resources import files

import pytest

from suanlian.demo.work.catalogue import catalogue
from suanlian.demo.work.corpus import corpus, corpus_keys, docstrings
from suanlian.demo.work.job import DemoJob, UrlContent

ARCHITECTURES = ("x86_64", "aarch64")
IN_THE_ENVIRONMENT = {"numpy", "PIL", "sklearn"}
INLINE_LIMIT_BYTES = 16 << 20


@pytest.mark.parametrize("native_arch", ARCHITECTURES)
def test_there_is_enough_work_of_enough_kinds(native_arch: str) -> None:
    jobs = catalogue(native_arch)
    assert len(jobs) >= 44
    assert len({job.kind for job in jobs if job.expected_state == "COMPLETE"}) >= 5
    assert len({job.name for job in jobs}) == len(jobs)
    assert jobs == catalogue(native_arch)


@pytest.mark.parametrize("native_arch", ARCHITECTURES)
def test_two_jobs_are_pinned_two_fail_and_one_fits_nowhere(native_arch: str) -> None:
    jobs = catalogue(native_arch)
    assert sorted(job.platform for job in jobs if job.platform) == ["jiashan-intelligent", "shanghai-trading"]
    ends = Counter(job.expected_state for job in jobs)
    assert (ends["EXECUTOR_ERROR"], ends["CANCELED"]) == (2, 1)
    (nowhere,) = (job for job in jobs if job.expected_state == "CANCELED")
    assert {variant.architecture for variant in nowhere.variants}.isdisjoint({native_arch, "wasm32"})
    placeable = {v.architecture for job in jobs if job.expected_state != "CANCELED" for v in job.variants}
    assert placeable == {native_arch, "wasm32"}


def test_one_job_offers_both_architectures_beside_one_of_each(jobs: dict[str, DemoJob]) -> None:
    native, wasm, either = (jobs[f"primes-{name}"].variants for name in ("native", "wasm", "either"))
    assert set(either) == {*native, *wasm}


def test_arrays_are_small(jobs: dict[str, DemoJob]) -> None:
    sizes = [job.array_size for job in jobs.values() if job.array_size is not None]
    assert len(sizes) >= 5
    assert all(3 <= size <= 6 for size in sizes)


def test_every_corpus_is_an_input_and_every_input_by_url_a_corpus(jobs: dict[str, DemoJob]) -> None:
    contents = [file.content for job in jobs.values() for file in job.inputs]
    assert {content.key for content in contents if isinstance(content, UrlContent)} == set(corpus_keys())


def test_what_a_job_runs_is_among_its_inputs(jobs: dict[str, DemoJob]) -> None:
    for job in jobs.values():
        here = {file.path for file in job.inputs}
        assert sum(len(file.content) for file in job.inputs if isinstance(file.content, bytes)) < INLINE_LIMIT_BYTES
        for variant in job.variants:
            programs = {word for word in variant.command if word.endswith((".py", ".wat"))}
            assert programs <= here, job.name


def test_a_program_stands_alone() -> None:
    programs = [file for file in (files("suanlian.demo.work") / "programs").iterdir() if file.name.endswith(".py")]
    assert len(programs) > 5
    for program in programs:
        tree = ast.parse(program.read_text(encoding="utf-8"))
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        roots = {name.partition(".")[0] for name in imported}
        assert roots <= set(sys.stdlib_module_names) | IN_THE_ENVIRONMENT, program.name


def test_a_corpus_holds_the_docstrings_and_not_the_code() -> None:
    source = (
        b'"""Of the module."""\nx = "no docstring"\nclass A:\n    """Of the class."""\n    def f(self): return "no"\n'
    )
    assert list(docstrings(source)) == ["Of the module.", "Of the class."]
    text = corpus("pillow-docstrings").decode("utf-8")
    assert "Opens and identifies the given image file." in text
    assert "import annotations" not in text
