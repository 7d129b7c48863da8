"""`doctor`: looks at what a run depends on, and says what to do about it."""

import argparse
import json
import os
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from cli.findings import Finding, as_json, ok, told
from core.errors import SettingsError
from core.settings import Settings
from core.settings_loading import load


def run(arguments: argparse.Namespace) -> int:
    """Look at everything, telling each finding as it comes; 1 where something has to be put right first."""
    settings: Settings | None = None
    try:
        settings = load(arguments.config, arguments.set, os.environ)
        found: Iterable[Finding] = chain([_configuration(arguments.config)], examined(settings))
    except SettingsError as error:
        advice = "put it right, then ask again: nothing else was looked at"
        found = [Finding("configuration", "FAIL", text, advice) for text in error.errors]
    if arguments.json:
        report = as_json(found)
        print(json.dumps(report), flush=True)
        return 0 if report["ok"] else 1
    levels = [finding.level for finding in told(found, lambda line: print(line, flush=True))]
    return 1 if "FAIL" in levels else 0


def examined(settings: Settings) -> Iterator[Finding]:
    """Look at machine, data directory, stores, port and venues, in this order."""
    from cli.doctor_keeping import keeping
    from cli.doctor_machine import machine
    from cli.doctor_venues import venue

    yield from machine(settings)
    yield from keeping(settings)
    for feed in settings.feeds:
        yield from venue(feed)


def _configuration(path: Path | None) -> Finding:
    return ok("configuration", "every setting has its default" if path is None else f"{path} can be used")
