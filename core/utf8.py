"""Check UTF-8 that arrives in pieces, as early as it can be known to be wrong."""

from codecs import utf_8_decode


def advance(tail: bytes, piece: bytes) -> bytes | None:
    """Check one more piece of a text; give the unfinished character it ends with, or None if it is wrong.

    `tail` is what the piece before gave (b"" at the start): at most three bytes. A text is complete
    if its last tail is empty. Costs one pass over the piece.
    """
    if not tail and piece.isascii():
        return b""
    text = tail + piece
    try:
        _, consumed = utf_8_decode(text, "strict", False)
    except UnicodeDecodeError:
        return None
    return text[consumed:]
