"""The processes that train one network together, joined by torch.distributed.

A training in one process has a group of one, which sends nothing.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any, TypeVar, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, distributed, nn

from slidescreen.errors import DivergedError, InputError, OutputError, SlidescreenError
from slidescreen.training.launch import Launch, launch

T = TypeVar("T")
Number = TypeVar("Number", bound=np.generic)

_LONGEST_WAIT = timedelta(days=1)  # the others wait while the first reads all images, or validates
_GONE = "another process of this training has ended"


class ProcessGroup:
    """One process's view of the group. All processes call the same methods in the same order.

    Attributes:
        rank, size, local_rank, local_size: as in `Launch`.
        leads: whether this process is the first.
    """

    def __init__(self, place: Launch | None = None) -> None:
        place = place or Launch()
        self.rank, self.size = place.rank, place.size
        self.local_rank, self.local_size = place.local_rank, place.local_size
        self.leads = self.rank == 0
        self._received: BaseException | None = None

    def part(self, batch: NDArray[Number]) -> NDArray[Number]:
        """This process's part of a batch. The parts differ by one image at most."""
        parts: list[NDArray[Number]] = np.array_split(batch, self.size)
        return parts[self.rank]

    def from_first(self, compute: Callable[[], T]) -> T:
        """Compute a value in the first process and send it to all. All raise its expected errors and interrupts."""
        if self.size == 1:
            return compute()
        told: list[Any] = [None, None]
        if self.leads:
            try:
                told[0] = compute()
            except (SlidescreenError, KeyboardInterrupt) as error:
                told[1] = error
        with talking():
            distributed.broadcast_object_list(told, device=torch.device("cpu"))
        if told[1] is not None:
            self._received = told[1]
            raise told[1]
        return cast(T, told[0])

    def in_turn(self, compute: Callable[[], T]) -> T:
        """Compute a value in each process, in the first before the others. All raise the first one's error."""
        own: list[T] = []
        self.from_first(lambda: own.append(compute()))
        return own[0] if own else compute()

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        return self.size > 1 and self.total(float(flag)) > 0

    def total(self, value: float) -> float:
        """The sum over all processes."""
        if self.size == 1:
            return value
        tensor = torch.tensor([value], dtype=torch.float64)
        with talking():
            distributed.all_reduce(tensor)
        return float(tensor)

    @torch.no_grad()
    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace each tensor by its mean over all processes."""
        if self.size == 1 or not tensors:
            return
        flat = torch.cat([tensor.flatten() for tensor in tensors])
        with talking():
            distributed.all_reduce(flat)
        means = torch.split(flat / self.size, [tensor.numel() for tensor in tensors])
        for tensor, mean in zip(tensors, means, strict=True):
            tensor.copy_(mean.view_as(tensor))

    def with_common_normalisation(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network. On GPUs its normalisation uses mean and variance of the whole batch, over all processes."""
        if self.size == 1 or device.type != "cuda":
            return network
        from timm.layers.norm_act import convert_sync_batchnorm  # torch's converter loses timm's activations

        return cast(nn.Module, convert_sync_batchnorm(network))  # type: ignore[no-untyped-call]

    def replica(self, network: nn.Module, device: torch.device) -> nn.Module:
        """The network with gradients averaged over all processes. It starts with the first process's weights."""
        if self.size == 1:
            return network
        places = [device] if device.type == "cuda" else None
        with talking():
            return nn.parallel.DistributedDataParallel(network, device_ids=places)

    def is_alone_with(self, error: SlidescreenError) -> bool:
        """Whether the first process does not know of this process's error. All know if the training diverged."""
        return not (self.leads or error is self._received or isinstance(error, DivergedError))


@contextlib.contextmanager
def talking() -> Iterator[None]:
    """A context that reports a lost connection to another process in one line.

    Raises:
        OutputError: another process has ended.
    """
    try:
        yield
    except RuntimeError as error:  # gloo has no error class of its own
        if isinstance(error, distributed.DistError) or "gloo" in str(error):
            raise OutputError(_GONE) from error
        raise


@contextlib.contextmanager
def joined(uses_gpu: bool) -> Iterator[ProcessGroup]:
    """The group of processes that torchrun started; a group of one without torchrun.

    Raises:
        InputError: the processes cannot be joined.
    """
    group = ProcessGroup(launch())
    if group.size == 1:
        yield group
        return
    try:
        if uses_gpu:
            torch.cuda.set_device(group.local_rank)
        distributed.init_process_group("cpu:gloo,cuda:nccl" if uses_gpu else "gloo", timeout=_LONGEST_WAIT)
    except (RuntimeError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"the {group.size} processes of this training cannot be joined: {reason}") from error
    try:
        yield group
    except SlidescreenError as error:
        error.own = group.is_alone_with(error)
        raise
    finally:
        distributed.destroy_process_group()
