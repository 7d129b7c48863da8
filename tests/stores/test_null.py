"""The store that keeps nothing: whatever it is given, it has none of it."""

from stores.null import NullReader, NullWriter
from stores.registry import StoreTerms, open_reader, open_writer
from stores.schema import result
from stores.store import BatchId, Query
from tests.stores.making import ticks


def test_it_takes_every_batch_and_holds_none() -> None:
    writer = open_writer(StoreTerms("null", ""))
    assert isinstance(writer, NullWriter)
    writer.open()
    writer.write("ticks", ticks(), BatchId(1, 0))
    assert not writer.holds("ticks", BatchId(1, 0))
    assert writer.origins("ticks", 1) == {}
    assert writer.maintain() is None
    writer.close()


def test_a_query_finds_no_row_in_the_right_shape() -> None:
    reader = open_reader(StoreTerms("null", ""))
    assert isinstance(reader, NullReader)
    for table in ("ticks", "rejects", "bars", "alerts", "gaps", "dead_letters"):
        found = reader.read(Query(table, interval_ns=60 * 10**9)).read_all()
        assert (found.num_rows, found.schema) == (0, result(table))
    reader.close()
