"""Benchmarks: `python -m benchmarks NAME`; each measures in processes of its own and prints a table."""

import argparse
import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from benchmarks import report

NAMES: Final = {
    "throughput": "throughput",
    "latency": "latency",
    "scale": "scale",
    "stores": "store_rates",
    "query": "query",
    "start": "starting",
    "micro": "micro",
    "peers": "peers",
}
"""Benchmarks, and their modules."""


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark that is named; 1 if nothing could be measured."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    commands = parser.add_subparsers(dest="name", required=True, metavar="NAME")
    for name, module in NAMES.items():
        command = _command(commands, name, found := import_module(f"benchmarks.{module}"))
        command.add_argument("--runs", type=int, default=5)
        command.add_argument("--json", type=Path, help="write the figures there as well")
        found.add_options(command)
    report.add_options(_command(commands, "report", report))
    options = parser.parse_args(arguments)
    if options.name == "report":
        report.write(options)
        return 0
    return _measure(options)


def _command(commands: Any, name: str, module: Any) -> argparse.ArgumentParser:
    described: argparse.ArgumentParser = commands.add_parser(
        name, help=module.__doc__.partition("\n")[0], description=module.__doc__
    )
    return described


def _measure(options: argparse.Namespace) -> int:
    result = import_module(f"benchmarks.{NAMES[options.name]}").measure(options)
    document = result.as_json()
    if options.json is not None:
        options.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(report.as_text(document), flush=True)
    return 0 if any(table.rows for table in result.tables) else 1


if __name__ == "__main__":
    sys.exit(main())
