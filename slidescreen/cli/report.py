"""placeholder"""


def report() -> None:
    """placeholder"""
