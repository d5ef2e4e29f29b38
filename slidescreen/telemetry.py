"""Keep libraries off the network. This module is imported first, so it imports almost nothing."""

import sys


def forbid_telemetry() -> None:
    """Block the import of `openvino_telemetry`, which uses the network and writes an identity into the user's home.

    OpenVINO and NNCF work without this package. Blocking its import is the only way to stop it: the user's choice by
    `opt_in_out` lies in the home folder, which may be missing or someone else's.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # None marks a missing module
