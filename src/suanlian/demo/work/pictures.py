"""How do tiles become one picture? Merges what the tasks of a rendering bring back, for checks and report."""

import zlib
from collections.abc import Sequence
from io import BytesIO

from PIL import Image

from suanlian.demo.work.job import View


def tile_pixels(view: View, tile: bytes) -> bytes:
    """Return the pixels of one PNG tile, a byte a pixel, row by row.

    Raises:
        ValueError: the tile has another size or another kind of pixel.
        OSError: it is no picture.

    """
    image = Image.open(BytesIO(tile), formats=("PNG",))
    wanted = (view.width // view.columns, view.height // view.rows)
    if image.size != wanted or image.mode != "P":
        message = f"a tile is {image.size} of mode {image.mode}, not {wanted} of mode P"
        raise ValueError(message)
    return image.tobytes()


def merged_pixels(view: View, tiles: Sequence[bytes]) -> bytes:
    """Return the pixels of the whole picture from its PNG tiles, in the order of their index; errors as tile_pixels."""
    tile_width, tile_height = view.width // view.columns, view.height // view.rows
    pixels = bytearray(view.width * view.height)
    for index, tile in enumerate(tiles):
        content = tile_pixels(view, tile)
        left, top = index % view.columns * tile_width, index // view.columns * tile_height
        for row in range(tile_height):
            start = (top + row) * view.width + left
            pixels[start : start + tile_width] = content[row * tile_width : (row + 1) * tile_width]
    return bytes(pixels)


def merged_png(view: View, tiles: Sequence[bytes]) -> bytes:
    """Return the whole picture as PNG, in the colours of its first tile; errors as tile_pixels."""
    image = Image.frombytes("P", (view.width, view.height), merged_pixels(view, tiles))
    palette = Image.open(BytesIO(tiles[0]), formats=("PNG",)).getpalette()
    image.putpalette(palette or [])
    target = BytesIO()
    image.save(target, "PNG")
    return target.getvalue()


def crc32(pixels: bytes) -> int:
    """Return the CRC-32 of pixels: the integer that a picture is known by."""
    return zlib.crc32(pixels)
