"""Does the platform stop a program that takes more memory than it asked for?

Usage: python fill_memory.py
Takes and touches 8 MiB at a time and says so after each. Meant to be ended by the platform; it gives up by itself at
1 GiB, so that a platform without a limit is not harmed, and then ends with exit code 0: the limit did not hold.
"""

import sys
import time

STEP_BYTES = 8 << 20
GIVE_UP_BYTES = 1 << 30
PAGE_BYTES = 4096
PAUSE_S = 0.05


def main() -> None:
    """Fill, touch every page, report, repeat."""
    held: list[bytearray] = []
    for number in range(1, GIVE_UP_BYTES // STEP_BYTES + 1):
        block = bytearray(STEP_BYTES)
        block[::PAGE_BYTES] = b"\x01" * (STEP_BYTES // PAGE_BYTES)
        held.append(block)
        sys.stdout.write(f"holding {number * STEP_BYTES >> 20} MiB\n")
        sys.stdout.flush()
        time.sleep(PAUSE_S)
    sys.stdout.write("no limit was met\n")


if __name__ == "__main__":
    main()
