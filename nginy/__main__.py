"""`python -m nginy`."""

from nginy.cli.main import main

if __name__ == "__main__":
    main()
