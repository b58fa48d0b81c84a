"""The last step before a job's command: becomes the job's user, bounds itself and executes the command.

Run as a script inside the sandbox (bound there read-only), or called in a forked child where there is no sandbox.
Reads what to do from descriptor 4, so that neither command nor environment show in anybody's process list, and tells on
descriptor 3, which the command never sees: ``ready`` just before, or ``failed ERRNO TEXT``. Every job waits for these
imports: ``json`` and ``typing`` are left out because they take longer than the rest.
"""

import marshal
import os
import resource
import signal
import time
import warnings  # noqa: F401 - os.execvpe imports it, and the job's user might not be allowed to read it

STATUS_FD = 3
"""Where the outcome is told."""
CONFIG_FD = 4
"""Where the configuration is read from: a marshalled ``Configuration``, written by the same interpreter."""
EXIT_NOT_FOUND = 127
EXIT_CANNOT_RUN = 126
_TRIES = 50
_TRY_AGAIN_S = 0.02

Configuration = tuple[list[str], dict[str, str], str, int | None, dict[str, int]]
"""Command, environment, directory, user and group (None: stay), rlimits by name."""


def become(cwd: str, uid: int | None, rlimits: dict[str, int]) -> None:
    """Take the limits, the groups, the user and the directory. Raises OSError."""
    for name, value in rlimits.items():
        kind = getattr(resource, name)
        hard = resource.getrlimit(kind)[1]
        bound = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(kind, (bound, bound))
    if uid is not None:
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    for number in (signal.SIGPIPE, signal.SIGXFSZ):  # Python ignores these, and what is ignored is inherited
        signal.signal(number, signal.SIG_DFL)
    os.umask(0o022)
    os.chdir(cwd)


def execute(configuration: Configuration) -> None:
    """Become the job's user and execute its command; on failure tell why and exit with what a shell would."""
    argv, env, cwd, uid, rlimits = configuration
    try:
        become(cwd, uid, rlimits)
        os.write(STATUS_FD, b"ready\n")
        for _ in range(_TRIES):
            try:
                os.execvpe(argv[0], argv, env)  # noqa: S606 - no shell is the point
            except BlockingIOError:  # processes of the user's last job are still on their way out, and count
                time.sleep(_TRY_AGAIN_S)
        os.execvpe(argv[0], argv, env)  # noqa: S606 - no shell is the point
    except (OSError, ValueError) as error:
        number = getattr(error, "errno", None) or 0
        os.write(STATUS_FD, f"failed {number} {getattr(error, 'strerror', None) or error}\n".encode())
        os._exit(EXIT_NOT_FOUND if isinstance(error, FileNotFoundError) else EXIT_CANNOT_RUN)


def main() -> None:
    """Read the configuration and execute."""
    os.set_inheritable(STATUS_FD, False)  # noqa: FBT003 - takes no keyword
    with os.fdopen(CONFIG_FD, "rb") as stream:
        configuration: Configuration = marshal.load(stream)  # noqa: S302 - our keeper wrote it, into memory that only it had
    execute(configuration)


if __name__ == "__main__":
    main()
