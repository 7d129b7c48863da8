"""The page of tables is what the schemas say."""

from docs.generate_tables import PAGE, page


def test_the_page_is_not_stale() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run python docs/generate_tables.py"
