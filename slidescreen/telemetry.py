"""No library asks the network for anything. Imported before all else, so it imports next to nothing itself."""

import sys


def forbid_telemetry() -> None:
    """Let nobody import `openvino_telemetry`, which asks the network and writes an identity into the user's home.

    OpenVINO and NNCF ask whether they can import it, and do without where they cannot. Nothing else stops it at its
    import: what the user told `opt_in_out` lies in the home as well, which may be another's or none.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # how `import` marks what is not there
