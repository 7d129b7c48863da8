"""Every exception that Tapeline raises on purpose.

    TapelineError
    ├── UsageError              the user can mend it: one line on stderr, exit status 2
    │   └── SettingsError       the configuration, all its errors at once
    ├── StoreError
    │   ├── RetryableStoreError     the same write may succeed later (network, lock, full disk)
    │   ├── PermanentStoreError     the store refuses these rows, and always will
    │   └── StoreVersionError       the tables were written by a newer version
    └── ProtocolError           the peer broke RFC 6455; carries the close code to answer with

Anything else that is raised is a bug: it crashes its actor and reaches the supervisor.
"""


class TapelineError(Exception):
    """The root of the tree above."""


class UsageError(TapelineError):
    """Something that the user can put right; the text says what and how, in one line."""


class SettingsError(UsageError):
    """One or more errors in the configuration, each with its path, value and bound."""

    def __init__(self, errors: tuple[str, ...]) -> None:
        super().__init__("; ".join(errors))
        self.errors = errors


class StoreError(TapelineError):
    """A store could not do what it was asked."""


class RetryableStoreError(StoreError):
    """The same write may succeed later. Counts for the circuit breaker."""


class PermanentStoreError(StoreError):
    """The store refuses these rows and always will. Does not count for the circuit breaker."""


class StoreVersionError(UsageError, StoreError):
    """The store's tables were written by a newer version of Tapeline."""


class ProtocolError(TapelineError):
    """The peer broke the WebSocket protocol.

    `close_code` is the status that RFC 6455 section 7.4.1 gives for the fault: 1002 (protocol),
    1007 (payload is not what its type says) or 1009 (too big).
    """

    def __init__(self, close_code: int, text: str) -> None:
        super().__init__(text)
        self.close_code = close_code
