"""How fast does each point of one tile of a Mandelbrot or Julia picture escape?

Usage: python render_tile.py
Reads view.json: width, height, columns, rows (of tiles), left, top, step (integers in units of 2**-24), limit
(iterations), and for a Julia set julia = [real, imaginary]. The array index is the tile, row by row. All arithmetic
is on 64-bit integers with 24 fraction bits, so that every machine computes the same picture, bit by bit. Writes
out/tile.png (one byte a pixel: the iteration at which |z| passed 2, or 0 if it never did) and out/result.json.
"""

import json
import os
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FRACTION_BITS = 24
ESCAPE = 4 << FRACTION_BITS
PALETTE = [
    channel
    for shade in range(256)
    for channel in (min(255, shade * 5), min(255, shade * 2), 60 + shade % 196 if shade else 0)
]
Grid = NDArray[np.int64]


def tile_points(view: dict[str, Any], index: int) -> tuple[Grid, Grid]:
    """Return real and imaginary part of every point of the tile (tile height x tile width)."""
    width, height = view["width"] // view["columns"], view["height"] // view["rows"]
    column, row = index % view["columns"], index // view["columns"]
    real = view["left"] + view["step"] * np.arange(column * width, (column + 1) * width, dtype=np.int64)
    imaginary = view["top"] - view["step"] * np.arange(row * height, (row + 1) * height, dtype=np.int64)
    return np.broadcast_to(real, (height, width)).copy(), np.broadcast_to(imaginary[:, None], (height, width)).copy()


def escape_times(view: dict[str, Any], points: tuple[Grid, Grid]) -> NDArray[np.uint8]:
    """Return the iteration at which each point passes |z| = 2, or 0; points that are out are not computed on."""
    z_real, z_imaginary = (part.ravel() for part in points)
    c_real, c_imaginary = z_real.copy(), z_imaginary.copy()
    if "julia" in view:
        c_real, c_imaginary = (np.full_like(z_real, part) for part in view["julia"])
    times = np.zeros(z_real.size, dtype=np.uint8)
    inside = np.arange(z_real.size)
    for iteration in range(1, view["limit"] + 1):
        real_square, imaginary_square = z_real * z_real >> FRACTION_BITS, z_imaginary * z_imaginary >> FRACTION_BITS
        out = real_square + imaginary_square > ESCAPE
        times[inside[out]] = iteration
        kept = ~out
        inside, c_real, c_imaginary = inside[kept], c_real[kept], c_imaginary[kept]
        product = (z_real[kept] * z_imaginary[kept]) >> (FRACTION_BITS - 1)
        z_real, z_imaginary = real_square[kept] - imaginary_square[kept] + c_real, product + c_imaginary
        if iteration % 50 == 0:
            sys.stdout.write(f"iteration {iteration}: {inside.size} of {times.size} points still inside\n")
            sys.stdout.flush()
    return times.reshape(points[0].shape)


def main() -> None:
    """Render this index's tile, write the picture and its checksum."""
    view = json.loads(Path("view.json").read_text(encoding="utf-8"))
    index = int(os.environ["SUANLIAN_TASK_INDEX"])
    pixels = escape_times(view, tile_points(view, index))
    image = Image.frombytes("P", (pixels.shape[1], pixels.shape[0]), pixels.tobytes())
    image.putpalette(PALETTE)
    Path("out").mkdir(exist_ok=True)
    image.save("out/tile.png")
    result = {"crc32": zlib.crc32(pixels.tobytes()), "tile": index, "total": int(pixels.sum())}
    sys.stdout.write(f"tile {index}: crc32 {result['crc32']}\n")
    Path("out/result.json").write_text(json.dumps(result, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
