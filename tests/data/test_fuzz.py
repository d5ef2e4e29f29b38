"""Mutated images of every format: each is read or refused with a reason, none crashes or hangs the reader."""

import io
import random
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import draw_cell

FORMATS = {"JPEG": "jpg", "PNG": "png", "BMP": "bmp", "TIFF": "tif", "WEBP": "webp"}

READING = """
import sys
from pathlib import Path
from slidescreen.errors import UnreadableImageError
from slidescreen.data.images import decode, prepare, read_bytes
from slidescreen.data.preprocessing import Preprocessing
outcomes = {"read": 0, "refused": 0}
for path in sorted(Path(sys.argv[1]).iterdir()):
    print(path.name, file=sys.stderr, flush=True)  # the last one named is the one that crashed
    try:
        assert prepare(decode(read_bytes(path)), Preprocessing(64)).shape == (64, 64, 3)
        outcomes["read"] += 1
    except UnreadableImageError as error:
        assert str(error)
        outcomes["refused"] += 1
print(outcomes["read"], outcomes["refused"])
"""


def encoded(name: str, seed: int) -> bytes:
    buffer = io.BytesIO()
    image = draw_cell(seed, (90, 80))
    if name == "TIFF" and seed % 2:
        image.save(buffer, name, compression="tiff_lzw")
    elif name == "PNG" and seed % 2:
        image.convert("P").save(buffer, name)
    else:
        image.save(buffer, name)
    return buffer.getvalue()


def mutated(content: bytes, other: bytes, generator: random.Random) -> bytes:
    """One of the faults that files suffer, or that somebody makes."""
    data = bytearray(content)
    fault = generator.randrange(6)
    if fault == 0:  # cut short
        return bytes(data[: generator.randrange(len(data))])
    if fault == 1:  # a few bits
        for _ in range(generator.randint(1, 30)):
            data[generator.randrange(len(data))] ^= 1 << generator.randrange(8)
    elif fault == 2:  # another format's beginning
        data[:16] = other[:16]
    elif fault == 3:  # a huge size in the header
        at = generator.randrange(min(64, len(data) - 4))
        data[at : at + 4] = generator.choice([b"\xff\xff\xff\xff", b"\x7f\xff\xff\xff", b"\x00\x01\x00\x00"])
    elif fault == 4:  # a block of zeros
        at = generator.randrange(len(data))
        data[at : at + 200] = bytes(min(200, len(data) - at))
    else:  # two files in one
        at = generator.randrange(len(data))
        data[at:] = other[at:]
    return bytes(data)


@pytest.mark.parametrize("count", [300, pytest.param(5000, marks=pytest.mark.soak)])
def test_no_damaged_image_crashes_or_hangs_the_reader(count: int, tmp_path: Path) -> None:
    generator = random.Random(count)
    names = list(FORMATS)
    whole = {name: [encoded(name, seed) for seed in range(4)] for name in names}
    for number in range(count):
        name, other = generator.choice(names), generator.choice(names)
        content = mutated(generator.choice(whole[name]), generator.choice(whole[other]), generator)
        (tmp_path / f"{number:05d}.{FORMATS[name]}").write_bytes(content)
    ended = subprocess.run(
        [sys.executable, "-c", READING, str(tmp_path)], capture_output=True, text=True, timeout=60 + count / 20
    )
    assert ended.returncode == 0, ended.stderr.splitlines()[-3:]
    read, refused = map(int, ended.stdout.split())
    assert read + refused == count
    assert min(read, refused) > count / 10
