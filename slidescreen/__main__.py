"""`python -m slidescreen`."""

from slidescreen.cli import main

if __name__ == "__main__":
    main()
