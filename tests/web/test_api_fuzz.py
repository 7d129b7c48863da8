"""The API against its own description: whatever a client asks, the answer is one that was announced."""

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings

from tests.support.snapshots import ready, snapshot
from web.model import Recent
from web.newest import Newest
from web.serving import application
from web.wire import Answer, Hello, question

pytestmark = pytest.mark.slow

EXAMPLES = 25


def _model() -> Newest:
    """Give a model that knows how everything stands, and is answered at once."""

    def ask(text: bytes) -> None:
        asked = question(text)
        feed, symbol, _ = asked.recent
        model.hear(Answer(asked.id, Recent(feed, symbol) if len(symbol) % 2 else None))

    model = Newest(ask, lambda: 0.0)
    model.take(snapshot(**ready()))
    return model


schema = schemathesis.openapi.from_asgi(
    "/api/v1/openapi.json", application(_model(), Hello(0, "127.0.0.1", 80, 1, ("testserver",)), page=False)
)


@schema.parametrize()
@settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_was_announced(case: schemathesis.Case[Any]) -> None:
    case.call_and_validate()
