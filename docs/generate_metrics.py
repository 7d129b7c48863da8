"""Write docs/metrics.md from the families in web/metric_families.py: `python -m docs.generate_metrics`."""

from pathlib import Path
from typing import Final

from web.metric_families import FAMILIES, PROCESS, Family

ROOT: Final = Path(__file__).resolve().parent.parent
PAGE: Final = ROOT / "docs" / "metrics.md"

HEAD: Final = """\
# Metrics

<!-- Written by docs/generate_metrics.py from web/metric_families.py; change that and run it again. -->

What `GET /metrics` gives, on the port of the page (`monitor.port`), in OpenMetrics or in Prometheus' own text
format, whichever the client prefers. It is worked out from the newest state, at most a second or two old.
No label has a symbol or an actor in it, so that thousands of symbols make no more series than one.
Counters begin at 0 with each start of the pipeline. A store's or a feed's counts end with it when it is
taken out.

`ops/prometheus-alerts.yml` has rules for these, and `ops/grafana-dashboard.json` shows them. Where a token
is set (`monitor.token`), Prometheus has to say it:

```yaml
scrape_configs:
  - job_name: tapeline
    authorization: { credentials_file: /etc/prometheus/tapeline-token }
    static_configs: [{ targets: ["127.0.0.1:8321"] }]
```

| metric | kind | labels | meaning |
|---|---|---|---|
"""
PROCESS_HEAD: Final = """
## The pipeline's process

Where the system has `/proc`.

| metric | meaning |
|---|---|
"""


def page() -> str:
    """Give the page as it should be."""
    process = "".join(f"| `{name}` | {text} |\n" for name, text in PROCESS.items())
    return HEAD + "".join(map(_row, FAMILIES)) + PROCESS_HEAD + process


def _row(family: Family) -> str:
    labels = ", ".join(f"`{label}`" for label in family.labels)
    name = family.name if family.kind == "histogram" else family.sample_names[0]
    return f"| `{name}` | {family.kind} | {labels} | {family.text} |\n"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
