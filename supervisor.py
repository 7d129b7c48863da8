"""Launches Tapeline: `python supervisor.py`.

The supervisor actor itself is in `actors.supervisor`. It is imported only by the commands that need
it, so that the others start quickly.
"""

import sys
from typing import Any

INTERRUPTED = 130
"""The exit status that shells give a program ended by Ctrl-C."""


def main() -> int:
    """Choose the command that the arguments name, and run it."""
    try:
        from cli.main import main as choose

        return choose(sys.argv[1:])
    except KeyboardInterrupt as stopped:
        # Before there is anything to drain; the imports alone take a second.
        return int(getattr(stopped, "status", INTERRUPTED))


def __getattr__(name: str) -> Any:
    if name == "SupervisorActor":
        from actors.supervisor import SupervisorActor

        return SupervisorActor
    raise AttributeError(name)


if __name__ == "__main__":
    sys.exit(main())
