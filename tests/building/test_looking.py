"""What the networks see in signed cells: in the cells and in views of them, and after an interrupt."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from conftest import draw_cell, write_cells

from slidescreen.building import pooled
from slidescreen.building.turned import turned
from slidescreen.data.labels import LabelledImage
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.engine.options import Device, EngineKind
from slidescreen.ensembles import storage
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.models.backbones import EARLY_FEATURES

CPU = EngineConfiguration(EngineKind.OPENVINO, Device.CPU, "fp32")


@pytest.fixture
def images(tmp_path: Path) -> list[LabelledImage]:
    return [LabelledImage(path, "monocyte") for path in write_cells(tmp_path / "cells", 12, suffix=".png")]


@pytest.fixture
def small(ensemble_folder: Path) -> Ensemble:
    return storage.load(ensemble_folder)


def look(
    ensemble: Ensemble,
    images: list[LabelledImage],
    folder: Path,
    progress: Callable[[int, int], None] = lambda *_: None,
    views: int = 2,
) -> pooled.Looked:
    folder.mkdir(exist_ok=True)
    return pooled.look_at(ensemble.members, images, CPU, folder, progress, lambda _: None, views)


def test_an_interrupted_look_goes_on_where_it_stopped(
    small: Ensemble, images: list[LabelledImage], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pooled, "_BATCH", 4)
    monkeypatch.setattr(pooled, "_KEPT_EVERY", 1)
    decoded: list[int] = []

    def interrupt(done: int, _of: int) -> None:
        if done == 8:
            raise KeyboardInterrupt

    def decode(content: bytes) -> object:
        decoded.append(len(content))
        return genuine(content)

    genuine = pooled.decode
    with pytest.raises(KeyboardInterrupt):
        look(small, images, tmp_path / "out", interrupt)
    monkeypatch.setattr(pooled, "decode", decode)
    resumed = look(small, images, tmp_path / "out")
    assert len(decoded) == 4
    whole = look(small, images, tmp_path / "other")
    assert len(decoded) == 16
    assert resumed.images == whole.images
    for one, other in zip((*resumed.features, *resumed.views), (*whole.features, *whole.views), strict=True):
        assert np.array_equal(one, other)


def test_what_was_kept_of_other_views_is_not_taken(
    small: Ensemble, images: list[LabelledImage], tmp_path: Path
) -> None:
    assert look(small, images, tmp_path / "out", views=0).views[0].shape == (12, 0, 1280)
    assert look(small, images, tmp_path / "out", views=2).views[0].shape == (12, 2, 1280)


def test_it_sees_what_the_engine_sees(small: Ensemble, images: list[LabelledImage], tmp_path: Path) -> None:
    from slidescreen.engine.configuration import load_engines
    from slidescreen.ensembles.member_predictions import predict

    found = look(small, images, tmp_path / "out", views=0)
    seen = predict(small, load_engines(small.members, CPU), images, lambda *_: None, with_features=True)
    for early, last, other in zip(found.early, found.features, seen.features, strict=True):
        assert early.shape == (12, EARLY_FEATURES)
        assert np.allclose(np.hstack([early, last]), other, atol=1e-5)
    assert found.appearances == seen.appearances


def test_views_are_always_the_same_and_unlike_the_image_and_each_other() -> None:
    pixels = np.asarray(draw_cell(1).resize((64, 64)))
    one, again = turned(pixels, 3, "0123456789abcdef"), turned(pixels, 3, "0123456789abcdef")
    assert np.array_equal(one, again)
    assert np.array_equal(one[0], pixels)
    assert one.shape == (4, 64, 64, 3)
    assert one.dtype == np.uint8
    for first in range(4):
        for second in range(first):
            assert np.abs(one[first].astype(int) - one[second]).mean() > 3
    assert not np.array_equal(turned(pixels, 3, "fedcba9876543210")[1:], one[1:])


def test_many_images_get_fewer_views() -> None:
    counts = [pooled.views_of(count) for count in (0, 40, 500, 1000, 2000, 4000, 50000)]
    assert counts == sorted(counts, reverse=True)
    assert counts[1] > counts[4] > 0
    assert counts[-1] == 0
    assert all(count * (1 + pooled.views_of(count)) <= 8000 for count in (40, 1000, 2000, 3999, 4001, 7000))
