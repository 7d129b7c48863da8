"""`status`: what the supervisor that runs says of itself."""

import argparse
import http.client
import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, NoReturn

from cli.wording import plain
from core.settings import Settings
from core.settings_loading import load
from core.settings_rules import is_loopback

TIMEOUT_SECONDS: Final = 15.0
"""Longer than the supervisor itself waits for its monitor."""
MOST_BYTES: Final = 64 << 20
MOST_MONITOR_BYTES: Final = 4096
ELSEWHERE_WIDTH: Final = 100
"""In a file or a pipe."""


class NoStatusError(Exception):
    """There is no status; the text is the line that the user sees."""


def run(arguments: argparse.Namespace) -> int:
    """Print the status; 1 if there is none to be had."""
    settings = load(arguments.config, arguments.set, os.environ)
    try:
        status = fetch(*_address(settings), settings.monitor.token.reveal())
    except NoStatusError as error:
        print(f"tapeline: {error}", file=sys.stderr)
        return 1
    if arguments.json:
        print(json.dumps(status), flush=True)
    else:
        _show(status, settings)
    return 0


def _address(settings: Settings) -> tuple[str, int]:
    """Give where the supervisor listens: where it was told to, else where it said that it does."""
    if settings.monitor.port:
        return _ours(settings.monitor.host), settings.monitor.port
    return told_address(settings)


def _ours(host: str) -> str:
    """Give the address by which this machine reaches what it listens on."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def told_address(settings: Settings) -> tuple[str, int]:
    """Give where the supervisor of the data directory said that it listens."""
    path = settings.data_dir / "monitor.json"
    told = _told(path)
    host, port = told.get("host"), told.get("port")
    if (
        isinstance(port, bool)
        or not isinstance(port, int)
        or not 0 < port <= 65_535
        or not (host == settings.monitor.host or _is_loopback(host))
    ):
        raise NoStatusError(f"{plain(str(path))} names no port of this machine; restart the supervisor")
    return _ours(str(host)), port


def _told(path: Path) -> Mapping[str, Any]:
    try:
        with path.open("rb") as file:
            told = json.loads(file.read(MOST_MONITOR_BYTES))
    except FileNotFoundError:
        where = plain(str(path.parent))
        raise NoStatusError(f"no supervisor has left its port in {where}; is it running?") from None
    except OSError as error:
        raise NoStatusError(f"{plain(str(path))}: cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        told = None
    return told if isinstance(told, dict) else {}


def _is_loopback(host: object) -> bool:
    return isinstance(host, str) and is_loopback(host)


def fetch(host: str, port: int, token: str = "") -> dict[str, Any]:
    """Ask for the status. Not with urllib, which would ask a proxy of the environment."""
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    connection = http.client.HTTPConnection(host, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request("GET", "/status", headers={"Authorization": f"Bearer {token}"} if token else {})
        answer = connection.getresponse()
        code, body = answer.status, answer.read(MOST_BYTES)
    except ConnectionRefusedError:
        raise NoStatusError(f"no supervisor answers on {where}; is it running?") from None
    except TimeoutError:
        raise NoStatusError(f"what listens on {where} did not answer within {TIMEOUT_SECONDS:g} s") from None
    except OSError as error:
        raise NoStatusError(
            f"no supervisor answers on {where}: {error.strerror or type(error).__name__}"
        ) from None
    except http.client.HTTPException:
        raise NoStatusError(f"what answers on {where} is not a supervisor") from None
    finally:
        connection.close()
    return _status(code, body, where)


def _status(code: int, body: bytes, where: str) -> dict[str, Any]:
    try:
        # NaN is no JSON, and would come out again as none.
        document = json.loads(body, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        document = None
    if isinstance(document, dict) and code == http.client.OK and "ledger" in document:
        return document
    if isinstance(document, dict) and code == http.client.SERVICE_UNAVAILABLE:
        raise NoStatusError(f"the supervisor on {where} has no status: {plain(document.get('error'))}")
    raise NoStatusError(f"what answers on {where} is not a supervisor")


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _show(status: Mapping[str, Any], settings: Settings) -> None:
    """Print all of it once. Rich takes a while to import, which scripts that want JSON need not wait for."""
    from cli.live_table import render
    from cli.quiet_console import QuietConsole

    console = QuietConsole(sys.stdout, None if sys.stdout.isatty() else ELSEWHERE_WIDTH)
    z = {"warn_z": settings.detector.warn_z, "critical_z": settings.detector.critical_z}
    console.print(render(status, None, width=console.width, height=None, **z))
