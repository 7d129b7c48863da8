"""A console for what is drawn beside the real work."""

from typing import IO

from rich.console import Console

from cli.wording import tolerate


class QuietConsole(Console):
    """Escapes what the terminal cannot show, and raises BrokenPipeError if its reader is gone.

    Rich by itself ends the process in the latter case, and fails in the former.
    """

    def __init__(self, file: IO[str], width: int | None = None) -> None:
        """Without a width it has that of the terminal."""
        tolerate(file)
        super().__init__(file=file, width=width)

    def on_broken_pipe(self) -> None:
        """Write nothing from now on."""
        self.quiet = True
        raise BrokenPipeError
