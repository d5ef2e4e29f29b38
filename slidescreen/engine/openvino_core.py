"""The process's one `openvino.Core`."""

import functools

import openvino


@functools.cache
def core() -> openvino.Core:
    """OpenVINO with its processor plugin, which stays loaded as long as the process lives.

    The plugin gives the thread that loads it an alternate signal stack. If another thread let go of the last core, the
    plugin would be unloaded, that stack unmapped, and the next signal (Ctrl-C, SIGTERM) would kill the process.
    """
    return openvino.Core()
