"""What the doctor finds: one line each, with what to do about it."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

from cli.wording import plain

Level = Literal["ok", "warn", "FAIL"]
WIDTH: Final = 4


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    subject: str
    """Such as `disk` or `feed coinbase`."""
    level: Level
    """`ok`; `warn`: may become trouble; `FAIL`: a run would not work."""
    text: str
    advice: str = ""
    """What to do, unless it is ok."""

    def line(self) -> str:
        """Give it as people read it."""
        advice = f"; {self.advice}" if self.advice and self.level != "ok" else ""
        return plain(f"{self.level:{WIDTH}} {self.subject}: {self.text}{advice}", 1_000)


Check = Callable[[], Iterable[Finding]]


def ok(subject: str, text: str) -> Finding:
    """Say that something is as it should be."""
    return Finding(subject, "ok", text)


def graded(value: float, fail_below: float, warn_below: float) -> Level:
    """Grade something of which more is better."""
    if value < fail_below:
        return "FAIL"
    return "warn" if value < warn_below else "ok"


def as_json(findings: Iterable[Finding]) -> dict[str, Any]:
    """Give all of them, and whether a run would work."""
    listed = [asdict(finding) for finding in findings]
    return {"ok": all(one["level"] != "FAIL" for one in listed), "findings": listed}


def told(findings: Iterable[Finding], tell: Callable[[str], None]) -> Iterator[Finding]:
    """Pass findings on, telling each as it comes."""
    for finding in findings:
        tell(finding.line())
        yield finding
