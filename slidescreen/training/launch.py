"""The place of this process in a training, as set by `torchrun`. Imports nothing heavy.

Source: the environment variables of torch.distributed.run (https://pytorch.org/docs/stable/elastic/run.html).
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass

from slidescreen.errors import InputError

_RANK, _SIZE = "RANK", "WORLD_SIZE"
_NEEDED = (_RANK, _SIZE, "MASTER_ADDR", "MASTER_PORT")


@dataclass(frozen=True)
class Launch:
    """The place of a process among those that train together.

    Attributes:
        rank: counted from 0. Process 0 validates, saves and shows.
        size: the number of processes.
        local_rank, local_size: rank and size among the processes of this machine.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0
    local_size: int = 1


def launch(environment: Mapping[str, str] = os.environ) -> Launch:
    """Read the place of this process from the environment. Without variables it is the only process.

    Raises:
        InputError: the variables contradict each other.
    """
    if not all(name in environment for name in _NEEDED):
        return Launch()
    rank, size = _whole(environment, _RANK, 0), _whole(environment, _SIZE, 1)
    found = Launch(rank, size, _whole(environment, "LOCAL_RANK", rank), _whole(environment, "LOCAL_WORLD_SIZE", size))
    if not (0 <= rank < size and 0 <= found.local_rank < found.local_size <= size):
        raise InputError(f"{_RANK}={rank} and {_SIZE}={size} do not fit together: start the training with torchrun")
    return found


def is_first(environment: Mapping[str, str] = os.environ) -> bool:
    """Whether this process reports for all. If the environment contradicts itself, each process reports."""
    try:
        return launch(environment).rank == 0
    except InputError:
        return True


def _whole(environment: Mapping[str, str], name: str, otherwise: int) -> int:
    text = environment.get(name, str(otherwise))
    try:
        return int(text)
    except ValueError:
        raise InputError(f"{name}={text} is no whole number: start the training with torchrun") from None
