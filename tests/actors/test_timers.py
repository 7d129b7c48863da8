"""Timers against the plainest model: look at all of them each time."""

from hypothesis import given
from hypothesis import strategies as st

from actors.timers import Timers

KEYS = st.sampled_from("abcde")
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("set"), KEYS, st.integers(0, 20)),
        st.tuples(st.just("cancel"), KEYS, st.none()),
        st.tuples(st.just("take"), st.none(), st.integers(0, 25)),
    ),
    max_size=200,
)


@given(STEPS)
def test_the_timer_that_is_due_first_is_taken_first(steps: list[tuple[str, str, int]]) -> None:
    """Whatever was replaced or cancelled never fires; equals fire in the order in which they were set."""
    timers = Timers()
    model: dict[str, tuple[float, int, object]] = {}
    for order, (step, key, when) in enumerate(steps):
        if step == "set":
            timers[key] = model[key] = (float(when), order, f"{key}{order}")
        elif step == "cancel":
            timers.pop(key, None)
            model.pop(key, None)
        else:
            due = sorted((timer, name) for name, timer in model.items() if timer[0] <= when)
            expected = model.pop(due[0][1])[2] if due else None
            assert timers.take_due(when) == expected
        assert timers.next_due() == min((timer[0] for timer in model.values()), default=None)
        assert len(timers._heap) <= 2 * len(timers) + 65, "replaced timers must not pile up"
