"""A function over many items, each on whatever platform has room: which of these numbers are prime?

`SUANLIAN_HUB=https://... SUANLIAN_KEY=sl_... python examples/map_over_platforms.py`
"""

import os

from suanlian.model.demand import PassedFile
from suanlian.sdk.client import Client
from suanlian.sdk.futures import as_completed
from suanlian.sdk.quick import Software, quick_spec

NUMBERS = [1_000_003, 1_000_033, 1_000_035, 2_147_483_647]
PYTHON = Software(environment="python")


def smallest_factor(number: int) -> dict[str, object]:
    """What travels: it imports what it needs, takes and returns what JSON can carry."""
    import math  # noqa: PLC0415 - it runs elsewhere

    found = next((n for n in range(2, math.isqrt(number) + 1) if number % n == 0), None)
    return {"number": number, "factor": found}


def main() -> None:
    """Map, then two jobs as futures, the second after the first."""
    with Client(os.environ["SUANLIAN_HUB"], os.environ["SUANLIAN_KEY"]) as hub:
        small = {"cpu": "0.5", "memory": "128MiB"}
        for found in hub.map(smallest_factor, NUMBERS, PYTHON, resources=small, wall_time_s=120):
            print(found["number"], "is prime" if found["factor"] is None else f"= {found['factor']} x ...")

        write = ["python3", "-c", "open('result.txt', 'w').write('42')"]
        first = hub.submit(quick_spec(hub.catalogue, write, PYTHON, name="write", outputs=["result.txt"]))
        read = ["python3", "-c", "print(open('from/result.txt').read())"]
        handed = first.after(files=[PassedFile(output="result.txt", path="from/result.txt")])
        second = hub.submit(quick_spec(hub.catalogue, read, PYTHON, name="read", after=[handed]))
        for future in as_completed([first, second]):
            print(future.job.name, future.result().state)
        print(b"".join(hub.jobs.log(second.id)).decode(), end="")


if __name__ == "__main__":
    main()
