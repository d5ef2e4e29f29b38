"""Tell the C library to keep large blocks of memory.

By default glibc maps and unmaps every large tensor anew, which can take most of the time of a network's pass
on the CPU. Called once, before the first tensor; where there is no glibc it does nothing.
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
    # One arena for all threads: those of other threads are small, and a large tensor in one is mapped anew each time.
    wanted = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _NEVER), (_M_ARENA_MAX, 1))
    return bool(sum(mallopt(parameter, value) for parameter, value in wanted) == len(wanted))
