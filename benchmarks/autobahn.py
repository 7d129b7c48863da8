"""Hold Tapeline's WebSocket client against the Autobahn|Testsuite: `python -m benchmarks.autobahn URL`.

URL is that of a fuzzing server (`wstest -m fuzzingserver`). Every case is echoed with the code that
the pipeline itself uses: `actors.dialing`, `actors.transport` and `core.frames`. With `--report` the
index.json that the server writes at the end is summed up; the exit status is 1 if a case failed.

The suite runs under Python 2.7 (`pip install autobahntestsuite`): `wstest -m fuzzingserver -s spec.json`,
where spec.json has `url` (ws://127.0.0.1:9001), `outdir`, `cases` (["1.*", "2.*", ... "7.*", "10.*"]),
`exclude-cases` ([]) and `exclude-agent-cases` ({}).
"""

import argparse
import json
import secrets
import selectors
import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from actors.dialing import DialFailed, dial
from actors.transport import Ended, SocketTransport
from core import frames
from core.frames import Event

AGENT = "tapeline"
DIAL_TIMEOUT_SECONDS = 10.0
SILENCE_SECONDS = 30.0
MAX_MESSAGE_BYTES = 32 * 1024 * 1024
READ_BUDGET_BYTES = 256 * 1024
FAILING = ("FAILED", "WRONG CODE", "UNCLEAN", "FAILED BY CLIENT")


def converse(url: str, react: Callable[[Event], Event | None]) -> None:
    """Connect, answer every event with what `react` gives, and stay until the server has closed."""
    transport = dial(url, timeout_seconds=DIAL_TIMEOUT_SECONDS).transport
    state = frames.FrameState()
    try:
        while not isinstance(arrived := _wait(transport), Ended):
            reading = frames.read(state, arrived, MAX_MESSAGE_BYTES)
            state = reading.state
            replies = [react(event) for event in reading.events]
            if reading.error is not None:
                replies.append(frames.farewell(reading.error))
            for reply in filter(None, replies):
                transport.write(frames.encode(*reply, secrets.token_bytes(4)))
    finally:
        transport.close()


def _wait(transport: SocketTransport) -> bytes | Ended:
    """Give the next bytes, sending meanwhile what waits to be sent."""
    with selectors.DefaultSelector() as selector:
        while True:
            if arrived := transport.read(READ_BUDGET_BYTES):
                return arrived
            interest = selectors.EVENT_READ | (selectors.EVENT_WRITE if transport.wants_write else 0)
            key = selector.register(transport, interest)
            ready = selector.select(SILENCE_SECONDS)
            selector.unregister(key.fileobj)
            if not ready:
                return Ended(f"nothing came for {SILENCE_SECONDS:g} s", clean=False)
            transport.flush()


def echo(event: Event) -> Event | None:
    """Answer a message with itself, and a control frame as RFC 6455 wants it."""
    return event if event[0] in (frames.TEXT, frames.BINARY) else frames.answer(event)


def case_count(server: str) -> int:
    """Ask the fuzzing server how many cases it has."""
    counts: list[int] = []

    def note(event: Event) -> Event | None:
        if event[0] == frames.TEXT:
            counts.append(int(event[1]))
        return frames.answer(event)

    converse(f"{server}/getCaseCount", note)
    return counts[0]


def summarize(report: Path) -> bool:
    """Print how many cases show which behaviour, and name those that failed; tell whether none did."""
    cases = json.loads(report.read_text())[AGENT]
    for aspect in ("behavior", "behaviorClose"):
        counts = Counter(case[aspect] for case in cases.values())
        print(f"{aspect}:", ", ".join(f"{name} {count}" for name, count in sorted(counts.items())))
    failed = [
        f"{number} ({case['behavior']}, close: {case['behaviorClose']})"
        for number, case in cases.items()
        if case["behavior"] in FAILING or case["behaviorClose"] in FAILING
    ]
    print(f"{len(cases)} cases, {len(failed)} failed", *failed, sep="\n  ")
    return not failed


def main(arguments: list[str] | None = None) -> int:
    """Run every case, have the reports written, sum them up; give the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.autobahn", description=__doc__)
    parser.add_argument("url", help="the fuzzing server's, such as ws://127.0.0.1:9001")
    parser.add_argument("--report", type=Path, help="index.json in the directory that the server reports to")
    options = parser.parse_args(arguments)
    server = options.url.rstrip("/")
    count = case_count(server)
    for number in range(1, count + 1):
        converse(f"{server}/runCase?case={number}&agent={AGENT}", echo)
    converse(f"{server}/updateReports?agent={AGENT}", frames.answer)
    print(f"{count} cases echoed")
    return 0 if options.report is None or summarize(options.report) else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except DialFailed as failed:
        print(failed, file=sys.stderr)
        sys.exit(2)
