import resource
import subprocess
import sys
from pathlib import Path

import pytest

import suanlian

RUNNER = Path(suanlian.__file__).parent / "drivers" / "local" / "wasm.py"
WASI = '(import "wasi_snapshot_preview1"'
HELLO = f"""(module
  {WASI} "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  {WASI} "args_sizes_get" (func $sizes (param i32 i32) (result i32)))
  {WASI} "proc_exit" (func $exit (param i32)))
  (memory (export "memory") 1)
  (data (i32.const 16) "hello\\n")
  (func (export "_start")
    (i32.store (i32.const 0) (i32.const 16))
    (i32.store (i32.const 4) (i32.const 6))
    (drop (call $fd_write (i32.const 2) (i32.const 0) (i32.const 1) (i32.const 8)))
    (drop (call $sizes (i32.const 32) (i32.const 36)))
    (call $exit (i32.load (i32.const 32)))))"""


def run(folder: Path, source: str | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    if source is not None:
        (folder / "module.wat").write_text(source, encoding="utf-8")
    return subprocess.run(
        [sys.executable, str(RUNNER), "module.wat", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_streams_arguments_and_exit_code_are_the_modules(tmp_path: Path) -> None:
    done = run(tmp_path, HELLO, "one", "two")
    assert (done.returncode, done.stdout, done.stderr) == (3, "", "hello\n")


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ("unreachable", "unreachable"),
        ("(drop (i32.load (i32.const 99999999)))", "out of bounds memory access"),
        ("(drop (i32.div_u (i32.const 1) (i32.const 0)))", "divide by zero"),
        ("(call $start)", "call stack exhausted"),
    ],
)
def test_a_trap_ends_with_134_and_its_reason(body: str, reason: str, tmp_path: Path) -> None:
    done = run(tmp_path, f'(module (memory 1) (func $start (export "_start") {body}))')
    assert done.returncode == 134
    assert done.stderr.startswith("wasm: the module trapped: ")
    assert reason in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("source", "code", "reason"),
    [
        (None, 127, "cannot read module"),
        ("(module", 126, "not a valid WebAssembly module"),
        ("(module)", 126, "no _start"),
        ('(module (memory (export "_start") 1))', 126, "not a function"),
        ('(module (import "env" "socket" (func)) (func (export "_start")))', 126, "env::socket"),
    ],
)
def test_what_cannot_run_says_why(source: str | None, code: int, reason: str, tmp_path: Path) -> None:
    done = run(tmp_path, source)
    assert done.returncode == code
    assert reason in done.stderr
    assert "Traceback" not in done.stderr


def test_no_module_is_a_usage_error(tmp_path: Path) -> None:
    done = subprocess.run([sys.executable, str(RUNNER)], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "usage" in done.stderr


@pytest.mark.parametrize("limit_mib", [192])
def test_a_module_runs_and_grows_under_a_small_limit_of_address_space(limit_mib: int, tmp_path: Path) -> None:
    refused = "(i32.eq (memory.grow (i32.const 256)) (i32.const -1))"
    grows = f'(module (memory 1) (func (export "_start") (if {refused} (then unreachable))))'
    (tmp_path / "module.wat").write_text(grows, encoding="utf-8")
    limit = limit_mib << 20
    done = subprocess.run(
        [sys.executable, str(RUNNER), "module.wat"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
    )
    assert (done.returncode, done.stderr) == (0, "")
