"""`python -m xentcheck`: the command line."""

from xentcheck.cli import main

if __name__ == "__main__":
    main(prog_name="xentcheck")
