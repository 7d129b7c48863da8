"""Since when something has been in a state, as far as the page's process has seen."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from cli.wording import plain, rows
from web.model import View


@dataclass(slots=True)
class Since:
    """Notes when lines change their state. A line seen for the first time has been in it for longer."""

    _states: dict[str, tuple[str, int, bool]] = field(default_factory=dict)
    _at_ns: int = 0

    def look(self, view: View) -> None:
        """Take note of a newer view."""
        if view.at_ns <= self._at_ns:
            return
        first, self._at_ns = not self._at_ns, view.at_ns
        lines = rows(view.status, "lines")
        self._states = {plain(line.get("line"), 60): self._noted(line, first) for line in lines}

    def of(self, line: str) -> tuple[int, bool]:
        """Give since when a line is in its state, UTC epoch ns, and whether that is when it came into it."""
        return self._states.get(line, ("", 0, False))[1:]

    def _noted(self, line: Mapping[str, Any], first: bool) -> tuple[str, int, bool]:
        state = plain(line.get("state"), 20)
        before = self._states.get(plain(line.get("line"), 60))
        return before if before is not None and before[0] == state else (state, self._at_ns, not first)
