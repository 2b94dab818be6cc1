"""``python -m creepmeter``."""

from __future__ import annotations

from creepmeter.cli import main

if __name__ == "__main__":
    main(prog_name="creepmeter")
