"""Times, durations and intervals as they are typed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.times import UNITS_NS, duration_ns, point_ns, utc_text

NOW = 1_768_487_400_123_456_789
HOUR = 3_600 * 10**9
POINTS = st.integers(0, 2**63 - 1)


class TestDurations:
    @pytest.mark.parametrize(
        ("text", "ns"),
        [
            ("30s", 30 * 10**9),
            ("5m", 300 * 10**9),
            ("1h", HOUR),
            ("1d", 24 * HOUR),
            ("2w", 336 * HOUR),
            ("500ms", 500_000_000),
            ("250us", 250_000),
            ("7ns", 7),
            ("45", 45 * 10**9),
            ("0.5", 500_000_000),
            ("1.5h", HOUR * 3 // 2),
            ("1h30m", HOUR * 3 // 2),
        ],
    )
    def test_are_read(self, text: str, ns: int) -> None:
        assert duration_ns(text) == ns

    @settings(deadline=None)
    @given(st.integers(1, 10**15), st.sampled_from(sorted(UNITS_NS)))
    def test_of_one_unit_are_exact(self, number: int, unit: str) -> None:
        ns = number * UNITS_NS[unit]
        if ns < 2**63:
            assert duration_ns(f"{number}{unit}") == ns
        else:
            with pytest.raises(ValueError, match="292 years"):
                duration_ns(f"{number}{unit}")

    @settings(deadline=None)
    @given(st.integers(1, 2**63 - 1))
    def test_in_fractions_of_a_second_are_exact(self, ns: int) -> None:
        assert duration_ns(f"{ns // 10**9}.{ns % 10**9:09}s") == ns

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "s",
            "5x",
            "5 s",
            "-5s",
            "+5s",
            "1e3",
            "1_000",
            "٣s",
            "nan",
            "inf",
            "1h30",
            "30s ",
            ".5s",
            "5S",
        ],
    )
    def test_refuse_what_is_none(self, text: str) -> None:
        with pytest.raises(ValueError, match="is not a duration"):
            duration_ns(text)

    @pytest.mark.parametrize("text", ["0", "0s", "0.1ns", "1000000w", "9" * 18])
    def test_refuse_what_is_no_time_at_all_or_too_long(self, text: str) -> None:
        with pytest.raises(ValueError, match="more than 0 and less than 292 years"):
            duration_ns(text)


class TestPoints:
    @pytest.mark.parametrize(
        ("text", "iso"),
        [
            ("2026-01-15", "2026-01-15T00:00:00Z"),
            ("2026-01-15T14:30", "2026-01-15T14:30:00Z"),
            ("2026-01-15T14:30:00Z", "2026-01-15T14:30:00Z"),
            ("2026-01-15 14:30:00", "2026-01-15T14:30:00Z"),
            ("2026-01-15T14:30:00.5", "2026-01-15T14:30:00.500Z"),
            ("2026-01-15T14:30:00.123456789+02:00", "2026-01-15T12:30:00.123456789Z"),
            ("2026-01-15T14:30:00-05:30", "2026-01-15T20:00:00Z"),
            ("1768487400", "2026-01-15T14:30:00Z"),
            ("1768487400.25", "2026-01-15T14:30:00.250Z"),
            ("1768487400001", "2026-01-15T14:30:00.001Z"),
            ("1768487400000001", "2026-01-15T14:30:00.000001Z"),
            ("1768487400000000001", "2026-01-15T14:30:00.000000001Z"),
            ("0", "1970-01-01T00:00:00Z"),
        ],
    )
    def test_are_read(self, text: str, iso: str) -> None:
        assert utc_text(point_ns(text, NOW)) == iso

    @pytest.mark.parametrize(
        ("text", "offset_ns"),
        [
            ("now", 0),
            ("-1h", -HOUR),
            ("+1h", HOUR),
            ("now-30m", -HOUR // 2),
            ("now+250ms", 250_000_000),
            ("-1h30m", -HOUR * 3 // 2),
        ],
    )
    def test_may_be_relative_to_now(self, text: str, offset_ns: int) -> None:
        assert point_ns(text, NOW) == NOW + offset_ns

    @settings(deadline=None)
    @given(POINTS)
    def test_are_read_back_as_they_were_written(self, ns: int) -> None:
        assert point_ns(utc_text(ns), NOW) == ns

    @settings(deadline=None)
    @given(POINTS)
    def test_in_epoch_nanoseconds_are_exact(self, ns: int) -> None:
        if ns >= 10**17:
            assert point_ns(str(ns), NOW) == ns

    @settings(deadline=None)
    @given(
        st.datetimes(datetime(1971, 1, 1), datetime(2261, 12, 31)),
        st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
    )
    def test_agree_with_the_standard_library(self, local: datetime, zone: timezone) -> None:
        moment = local.replace(tzinfo=zone)
        since_epoch = moment - datetime(1970, 1, 1, tzinfo=UTC)
        assert point_ns(moment.isoformat(), NOW) == since_epoch // timedelta(microseconds=1) * 1_000

    @pytest.mark.parametrize(
        "text",
        [
            *("", "yesterday", "2026-02-30", "2026-13-01", "2026-1-5", "1969-12-31", "2263-01-01"),
            *(
                "-30",
                "+30",
                "now ",
                "now-",
                "nowish",
                "--1h",
                "-1h -1m",
                "1h",
                "1e400",
                "nan",
                "2026-01-15T25:00",
            ),
        ],
    )
    def test_refuse_what_is_none(self, text: str) -> None:
        with pytest.raises(ValueError, match="is not a time from 1970 to 2262; write it like"):
            point_ns(text, NOW)

    @pytest.mark.parametrize("text", ["-3000w", "+20000w"])
    def test_refuse_what_lies_too_far_away(self, text: str) -> None:
        with pytest.raises(ValueError, match="is not a time from 1970 to 2262"):
            point_ns(text, NOW)

    @settings(deadline=None)
    @given(st.text(max_size=30))
    def test_of_any_text_are_times_or_refused(self, text: str) -> None:
        try:
            ns = point_ns(text, NOW)
        except ValueError:
            ns = 0
        assert 0 <= ns < 2**63


@settings(deadline=None)
@given(st.integers(-(2**63), 2**63 - 1))
def test_any_int64_can_be_written_as_a_time(ns: int) -> None:
    text = utc_text(ns)
    seconds = datetime.fromisoformat(text[:19]).replace(tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    assert seconds // timedelta(seconds=1) * 10**9 + int(text[20:-1].ljust(9, "0") or 0) == ns
