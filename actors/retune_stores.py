"""The steps that change the writers' side: their terms, the stores that come, and those that go.

    start the new ones ▶ tell detectors and connections ▶ tell normalizers ▶ retire the old ones

A mark of the journal is for the stores that its normalizer speaks to as it passes. Detectors change first, so
that a store which a normalizer names gets the mark from each of them.
"""

import logging
from collections.abc import Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from actors.address import Address
from actors.slot import Transaction
from actors.writer_state import writer_terms
from core.errors import UsageError
from core.settings import Settings, Store
from messages.observation import Noticed
from messages.retuning import SetAlertTerms, SetWriterTerms, StoreLeft, WritersChanged

if TYPE_CHECKING:
    from actors.retuning import Awaited, Retuning, Step

TOLD: Final = ("stored", "rejected", "dead_letter", "shed", "spooled")
"""What a writer counts, in the line that tells its account."""

log = logging.getLogger("tapeline.supervisor")


def steps(retuning: "Retuning", before: Settings, after: Settings) -> "list[Step]":
    """Give the steps from one configuration to the other; none where these settings are the same."""
    found: list[Step] = []
    there, wanted = ([store.name for store in settings.stores] for settings in (before, after))
    new = [store for store in after.stores if store.name not in there]
    gone = [name for name in there if name not in wanted]
    if _terms(before, there) != _terms(after, there):
        found.append(partial(_set_terms, retuning))
    if before.alerts.every_seconds != after.alerts.every_seconds:
        found.append(partial(_set_alert_terms, retuning))
    if new:
        found.append(partial(_start, retuning, new))
    if new or gone:
        found.append(partial(_choose, retuning))
        found.append(partial(_tell, retuning, ("detector", "connection", "monitor")))
        found.append(partial(_tell, retuning, ("normalizer",)))
    for name in gone:
        found.append(partial(_retire, retuning, name))
        found.append(partial(_tell_gone, retuning, name))
    return found


# Terms


def _terms(settings: Settings, stores: Iterable[str]) -> dict[str, SetWriterTerms]:
    """Give the terms of those stores that there are."""
    breaker = settings.breaker
    found = {}
    for store in settings.stores:
        if store.name in stores:
            terms = writer_terms(settings, store, 0, {})
            found[store.name] = SetWriterTerms(
                terms.batch_rows, terms.flush_seconds, terms.max_batch_rows,
                breaker.failure_threshold, breaker.cooldown_seconds,
            )  # fmt: skip
    return found


def _set_terms(retuning: "Retuning", tx: Transaction) -> "Iterator[Awaited]":
    """Have the writers batch and wait by the new terms, and their replacements too."""
    assembly = retuning.assembly
    for store, terms in _terms(assembly.settings, assembly.writers).items():
        spec = assembly.specs[assembly.writers[store].name]
        spec.arguments["terms"] = spec.arguments["terms"].changed(terms)
        yield retuning.tell(spec.name, terms, tx)


def _set_alert_terms(retuning: "Retuning", tx: Transaction) -> "Iterator[Awaited]":
    every_seconds = retuning.assembly.settings.alerts.every_seconds
    retuning.assembly.specs["monitor"].arguments["every_seconds"] = every_seconds
    yield retuning.tell("monitor", SetAlertTerms(every_seconds), tx)


# Coming and going


def _start(retuning: "Retuning", stores: Iterable[Store], tx: Transaction) -> "Iterator[Awaited]":
    """Start the writers of new stores. One without a place for its spool stays out; what is there goes on."""
    assembly = retuning.assembly
    for store in stores:
        try:
            spec = assembly.make_writer(store)
        except (UsageError, OSError) as error:
            settings = assembly.settings
            stay = tuple(one for one in settings.stores if one.name != store.name)
            assembly.settings = settings.model_copy(update={"stores": stay})
            _notice(retuning, "store", store.name, f"the store {store.name} is not added: {error}", tx)
        else:
            yield retuning.start(spec, tx)


def _choose(retuning: "Retuning", tx: Transaction) -> "Iterable[Awaited]":
    """From here on, whoever is new speaks to these."""
    assembly = retuning.assembly
    names = [store.name for store in assembly.settings.stores]
    assembly.writers = {name: assembly.specs[f"writer/{name}"].slot.address for name in names}
    return ()


def _tell(retuning: "Retuning", kinds: tuple[str, ...], tx: Transaction) -> "Iterator[Awaited]":
    """Have everybody of some kinds speak to these writers alone."""
    assembly = retuning.assembly
    writers: Mapping[str, Address[Any]] = assembly.writers
    for spec in assembly.of_kind(*kinds):
        spec.arguments["writers"] = writers
        yield retuning.tell(spec.name, WritersChanged(writers), tx)


def _retire(retuning: "Retuning", store: str, tx: Transaction) -> "Iterator[Awaited]":
    """Nobody speaks to it any more: what it has is all that it gets."""
    yield retuning.retire(f"writer/{store}", tx)


def _tell_gone(retuning: "Retuning", store: str, tx: Transaction) -> "Iterable[Awaited]":
    """Say what became of its rows, and where those are that it did not take."""
    assembly = retuning.assembly
    spec = assembly.retired[f"writer/{store}"]
    counts: Mapping[tuple[str, str], int] = spec.slot.counts
    account = {
        place: sum(n for (_, name), n in counts.items() if name.split(".")[0] == place) for place in TOLD
    }
    told = ", ".join(f"{place.replace('_', ' ')} {n:,}" for place, n in account.items())
    tx.do(partial(log.info, "the store %s was removed: %s", store, told))
    rows = sum(spec.arguments["spool"].rows_by_feed().values())
    if rows:
        place = assembly.settings.data_dir / "spool" / store
        text = f"{rows:,} rows that the store {store} did not take wait in {place}; add it again to have them"
        _notice(retuning, "spool", store, text, tx)
    if assembly.settings.journal.enabled:
        tx.tell(assembly.journal, StoreLeft(store))
    return ()


def _notice(retuning: "Retuning", kind: str, store: str, text: str, tx: Transaction) -> None:
    """Have an alert made of it, which is a log line too."""
    assembly = retuning.assembly
    tx.tell(assembly.monitor, Noticed(kind, None, store, "supervisor", text, assembly.clock.time_ns()))
