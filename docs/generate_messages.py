"""Write docs/messages.md from the messages' docstrings and fields: `python -m docs.generate_messages`."""

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
MESSAGES: Final = ROOT / "messages"
PAGE: Final = ROOT / "docs" / "messages.md"

LANE_FIELDS: Final = frozenset(("feed", "key", "weight", "nbytes", "records", "frames"))
"""What every message of the data lane says; not shown where it is a constant."""

ROUTES: Final = tuple(
    re.compile(pattern, re.DOTALL)
    for pattern in (
        r"From (?P<sender>.+?) to (?P<receiver>[^:,.]+)(?:, in the data lane)?(?:[,:.]\s*|$)(?P<rest>.*)",
        r"Timer of (?P<receiver>[^:]+): (?P<rest>.*)",
        r"(?P<receiver>[^:]+) to itself: (?P<rest>.*)",
        r"(?P<rest>Ask (?P<receiver>a \w+|the \w+) .*)",
        r"To (?P<receiver>any actor), (?P<sender>for tests[^:]*): (?P<rest>.*)",
        r"(?P<rest>.*[Mm]ade by (?P<sender>[^;.]+)(?:; (?P<receiver>the receiving actor))?.*)",
    )
)
"""How a docstring tells its route: the first that fits. A message's timer is its own actor's."""

OWN_TIMER: Final = "its timer"

HEAD: Final = """\
# Messages

<!-- Written by docs/generate_messages.py from the docstrings in messages/; change those and run it again. -->

What actors say to each other, conversation by conversation. All are frozen; commands are imperative, events
past tense. The *lane* is how a message comes to its receiver:

- *control*: first, and never bounded;
- *data*: in order with all other data of its receiver, counted for the ledger, and bounded unless it carries
  no records. Each also says its feed, the key whose bound it counts against, its weight, and how
  many bytes, records and frames it holds (`DataMessage` in `messages/lane.py`);
- *timer*: kept in the receiver's own slot until it is due;
- *port*: made on the spot by the receiver's port, and never in a mailbox;
- *host*: put into the queue of the main thread.
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One message as the page shows it."""

    name: str
    sender: str
    """Empty where the docstring does not tell."""
    receiver: str
    """Empty where the docstring does not tell."""
    lane: str
    text: str
    fields: tuple[str, ...]


def page() -> str:
    """Give the page as it should be."""
    return HEAD + "".join(_section(path) for path in sorted(MESSAGES.glob("[!_]*.py")))


def entries(path: Path) -> Iterator[Entry]:
    """Give the messages of one conversation, in the order in which they are written."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    conversation = _document(tree)
    classes = import_module(f"messages.{path.stem}")
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.decorator_list:
            yield _entry(node, conversation, getattr(classes, node.name))


def _section(path: Path) -> str:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    rows = "".join(_row(entry) for entry in entries(path))
    columns = "| message | from | to | lane | what follows | fields |\n|---|---|---|---|---|---|\n"
    return f"\n## `messages/{path.name}`\n\n{_document(tree)}\n\n{columns}{rows}"


def _row(entry: Entry) -> str:
    fields = "<br>".join(entry.fields) or "none"
    cells = (f"`{entry.name}`", entry.sender, entry.receiver, entry.lane, entry.text, fields)
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |\n"


def _entry(node: ast.ClassDef, conversation: str, cls: type) -> Entry:
    sender, receiver, text = _route(_document(node), conversation)
    lane = "data" if callable(getattr(cls, "units", None)) else _lane(sender, receiver)
    return Entry(node.name, sender, receiver, lane, text, tuple(_fields(node, lane)))


def _lane(sender: str, receiver: str) -> str:
    if sender == OWN_TIMER:
        return "timer"
    if receiver == "its host":
        return "host"
    return "port" if sender.endswith(("port", "replacement")) else "control"


def _route(document: str, conversation: str) -> tuple[str, str, str]:
    """Take a docstring apart: who sends, who receives, the rest; else the conversation's own route."""
    for pattern in ROUTES:
        found = pattern.fullmatch(document)
        if found is not None:
            parts = found.groupdict()
            receiver = _lowered(parts["receiver"] or "the same actor")
            sender = parts.get("sender") or _sender(document, receiver)
            return sender.removeprefix("for "), receiver, _capitalized(parts["rest"])
    found = ROUTES[0].fullmatch(conversation)
    sender, receiver = (found["sender"], found["receiver"]) if found is not None else ("", "")
    return sender, receiver, document


def _sender(document: str, receiver: str) -> str:
    if document.startswith("Timer"):
        return OWN_TIMER
    return "whoever asks" if document.startswith("Ask") else receiver


def _fields(node: ast.ClassDef, lane: str) -> Iterator[str]:
    """Give the fields, each with its type and what the text behind it says."""
    for field, behind in zip(node.body, [*node.body[1:], None], strict=True):
        if not isinstance(field, ast.AnnAssign) or not isinstance(field.target, ast.Name):
            continue
        name = field.target.id
        if lane == "data" and name in LANE_FIELDS and isinstance(field.value, ast.Constant):
            continue
        text = _text_of(behind)
        yield f"`{name}: {ast.unparse(field.annotation)}`" + (f": {text}" if text else "")


def _text_of(node: ast.stmt | None) -> str:
    """Give the text of a string that stands alone, as those behind fields do."""
    value = node.value if isinstance(node, ast.Expr) else None
    text = value.value if isinstance(value, ast.Constant) else None
    return _one_line(text) if isinstance(text, str) else ""


def _document(node: ast.Module | ast.ClassDef) -> str:
    return _one_line(ast.get_docstring(node) or "")


def _one_line(text: str) -> str:
    return " ".join(text.split())


def _capitalized(text: str) -> str:
    """Begin with a capital, unless the first word is a name in the code."""
    return text[:1].upper() + text[1:] if text.partition(" ")[0].strip(",.").isalpha() else text


def _lowered(text: str) -> str:
    return text[:1].lower() + text[1:]


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
