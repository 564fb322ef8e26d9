"""The `glia` program."""

from __future__ import annotations

from glia.cli import main

if __name__ == "__main__":
    main()
