"""`python -m uniSMP` is the command `unismp`."""

from uniSMP.cli.main import main

if __name__ == "__main__":
    main()
