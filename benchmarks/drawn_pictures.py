"""Drawn pictures that show no single cell: blank fields, pages, screenshots, sheets of cells, overviews."""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont


def plain(colour: tuple[int, int, int] = (230, 215, 210), size: tuple[int, int] = (360, 363)) -> Image.Image:
    return Image.new("RGB", size, colour)


def noisy(spread: float, uneven: float = 0.0) -> Image.Image:
    """An empty field, perhaps lit unevenly."""
    rows, columns = np.mgrid[-1:1:363j, -1:1:360j]
    light = 225 - uneven * (rows**2 + columns**2) / 2 + 20 * uneven / 100 * rows
    pixels = light[..., None] + np.random.default_rng(0).normal(0, spread, (363, 360, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def text(size: tuple[int, int], height: int, ink: str = "black", paper: str = "white") -> Image.Image:
    image = Image.new("RGB", size, paper)
    draw, font = ImageDraw.Draw(image), ImageFont.load_default(height)
    letters = np.random.default_rng(1).choice(list("abcdefghi jklmnop qrstuvw xyz ,.0123"), (200, 200))
    for number, y in enumerate(range(height, size[1] - height, int(1.4 * height))):
        draw.text((height, y), "".join(letters[number % 200])[: int(1.7 * size[0] / height)], ink, font=font)
    return image


def window(size: tuple[int, int], dark: bool = False) -> Image.Image:
    width, height = size
    ground, ink = ((30, 30, 30), (220, 220, 220)) if dark else ((245, 245, 245), (30, 30, 30))
    image = Image.new("RGB", size, ground)
    draw, line = ImageDraw.Draw(image), max(10, width // 80)
    draw.rectangle((0, 0, width, 2.5 * line), (60, 80, 120))
    draw.rectangle((0, 2.5 * line, 0.2 * width, height), (50, 50, 55) if dark else (225, 228, 235))
    for number in range(height // line // 2):
        draw.text((line, 3 * line + 2 * number * line), f"menu item {number}", ink)
    for number in range(6):
        x, y = 0.22 * width + number % 3 * 0.25 * width, 0.15 * height + number // 3 * 0.4 * height
        colour = ((200, 180, 90), (150, 190, 220), (230, 170, 160))[number % 3]
        draw.rectangle((x, y, x + 0.22 * width, y + 0.33 * height), colour, (120, 120, 120))
    return image


def sheet(cells: Sequence[Image.Image], count: int, side: int = 90, gap: int = 0) -> Image.Image:
    """Cells in rows, as on a page of a report."""
    whole = count * (side + gap) + gap
    image = Image.new("RGB", (whole, whole), "white")
    for number in range(count**2):
        left, top = (gap + each * (side + gap) for each in divmod(number, count))
        image.paste(cells[number % len(cells)].resize((side, side)), (left, top))
    return image


def overview(size: tuple[int, int], radius: float) -> Image.Image:
    """A field of erythrocytes with some leukocytes among them."""
    generator = np.random.default_rng(2)
    image = Image.new("RGB", size, (228, 216, 205))
    draw = ImageDraw.Draw(image)
    count = int(size[0] * size[1] / (6 * radius**2))
    for number, (x, y) in enumerate(generator.uniform(0, size, (count, 2))):
        for share, colour in (((1.7, (190, 170, 210)), (1.1, (90, 50, 130))) if number % 60 == 0 else
                              ((1.0, (205, 165, 160)), (0.4, (222, 200, 192)))):  # fmt: skip
            reach = share * radius
            draw.ellipse((x - reach, y - reach, x + reach, y + reach), colour)
    return image.filter(ImageFilter.GaussianBlur(1))


def pictures(cells: Sequence[Image.Image]) -> dict[str, Image.Image]:
    """One of each kind, by what it is; those that show cells show these."""
    return {
        "black": plain((0, 0, 0)),
        "white": plain((255, 255, 255)),
        "one colour": plain(),
        "one colour, large": plain(size=(1200, 900)),
        "an empty field": noisy(4),
        "a noisy field": noisy(40),
        "an uneven field": noisy(4, 90),
        "a very uneven field": noisy(4, 150),
        "static": Image.fromarray(np.random.default_rng(0).integers(0, 256, (363, 360, 3), dtype=np.uint8)),
        "a ramp": Image.fromarray(np.tile(np.linspace(0, 255, 360).astype(np.uint8)[None, :, None], (363, 1, 3))),
        "a page": text((800, 1100), 14),
        "a page of large type": text((800, 1100), 40),
        "a note": text((360, 363), 14),
        "a terminal": text((800, 600), 16, "white", "black"),
        "a window": window((1280, 800)),
        "a dark window": window((1920, 1080), dark=True),
        "a small window": window((360, 360)),
        "a sheet of nine cells": sheet(cells, 3, 120),
        "a sheet of cells": sheet(cells, 6),
        "a sheet of cells with gaps": sheet(cells, 6, gap=14),
        "a sheet of many cells": sheet(cells, 12, 60, 8),
        "an overview": overview((1600, 1200), 18),
        "a huge overview": overview((4000, 3000), 60),
        "a small overview": overview((480, 360), 8),
        "a strip": cells[0].resize((400, 120)),
    }
