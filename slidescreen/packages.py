"""What is installed beside slidescreen."""


def installed_version(package: str) -> str | None:
    """The version of an installed package; None if it is missing, as OpenVINO may be beside a GPU."""
    from importlib.metadata import PackageNotFoundError, version  # slow to import

    try:
        return version(package)
    except PackageNotFoundError:
        return None
