"""placeholder"""
def ensemble() -> None:
    """placeholder"""
