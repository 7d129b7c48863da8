"""Messages as they came, one behind the other in one piece of memory: no object a message."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, overload

import numpy as np

from core.records import Int64s, freeze


@dataclass(frozen=True, slots=True, eq=False)
class Payloads(Sequence[bytes]):
    """A sequence of messages; one is cut out only when it is asked for."""

    data: bytes
    ends: Int64s
    """Where each message ends in `data`; the first begins at 0, every other where the one before ends."""

    @classmethod
    def of(cls, messages: Iterable[bytes]) -> "Payloads":
        """Join messages."""
        parts = tuple(messages)
        return cls(b"".join(parts), freeze(np.cumsum(np.fromiter(map(len, parts), np.int64, len(parts)))))

    def __len__(self) -> int:
        return len(self.ends)

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> "Payloads": ...
    def __getitem__(self, index: int | slice) -> "bytes | Payloads":
        if isinstance(index, slice):
            start, stop, step = index.indices(len(self))
            if step != 1:
                return Payloads.of([self[i] for i in range(start, stop, step)])
            stop = max(start, stop)
            begin = int(self.ends[start - 1]) if start else 0
            ends = freeze(self.ends[start:stop] - begin)
            return Payloads(self.data[begin : begin + int(ends[-1])] if len(ends) else b"", ends)
        i = index + len(self) if index < 0 else index
        if not 0 <= i < len(self):
            raise IndexError("there is no such message")
        return self.data[self.ends[i - 1] if i else 0 : self.ends[i]]

    def __iter__(self) -> Iterator[bytes]:
        data, begin = self.data, 0
        for end in self.ends.tolist():
            yield data[begin:end]
            begin = end

    def __eq__(self, other: object) -> bool:
        if isinstance(other, Payloads):
            return self.data == other.data and np.array_equal(self.ends, other.ends)
        if not isinstance(other, Sequence):
            return NotImplemented
        return len(self) == len(other) and all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    @property
    def nbytes(self) -> int:
        """Bytes of all messages."""
        return len(self.data)

    @property
    def lengths(self) -> Int64s:
        """Bytes of each message; worked out anew every time."""
        lengths = self.ends.copy()
        lengths[1:] -= self.ends[:-1]
        return lengths

    @classmethod
    def joined(cls, parts: "Sequence[Payloads]") -> "Payloads":
        """Join several into one; one alone is given back as it is."""
        if len(parts) == 1:
            return parts[0]
        offsets = np.cumsum([0, *(part.nbytes for part in parts)])
        ends = [part.ends + offset for part, offset in zip(parts, offsets[:-1], strict=True)]
        return cls(
            b"".join(part.data for part in parts),
            freeze(np.concatenate(ends) if ends else np.empty(0, np.int64)),
        )


NO_MESSAGES: Final = Payloads.of(())
