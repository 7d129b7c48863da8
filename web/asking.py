"""Asks a question that may hang, without hanging itself."""

from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread


class Asking:
    """Calls a function on a thread of its own; who asks while a call is under way shares its answer.

    So a call that never returns costs one thread in all, and not one for each who asks.
    """

    def __init__(self, function: Callable[[], bytes], timeout_seconds: float) -> None:
        self._function = function
        self._timeout_seconds = timeout_seconds
        self._lock = Lock()
        self._under_way: Future[bytes] | None = None

    def ask(self) -> bytes:
        """Give the answer. Raises TimeoutError if there is none in time, RuntimeError if the call failed."""
        future = self._begun()
        error = future.exception(self._timeout_seconds)
        if error is None:
            return future.result()
        if isinstance(error, TimeoutError):
            raise error
        raise RuntimeError(f"{type(error).__name__}: {error}")

    def _begun(self) -> "Future[bytes]":
        with self._lock:
            if self._under_way is None:
                future: Future[bytes] = Future()
                Thread(target=self._call, args=(future,), name="status-asking", daemon=True).start()
                self._under_way = future
            return self._under_way

    def _call(self, future: "Future[bytes]") -> None:
        try:
            answer = self._function()
        except BaseException as error:  # whatever it is, those who wait must hear of it
            self._end()
            future.set_exception(error)
        else:
            self._end()
            future.set_result(answer)

    def _end(self) -> None:
        with self._lock:
            self._under_way = None
