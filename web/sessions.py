"""Who may look: a token, or a cookie that was given for it."""

import hmac
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256
from time import time
from typing import Final

SESSION_SECONDS: Final = 12 * 3600
_LABEL: Final = b"tapeline session"


class Sessions:
    """Stateless: a cookie says when it ends, and is signed with the token. Comparisons take constant time."""

    def __init__(self, token: str, port: int, clock: Callable[[], float] = time) -> None:
        """An empty token: whoever can connect may look. `port` tells cookies of several servers apart."""
        self._token = token.encode()
        self._key = sha256(_LABEL + self._token).digest()
        self._clock = clock
        self.cookie_name: Final = f"tapeline_{port}"

    @property
    def required(self) -> bool:
        """Whether anybody is asked."""
        return bool(self._token)

    def knows(self, token: bytes) -> bool:
        """Tell whether a token is ours."""
        return self.required and hmac.compare_digest(token, self._token)

    def begin(self) -> str:
        """Give the value of a new cookie."""
        ends = f"{int(self._clock()) + SESSION_SECONDS}"
        return f"{ends}.{self._signature(ends)}"

    def lets_in(self, authorization: Sequence[bytes], cookies: Sequence[bytes]) -> bool:
        """Tell whether a request's `Authorization` and `Cookie` headers let it in."""
        if not self.required:
            return True
        if len(authorization) == 1:
            scheme, _, token = authorization[0].partition(b" ")
            return scheme.lower() == b"bearer" and self.knows(token.strip())
        return not authorization and any(self._is_ours(value) for value in self._ours(cookies))

    def _ours(self, cookies: Sequence[bytes]) -> Iterator[str]:
        for header in cookies:
            for pair in header.decode("latin-1").split(";"):
                name, _, value = pair.strip(" \t").partition("=")
                if name == self.cookie_name:
                    yield value

    def _is_ours(self, value: str) -> bool:
        ends, _, signature = value.partition(".")
        if not (ends.isascii() and ends.isdigit() and len(ends) <= 12):
            return False
        expected = self._signature(ends)
        return hmac.compare_digest(signature.encode(), expected.encode()) and int(ends) > self._clock()

    def _signature(self, ends: str) -> str:
        return hmac.new(self._key, ends.encode(), sha256).hexdigest()
