"""Say what a mistyped word was probably meant to be, and show what was typed on one line."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

SHOWN_CHARACTERS: Final = 60
SHORTEST_BEGINNING: Final = 3


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Give the known word that is closest in spelling, upper and lower case apart; None if none is close.

    The beginning of a word is close to it.
    """
    spellings = {candidate.lower(): candidate for candidate in known}
    # The matcher's cost grows with the square of the length, and nobody mistypes by that much.
    start = word.lower()[:SHOWN_CHARACTERS]
    matches = get_close_matches(start, spellings, n=1) or [
        spelling for spelling in spellings if len(start) >= SHORTEST_BEGINNING and spelling.startswith(start)
    ]
    return spellings[matches[0]] if matches else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Give the end of an error message: the nearest known word, or all of them if none is near."""
    words = tuple(known)
    near = nearest(word, words)
    return f'; did you mean "{near}"?' if near else f"; known are {', '.join(words)}"


def quote(text: str, at_most: int = SHOWN_CHARACTERS) -> str:
    """Show a text in double quotes, on one line, cut to so many characters, unprintable ones escaped."""
    cut = text if len(text) <= at_most else text[: at_most - 3] + "..."
    escaped = cut.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(ch if ch.isprintable() else f"\\u{ord(ch):04x}" for ch in escaped) + '"'
