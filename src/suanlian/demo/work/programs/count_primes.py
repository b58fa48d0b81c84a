"""How many primes lie below one million, and what is their checksum?

Usage: python count_primes.py
The native variant of primes.wat: the same sieve, and the same checksum: for each prime p in ascending order
checksum = (checksum * 6364136223846793005 + p) mod 2**64, Knuth's multiplier of MMIX (TAOCP volume 2, 3.3.4).
Prints and writes to out/result.json the same bytes as that variant: {"below":N,"checksum":"C","primes":K}.
"""

import sys
from pathlib import Path

BELOW = 1_000_000
MULTIPLIER = 6364136223846793005
MASK = (1 << 64) - 1


def sieve(below: int) -> bytearray:
    """Return one byte a number, 1 where it is composite (sieve of Eratosthenes)."""
    composite = bytearray(below)
    for number in range(2, int(below**0.5) + 1):
        if not composite[number]:
            composite[number * number :: number] = b"\x01" * len(range(number * number, below, number))
    return composite


def main() -> None:
    """Count, checksum, print and write."""
    primes = checksum = 0
    for number, composite in enumerate(sieve(BELOW)):
        if number > 1 and not composite:
            primes += 1
            checksum = (checksum * MULTIPLIER + number) & MASK
    line = f'{{"below":{BELOW},"checksum":"{checksum}","primes":{primes}}}\n'
    sys.stdout.write(line)
    Path("out").mkdir(exist_ok=True)
    Path("out/result.json").write_text(line, encoding="utf-8")


if __name__ == "__main__":
    main()
