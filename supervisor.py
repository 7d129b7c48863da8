"""Launches Tapeline: `python supervisor.py`.

The supervisor actor itself is in `actors.supervisor`. It is imported only by the commands that need
it, so that the others start quickly.
"""

import sys
from typing import Any


def main() -> int:
    """Choose the command that the arguments name, and run it."""
    from cli.main import main as choose

    return choose(sys.argv[1:])


def __getattr__(name: str) -> Any:
    if name == "SupervisorActor":
        from actors.supervisor import SupervisorActor

        return SupervisorActor
    raise AttributeError(name)


if __name__ == "__main__":
    sys.exit(main())
