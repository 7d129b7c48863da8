"""What a detector knows of one symbol."""

from dataclasses import dataclass

from core.recent import TickHistory
from core.standing import Standing
from core.symbol_state import SymbolState


@dataclass(frozen=True, slots=True)
class Tracked:
    """A symbol's state, newest ticks and standing: an immutable value, replaced with every block."""

    state: SymbolState
    recent: TickHistory
    standing: Standing
    refused: TickHistory
    """Newest ticks that were rejected."""
