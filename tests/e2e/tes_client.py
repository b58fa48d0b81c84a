"""A round with py-tes, as its users write it; run by itself, with the version that is to be judged on its path."""

import json
import sys
import time
from importlib.metadata import version
from typing import Any

import tes
from tes import Executor, Task

SCRIPT = "import sys; data = sys.stdin.read(); print(data.upper()); print('counted', len(data), file=sys.stderr)"


def executor(*command: str, **more: Any) -> Executor:  # noqa: ANN401 - of Executor
    return Executor(image="python:3", command=list(command), **more)


def good() -> Task:
    """Three executors in a row: one reads its stdin and writes to files, one makes several files, one looks at them."""
    return Task(
        name="Round One",
        description="several\nlines",
        inputs=[tes.Input(path="/data/in/words.txt", content="hello tes", type="FILE")],
        outputs=[
            tes.Output(path="/data/out/upper.txt", url="suanlian:upper", type="FILE"),
            tes.Output(path="/data/out/all", url="suanlian:all", type="DIRECTORY"),
        ],
        resources=tes.Resources(cpu_cores=1, ram_gb=0.5, disk_gb=1),
        executors=[
            executor(
                "python3",
                "-I",
                "-S",
                "-c",
                SCRIPT,
                stdin="/data/in/words.txt",
                stdout="/data/out/upper.txt",
                stderr="/data/out/count.txt",
                env={"WHO": "it's $HOME"},
            ),
            executor(
                "/bin/sh",
                "-c",
                'mkdir -p sub; cp ../upper.txt sub/a; echo "$WHO$X"; pwd',
                workdir="/data/out/all",
                env={"X": "it's $HOME"},
            ),
            executor("/bin/sh", "-c", "ls -R /data/out /scratch; cat /data/out/count.txt >&2; touch /scratch/x"),
        ],
        volumes=["/scratch"],
        tags={"round": "one", "kind": ""},
    )


def told(task: Task) -> dict[str, Any]:
    """The task as plain values."""
    found: dict[str, Any] = json.loads(task.as_json())
    return found


def main(url: str, key: str) -> dict[str, Any]:
    """Create, wait, look in every view, list by pages, fail, cancel."""
    client = tes.HTTPClient(url, timeout=30, token=key)
    basic = tes.HTTPClient(url, timeout=30, user="anybody", password=key)
    first = client.create_task(good())
    ended = client.wait(first, timeout=120)
    failing = basic.create_task(
        Task(executors=[executor("/bin/sh", "-c", "echo so far; echo no further >&2; exit 3"), executor("true")])
    )
    failed = basic.wait(failing, timeout=120)
    long = client.create_task(Task(name="long", executors=[executor("sleep", "600")]))
    client.cancel_task(long)
    canceled = client.wait(long, timeout=120)
    for _ in range(240):  # py-tes waits no longer once it is being cancelled, which it is where it had begun
        if canceled.state != "CANCELING":
            break
        time.sleep(0.5)
        canceled = client.get_task(long)
    page = client.list_tasks(view="BASIC", page_size=2)
    rest = client.list_tasks(view="MINIMAL", page_size=2, page_token=page.next_page_token)
    return {
        "version": version("py-tes"),
        "ended": told(ended),
        "full": told(client.get_task(first, view="FULL")),
        "basic": told(client.get_task(first, view="BASIC")),
        "failed": told(failed),
        "failing": told(client.get_task(failing, view="FULL")),
        "canceled": told(canceled),
        "listed": [[told(task)["id"] for task in one.tasks] for one in (page, rest)],
        "ids": [first, failing, long],
    }


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(*sys.argv[1:])))
