"""Asking a question that may hang."""

from concurrent.futures import ThreadPoolExecutor
from threading import Event

import pytest

from web.asking import Asking

PATIENCE_SECONDS = 20.0


def test_each_question_is_asked_anew() -> None:
    answers = iter([b"first", b"second"])
    asking = Asking(lambda: next(answers), PATIENCE_SECONDS)
    assert [asking.ask(), asking.ask()] == [b"first", b"second"]


def test_who_asks_meanwhile_shares_the_answer() -> None:
    calls, go_on = [], Event()

    def slow() -> bytes:
        calls.append(1)
        assert go_on.wait(PATIENCE_SECONDS)
        return b"shared"

    asking = Asking(slow, PATIENCE_SECONDS)
    impatient = Asking(asking.ask, 0.01)
    with ThreadPoolExecutor(4) as pool:
        asked = [pool.submit(asking.ask) for _ in range(4)]
        with pytest.raises(TimeoutError):
            impatient.ask()
        go_on.set()
        assert {future.result(PATIENCE_SECONDS) for future in asked} == {b"shared"}


def test_a_failure_is_told_to_those_who_asked_and_forgotten() -> None:
    answers = iter([b"", b"better"])

    def fail_once() -> bytes:
        answer = next(answers)
        if not answer:
            raise KeyError("x")
        return answer

    asking = Asking(fail_once, PATIENCE_SECONDS)
    with pytest.raises(RuntimeError, match="KeyError"):
        asking.ask()
    assert asking.ask() == b"better"
