"""Runs one WebAssembly module, as the command of a job in the environment `wasm32-wasi`.

Usage: python wasm.py MODULE [ARGUMENT ...]
MODULE is WAT source or a binary module with WASI preview 1 and an exported `_start`. It sees the working directory
(preopened as ".", descriptor 3), the arguments, the environment and standard input, output and error; it has no
network and no other file.

This file is self-contained (standard library and `wasmtime`): it is started by path inside a sandbox that has no
`suanlian`.

Exit code: what the module passed to proc_exit, 0 if it returned; 134 after a trap (what a shell reports of an abort);
126 if the module cannot be read, compiled or linked; 127 if it is not there; 2 if none was named.
"""

import os
import sys
from pathlib import Path

import wasmtime

EXIT_USAGE = 2
EXIT_CANNOT_RUN = 126
EXIT_NOT_FOUND = 127
EXIT_TRAP = 134


class ModuleError(Exception):
    """The module cannot be started, or trapped; carries the exit code and a line that says what to do."""

    def __init__(self, exit_code: int, message: str) -> None:
        """Keep the exit code (0 to 255) and the message (one line or more)."""
        super().__init__(message)
        self.exit_code = exit_code


def frugal_engine() -> wasmtime.Engine:
    """Return an engine that reserves no address space ahead: by default it wants 8 GiB, and fails under a limit on it.

    Bounds are then checked in code and memory is moved when it grows; both cost little, and it runs in a small slice.
    """
    config = wasmtime.Config()
    config.memory_reservation = 0
    config.memory_guard_size = 0
    config.memory_reservation_for_growth = 0
    config.parallel_compilation = False  # a slice of a core gains nothing from threads, and each would reserve a stack
    return wasmtime.Engine(config)


def load(engine: wasmtime.Engine, path: Path) -> wasmtime.Module:
    """Read and compile a module.

    Raises:
        ModuleError: 127 if there is no such file, 126 if it is not a valid module.

    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ModuleError(
            EXIT_NOT_FOUND, f"cannot read module {path}: {error.strerror}; is it among the job's inputs?"
        ) from error
    try:
        return wasmtime.Module(engine, content if content.startswith(b"\0asm") else content.decode("utf-8"))
    except (wasmtime.WasmtimeError, UnicodeDecodeError) as error:
        raise ModuleError(EXIT_CANNOT_RUN, f"{path} is not a valid WebAssembly module: {error}") from error


def wasi_of_process(arguments: list[str]) -> wasmtime.WasiConfig:
    """Return what the module may see: the working directory, the arguments, the environment and the three streams."""
    wasi = wasmtime.WasiConfig()
    wasi.argv = arguments
    wasi.env = sorted(os.environ.items())
    wasi.inherit_stdin()
    wasi.inherit_stdout()
    wasi.inherit_stderr()
    wasi.preopen_dir(".", ".")
    return wasi


def start(engine: wasmtime.Engine, module: wasmtime.Module, arguments: list[str]) -> int:
    """Run `_start` and return the exit code.

    Raises:
        ModuleError: 126 if the module cannot be linked or has no `_start`, 134 if it traps.

    """
    store = wasmtime.Store(engine)
    store.set_wasi(wasi_of_process(arguments))
    linker = wasmtime.Linker(engine)
    linker.define_wasi()
    try:
        entry = linker.instantiate(store, module).exports(store)["_start"]
        if not isinstance(entry, wasmtime.Func):
            raise ModuleError(
                EXIT_CANNOT_RUN, "the export _start is not a function; build the module as a WASI command"
            )
        entry(store)
    except wasmtime.ExitTrap as exit_:
        return exit_.code
    except wasmtime.Trap as trap:
        reason = trap.message.strip().splitlines()[-1].strip()  # before it stands a backtrace of addresses
        raise ModuleError(EXIT_TRAP, f"the module trapped: {reason}") from trap
    except KeyError as error:
        raise ModuleError(EXIT_CANNOT_RUN, "the module exports no _start; build it as a WASI command") from error
    except wasmtime.WasmtimeError as error:
        raise ModuleError(EXIT_CANNOT_RUN, f"the module cannot be started: {error}") from error
    return 0


def main(arguments: list[str]) -> int:
    """Run the module named first with the arguments after it; return the exit code, and say on stderr why not 0."""
    if not arguments:
        sys.stderr.write("wasm: no module named; usage: python wasm.py MODULE [ARGUMENT ...]\n")
        return EXIT_USAGE
    try:
        engine = frugal_engine()
        return start(engine, load(engine, Path(arguments[0])), arguments)
    except ModuleError as error:
        sys.stderr.write(f"wasm: {error}\n")
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
