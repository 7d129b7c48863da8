"""The steps that change the detectors' rules, how many share the symbols, and the bounds of mailboxes."""

from collections.abc import Iterable, Iterator
from functools import partial
from typing import TYPE_CHECKING

from actors.assembly import scoring_rules
from actors.slot import Transaction
from core.settings import Settings
from core.topology import detector_name
from messages.retuning import CatchUp, Reroute, SetRules

if TYPE_CHECKING:
    from actors.retuning import Awaited, Retuning, Step


def steps(retuning: "Retuning", before: Settings, after: Settings) -> "list[Step]":
    """Give the steps from one configuration to the other; none where these settings are the same."""
    found: list[Step] = []
    bounds = ("mailbox_ticks", "frames_mb", "mailbox_total_mb")
    if any(getattr(before.actors, name) != getattr(after.actors, name) for name in bounds):
        found.append(partial(_bound, retuning))
    if before.detector != after.detector:
        found.append(partial(_set_rules, retuning))
    if before.actors.detectors != after.actors.detectors:
        found += [partial(step, retuning) for step in (_start, _reroute, retire_idle)]
        found += catching_up(retuning)
    return found


def _bound(retuning: "Retuning", tx: Transaction) -> "Iterable[Awaited]":
    retuning.assembly.bound_mailboxes()
    return ()


def _set_rules(retuning: "Retuning", tx: Transaction) -> "Iterator[Awaited]":
    """Have every detector judge by the new rules, and its replacements too."""
    rules = scoring_rules(retuning.assembly.settings)
    for spec in retuning.assembly.of_kind("detector"):
        spec.arguments["rules"] = rules
        yield retuning.tell(spec.name, SetRules(rules), tx)


# Symbols among detectors


def _start(retuning: "Retuning", tx: Transaction) -> "Iterator[Awaited]":
    """Start the detectors that there are not yet; nothing is shed while others wait for them."""
    assembly = retuning.assembly
    assembly.block_all()
    count = sum(len(feed.symbols) for feed in assembly.settings.feeds)
    there = {spec.name for spec in assembly.of_kind("detector")}
    for normalizer in assembly.of_kind("normalizer"):
        terms = normalizer.arguments["terms"]
        for symbol in sorted(terms.known or ()):
            spec = assembly.detector(terms.feed, symbol, normalizer.name, count)
            if spec.name not in there:
                there.add(spec.name)
                yield retuning.start(spec, tx)


def _reroute(retuning: "Retuning", tx: Transaction) -> "Iterator[Awaited]":
    """Have each normalizer see to it that its symbols come to where they belong now."""
    assembly = retuning.assembly
    for normalizer in assembly.of_kind("normalizer"):
        terms = normalizer.arguments["terms"]
        names = {symbol: detector_name(terms.feed, symbol, assembly.shards) for symbol in terms.known or ()}
        to = {symbol: assembly.specs[name].slot.address for symbol, name in names.items()}
        yield retuning.tell(normalizer.name, Reroute(to), tx)


def retire_idle(retuning: "Retuning", tx: Transaction) -> "Iterator[Awaited]":
    """Take out the detectors that have no symbol any more."""
    for name in retuning.assembly.forget_routes():
        yield retuning.retire(name, tx)


# Once everybody goes on


def catching_up(retuning: "Retuning") -> "list[Step]":
    """Give the steps behind a pause: what came in meanwhile is not shed when that is allowed again."""
    kinds = ("normalizer", "detector", "writer")
    return [*(partial(_catch_up, retuning, kind) for kind in kinds), partial(_shed_again, retuning)]


def _catch_up(retuning: "Retuning", kind: str, tx: Transaction) -> "Iterator[Awaited]":
    for spec in retuning.assembly.of_kind(kind):
        tx.put(spec.slot.address, CatchUp())
        yield ("acknowledged", spec.name)


def _shed_again(retuning: "Retuning", tx: Transaction) -> "Iterable[Awaited]":
    retuning.assembly.block_configured()
    return ()
