"""What a process of tests starts once for all its commands: compiled networks, and child processes that decode images.

Starting them takes most of the time of a command on a few images, and is itself tested in `tests/engine`.
"""

import os
from collections import OrderedDict, defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from slidescreen.data.preprocessing import Preprocessing
from slidescreen.engine import cache, decoder, openvino
from slidescreen.engine.loading import DecodedImage

_MOST_NETWORKS = 6
Recall = Callable[[str, Mapping[str, object]], Any]


class _KeptNetworks:
    """Networks that came out of the cache, as long as they lie there."""

    def __init__(self, recalled: Recall) -> None:
        self._recalled = recalled
        self._networks: OrderedDict[tuple[str, str, int], Any] = OrderedDict()

    def __call__(self, key: str, options: Mapping[str, object]) -> Any:
        file = cache.folder() / f"{key}.network"
        if not file.exists():
            return None
        place = str(file), file.stat().st_ino, file.stat().st_mtime_ns
        if place not in self._networks:
            self._networks[place] = self._recalled(key, options)
        self._networks.move_to_end(place)
        while len(self._networks) > _MOST_NETWORKS:
            self._networks.popitem(last=False)
        return self._networks[place]


kept_networks = _KeptNetworks(openvino._recalled)


class KeptDecoder(decoder.Decoder):
    """A decoder that waits for the next command when one has done with it, unless an image keeps it busy."""

    idle: ClassVar[defaultdict[Any, list["KeptDecoder"]]] = defaultdict(list)

    def __init__(self, preprocessings: Sequence[Preprocessing], limit: float) -> None:
        self._kind = _kind(preprocessings, limit)
        self._busy = False
        super().__init__(preprocessings, limit)

    def __call__(self, path: Path) -> DecodedImage:
        self._busy = True
        try:
            return super().__call__(path.absolute())  # its child may be in the working folder of an earlier test
        finally:
            self._busy = False

    def stop(self) -> None:
        if self._busy:
            super().stop()

    def close(self) -> None:
        if self._stopped or self._child.poll() is not None:
            super().stop()
            super().close()
        else:
            self.idle[self._kind].append(self)


def kept_decoder(preprocessings: Sequence[Preprocessing], limit: float) -> KeptDecoder:
    """A decoder that waits, or a new one."""
    waiting = KeptDecoder.idle[_kind(preprocessings, limit)]
    return waiting.pop() if waiting else KeptDecoder(preprocessings, limit)


def _kind(preprocessings: Sequence[Preprocessing], limit: float) -> tuple[Any, ...]:
    return tuple(preprocessings), limit, os.environ.get("SLIDESCREEN_DEBUG"), decoder._PROGRAM
