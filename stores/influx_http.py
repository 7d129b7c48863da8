"""The connection to an InfluxDB server, and what its answers mean to a writer.

Writes go through the client's synchronous API: batches and retries are the writer's business, which
counts what it holds. Queries are InfluxQL, through the API of version 1 that version 2 has as well; there
the bucket `name` is the database `name`, and `name/policy` the database `name` with that policy.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import msgspec
import urllib3
from influxdb_client.client.exceptions import InfluxDBError
from influxdb_client.client.influxdb_client import InfluxDBClient
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.domain.write_precision import WritePrecision
from influxdb_client.rest import ApiException

from core.errors import PermanentStoreError, RetryableStoreError, StoreError, UsageError
from core.secret import MASK, mask_url

_NS: Any = WritePrecision.NS
_SHOWN_CHARACTERS: Final = 300
_PIECE_BYTES: Final = 65_536
_REFUSED: Final = frozenset({400, 413, 422})
_TO_MEND: Final = {
    401: "check the token",
    403: "the token may not do this: give it read and write access to the bucket",
    404: "check the url, the org and the bucket",
}


class _Listed(msgspec.Struct):
    buckets: list[dict[str, Any]] | None = None
    orgs: list[dict[str, Any]] | None = None


class InfluxConnection:
    """Talks to one bucket. Errors are RetryableStoreError, but for refused rows; none shows the token."""

    def __init__(self, url: str, *, org: str, bucket: str, token: str, timeout_seconds: float) -> None:
        """Name the bucket; nothing is sent yet. UsageError where a token cannot be one."""
        if not (token.isascii() and token.isprintable()):
            raise UsageError("the token for InfluxDB may hold printable ASCII characters only")
        self.place = f"{mask_url(url)}, bucket {bucket}"
        """For people."""
        self._org = org
        self._bucket = bucket
        self._token = token
        self._client: Any = InfluxDBClient(url, token, timeout=round(timeout_seconds * 1000), org=org)
        self._write_api = self._client.write_api(write_options=SYNCHRONOUS)

    def write(self, body: bytes, *, of_rows: bool = True) -> None:
        """Write lines whose times are in ns.

        Only lines of rows can be refused for good (PermanentStoreError: some may be in, some are not).
        """
        with self._errors("cannot write to", refusable=of_rows):
            self._write_api.write(self._bucket, self._org, body, write_precision=_NS)

    def query(self, text: str) -> Iterator[bytes]:
        """Ask in InfluxQL; give the answer's JSON documents, as they come."""
        database, _, policy = self._bucket.partition("/")
        asked = {"db": database, "q": text, "epoch": "ns", "chunked": "true", "org": self._org}
        with self._errors("cannot read"):
            response = self._call("GET", "/query", asked | ({"rp": policy} if policy else {}))
            try:
                yield from _lines(response)
            finally:
                response.close()

    def ensure_bucket(self, retention_days: int) -> None:
        """Create the bucket if the server tells that there is none; an existing one stays as it is.

        A server that knows no buckets (version 1, version 3) is left to its own ways.
        """
        with self._errors("cannot look for"):
            try:
                found = self._call("GET", "/api/v2/buckets", {"name": self._bucket, "org": self._org})
            except ApiException as error:
                if error.status in (400, 404, 405):
                    return
                raise
            if _listed(found).buckets:
                return
        with self._errors("there is no such bucket, and creating it failed:"):
            self._create_bucket(retention_days)

    def close(self) -> None:
        """Let go of the sockets."""
        self._client.close()

    def _create_bucket(self, retention_days: int) -> None:
        orgs = _listed(self._call("GET", "/api/v2/orgs", {"org": self._org})).orgs or [{}]
        rules = [{"type": "expire", "everySeconds": retention_days * 86_400}] if retention_days else []
        body = {"orgID": orgs[0].get("id"), "name": self._bucket, "retentionRules": rules}
        self._call("POST", "/api/v2/buckets", {}, body).close()

    def _call(
        self, method: str, path: str, query: dict[str, str], body: dict[str, Any] | None = None
    ) -> urllib3.HTTPResponse:
        response: urllib3.HTTPResponse = self._client.api_client.call_api(
            path, method, query_params=list(query.items()), body=body,
            header_params={"Content-Type": "application/json", "Accept": "application/json"},
            _preload_content=False, _return_http_data_only=True,
        )  # fmt: skip
        return response

    @contextmanager
    def _errors(self, doing: str, *, refusable: bool = False) -> Iterator[None]:
        """Sort what went wrong; the causes are not chained, since they quote whatever the server says."""
        try:
            yield
        except InfluxDBError as error:
            raise self._sorted(error, doing, refusable) from None
        except (urllib3.exceptions.HTTPError, OSError, UnicodeError) as error:
            late = "no answer in time: " if isinstance(error, urllib3.exceptions.TimeoutError) else ""
            why = late + self._one_line(error)
            raise RetryableStoreError(f"{doing} {self.place}: {why}") from None

    def _sorted(self, error: InfluxDBError, doing: str, refusable: bool) -> StoreError:
        status = getattr(error, "status", None)
        said = self._one_line(error.message)
        text = f"{doing} {self.place}: the server answers {status}: {said}"
        if status in _TO_MEND:
            return RetryableStoreError(f"{text} ({_TO_MEND[status]})")
        if refusable and _refuses_rows(error, status, said):
            return PermanentStoreError(text)
        wait = f" (asks to wait {error.retry_after} s)" if error.retry_after else ""
        return RetryableStoreError(text + wait)

    def _one_line(self, said: Any) -> str:
        words = " ".join((said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)).split())
        return (words.replace(self._token, MASK) if self._token else words)[:_SHOWN_CHARACTERS]


def _refuses_rows(error: InfluxDBError, status: int | None, said: str) -> bool:
    """Tell whether the rows are to blame: not the server's limits, nor something that stands before it."""
    if status not in _REFUSED or "limit exceeded" in said:
        return False
    if status == 413:
        return True
    try:
        answer = msgspec.json.decode(getattr(error, "body", None) or b"")
    except (msgspec.DecodeError, UnicodeError):
        return False
    return isinstance(answer, dict) and ("error" in answer or "message" in answer)


def _listed(response: urllib3.HTTPResponse) -> _Listed:
    try:
        return msgspec.json.decode(response.data, type=_Listed)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise RetryableStoreError(f"the server's answer is not that of an InfluxDB: {error}") from None
    finally:
        response.close()


def _lines(response: urllib3.HTTPResponse) -> Iterator[bytes]:
    pieces: list[bytes] = []
    for piece in response.stream(_PIECE_BYTES):
        *ended, rest = piece.split(b"\n")
        for end in ended:
            yield b"".join((*pieces, end))
            pieces.clear()
        pieces.append(rest)
    yield b"".join(pieces)
