"""The demo exchange's dialect."""

from core.records import NO_SIDE, NO_TIME
from tests.venues.recording import told
from venues.demo import Demo
from venues.dialect import FeedTerms


def test_the_demo_speaks_the_generic_dialect_and_is_told_its_url() -> None:
    demo = Demo(FeedTerms(("X",), ("trades",), url="ws://127.0.0.1:1"))
    assert (demo.venue, demo.url()) == ("demo", "ws://127.0.0.1:1")
    assert Demo.default_url == ""
    frame = b'{"symbol":"X","price":1,"size":2}'
    assert told(demo, frame) == [("trade", "X", 1.0, 2.0, NO_SIDE, NO_TIME, None, None)]
