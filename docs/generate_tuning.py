"""Write docs/tuning.md from what core/retuning.py lets change: `python docs/generate_tuning.py`."""

import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Run as a script, Python looks for modules beside the script only.
sys.path[:0] = [] if str(ROOT) in sys.path else [str(ROOT)]

from core.retuning import IDENTITY, liveness  # noqa: E402
from core.settings import TABLES, Settings  # noqa: E402

PAGE = ROOT / "docs" / "tuning.md"

HEAD = """\
# Tuning

<!-- Written by docs/generate_tuning.py, the table from core/retuning.py; change them and run it again. -->

How a pipeline takes on other settings while it runs, without a restart and without losing a tick.

<!-- first: python supervisor.py run --duration 60s > run.log 2>&1 & -->
<!-- first: until python supervisor.py status > status.log 2>&1; do sleep 1; done -->
```console
$ python supervisor.py reload
process 4711 reads /srv/tapeline/config.toml
detector.warn_z: 2.5 -> 3.0
feeds.coinbase.symbols: added SOL-USD; removed DOGE-USD
stores.archive: added (lake)
journal.sync_ms: 100 -> 50 (takes effect at the next start: the journal is open)
```

`reload` checks the file, sends SIGHUP to the process that holds the data directory, waits for what becomes
of it, and prints it. `kill -HUP` does the same without the waiting.

| exit status of `reload` | |
|---|---|
| 0 | what can change has changed (or nothing differs); what cannot is listed |
| 1 | the process has refused, with the reason; or it did not answer within 30 s |
| 2 | nothing was sent: the file has errors, all of which are told, or no supervisor uses the data directory |

## What happens

1. The process reads its file again, with the `--set` overrides that it was started with, which still count
   for more than the file (and still go by position: `feeds.0` is the first feed of the file as it is now),
   and with its own environment. It is the file that *it* was started with; `reload` says so where that is
   not the one that it was given itself.
2. Every difference goes to the log, a line each. Secrets are told as changed, without their values.
3. What can change live is put together with what cannot and stays, and checked again as a whole. Where the
   two do not go together, the reload is refused: `feeds.demo.connections: 3 is above the number of symbols,
   2`.
4. The supervisor brings the settings into effect, whoever is spoken to before who speaks, and says when it
   is done.

A file that cannot be read, is no TOML, or has an error anywhere changes nothing; each error has a line in
the log. A pipe or a device is not read a second time.

One reload at a time: signals that come meanwhile make one more when it is over. One that comes while actors
still start or a killed run is recovered waits until all have started; once the run is ending, it is
refused. No SIGHUP kills a process that has taken its data directory's lock. Where it comes because the
terminal was closed in whose foreground the run was started, the run drains and ends, unless it was started
with `nohup`. A replay cannot be tuned, and says so in its log.

`/status` has the last outcome as `reload`, and `status` and the live table show it in a line:

| field | |
|---|---|
| `number` | counts the reloads that are over; 0: there was none |
| `begun` | counts those that have begun |
| `at_ns` | when the last was over, UTC epoch nanoseconds |
| `file`, `pid` | which file is read (`null`: none), and by which process |
| `changed` | what has changed, a line each |
| `next_start` | what takes effect at the next start, a line each |
| `error` | why it was refused; else empty |

## Examples

- **Fewer warnings.** Raise `detector.warn_z` and reload: the next tick is judged by it. With another
  `detector.window` a symbol's history is kept as far as it reaches.
- **A new instrument.** Add it to the feed's `symbols`: it is subscribed to on a connection that is there.
  One that is removed is unsubscribed from; what was received of it is scored and stored. The demo's
  exchange lists whatever it is asked for.
- **A second store.** Add a `[[stores]]` table with a name and a place of its own: it gets every row from
  then on. One that is removed has all its rows, or its spool has, before its writer ends.
- **Moving a store.** Give it a new name together with the new path or URL. Under its old name it would wait
  for the next start, with all its keys; and so does a store that only gets another name, since two writers
  would meet at its place.
- **A feed of another venue.** A feed whose `venue` or `url` differs keeps everything, its symbols included,
  until the next start: they are another venue's. Feeds that are added or removed come and go at the next
  start, too.

## What changes live

Order means nothing: feeds and stores are known by their names, and symbols are a set.

| setting | live | why not |
|---|---|---|
"""


def page() -> str:
    """Give the page as it should be."""
    return HEAD + "".join(_rows())


def _rows() -> Iterator[str]:
    for name in Settings.model_fields:
        if name not in TABLES:
            yield _row(name, liveness(name))
            continue
        if name in IDENTITY:
            yield _row(name, liveness(name), ", added or removed")
        # A name is how an entry is known: with another one it is another entry.
        keys = [key for key in TABLES[name].model_fields if not (name in IDENTITY and key == "name")]
        if not any(liveness(name, key) for key in keys):
            yield _row(f"[{name}]", "", ", every key")
            continue
        yield from (_row(f"{name}.{key}", liveness(name, key)) for key in keys)


def _row(setting: str, why_not: str, more: str = "") -> str:
    return f"| `{setting}`{more} | {'' if why_not else 'yes'} | {why_not} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
