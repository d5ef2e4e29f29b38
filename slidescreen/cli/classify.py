"""placeholder"""
def classify() -> None:
    """placeholder"""
