"""The process's one `openvino.Core`."""

import functools

import openvino


@functools.cache
def core() -> openvino.Core:
    """OpenVINO with its processor plugin. The plugin stays loaded until the process ends.

    The plugin gives its loading thread an alternate signal stack. If another thread released the last core, the plugin
    would be unloaded and this stack unmapped. The next signal (Ctrl-C, SIGTERM) would then kill the process.
    """
    return openvino.Core()
