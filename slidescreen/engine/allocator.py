"""Tell the C library to keep large blocks of memory.

By default glibc maps and unmaps memory for every large tensor. That can take most of a network's time on the CPU. Call
`keep_memory` once, before the first tensor. Without glibc it does nothing.
"""

import ctypes
import sys

_M_TRIM_THRESHOLD = -1
_M_MMAP_MAX = -4
_M_ARENA_MAX = -8
_NEVER = 2**31 - 1


def keep_memory() -> bool:
    """Stop the allocator from returning freed blocks to the system. Returns whether that was possible."""
    if not sys.platform.startswith("linux"):
        return False
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return False
    # One arena for all threads: the arenas of other threads are too small for large tensors.
    wanted = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER), (_M_ARENA_MAX, 1))
    return bool(sum(mallopt(parameter, value) for parameter, value in wanted) == len(wanted))
