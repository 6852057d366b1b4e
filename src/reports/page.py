"""One HTML page that needs no network: tables that sort by a click, curves, parallel coordinates and pictures."""

from __future__ import annotations

import base64
import io
from collections import Counter
from html import escape
from pathlib import Path
from typing import Any

from src.console.extras import need
from src.console.numbers import shown
from src.files.atomic import write_text
from src.reports import figures
from src.reports.compare import Comparison
from src.reports.history import course
from src.reports.importances import PACKAGES
from src.reports.records import Record, text
from src.reports.table import BESIDE_METRICS, command, common, counted, inside, main_metrics, reason
from src.run.config import shortest

BEST = 3  # runs whose pictures are shown
MOST_PICTURES = 8  # of a run
WIDEST = 1000  # pixels of a picture
LARGEST = 25_000_000  # pixels of one that is read
STATUSES = ("finished", "failed", "pruned", "running", "unfinished")  # of other programs' there may be any

STYLE = """
:root { color-scheme: light dark }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; padding: 1rem; max-width: 90rem }
h1 { font-size: 1.5rem; margin: 0 } h2 { font-size: 1.15rem; margin: 2.5rem 0 .5rem }
code { overflow-wrap: anywhere; background: rgb(128 128 128 / .15); padding: .1em .3em; border-radius: 4px }
p span { display: inline-block; padding: 0 .6em; border-radius: 1em; color: #fff; background: #777 }
.finished { background: #1f6fff } .pruned { background: #b86200 } .failed { background: #c62828 }
.running { background: #2e7d32 } details { margin: 1em 0 } li { margin: .3em 0 }
.side { display: grid; gap: 1rem } .side > * { min-width: 0 } .wide { overflow-x: auto }
@media (min-width: 60rem) { .side { grid-template-columns: 1fr 1fr } }
figure { margin: 0 } img { max-width: 100%; border-radius: 4px } figcaption { font-size: .85rem; opacity: .8 }
.main-svg .infolayer text, .main-svg .cartesianlayer text, .parcoords text { fill: CanvasText !important }
.parcoords text { text-shadow: none !important } .parcoords .axis path { stroke: GrayText !important }
"""
# DataTables has to be told, Plotly's texts follow the style above.
DARK = """
const dark = matchMedia("(prefers-color-scheme: dark)")
dark.onchange = () => document.documentElement.classList.toggle("dark", dark.matches)
dark.onchange()
"""
# What a stranger's run has written is escaped; and nothing in the page may load from elsewhere.
POLICY = (
    "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval' blob:; style-src 'unsafe-inline'; img-src data: blob:"
)


def check_installed(what: str) -> None:
    """Raise UserError if the packages that draw a page, which `what` asks for, are missing."""
    for package in ("plotly", "itables", *PACKAGES):
        need(what, package, "report")


def write_page(path: Path, comparison: Comparison) -> None:
    """Write the page, for which `check_installed`."""
    sections = [_summary(comparison), course(comparison), *_tables(comparison)]
    sections += figures.curves(comparison), figures.parallel_coordinates(comparison), _pictures(comparison)
    head = f'<meta charset="utf-8"><meta http-equiv="Content-Security-Policy" content="{POLICY}">'
    head += '<meta name="viewport" content="width=device-width, initial-scale=1">'
    title = _safe(f"{shortest(common([r.folder for r in comparison.records]))}: {len(comparison.records)} runs")
    body = "\n".join(section for section in sections if section)
    scripts = f"<script>{DARK}</script>{_table_library()}<script>{figures.library()}</script>"
    write_text(
        path,
        f"<!doctype html>\n<html lang='en'><head>{head}<title>{title}</title><style>{STYLE}</style>{scripts}</head>\n"
        f"<body><h1>{title}</h1>\n{body}\n</body></html>\n",
    )


def _summary(comparison: Comparison) -> str:
    """How many runs have which status, the best one with its command, and why others have failed."""
    statuses = Counter(record.status for record in comparison.records).most_common()
    pills = (
        f"<span class='{status if status in STATUSES else ''}'>{n} {_safe(status)}</span>" for status, n in statuses
    )
    said, best = [" ".join(pills)], comparison.best
    if best:
        value = shown(best.metrics[comparison.score])
        said.append(
            f"{_safe(comparison.best_in_words)}, {value}: {_folder(best)}<br><code>{_safe(command(best))}</code>"
        )
    failed = [f"<li>{_folder(r)}: {_safe(reason(r))}</li>" for r in comparison.records if r.status == "failed"]
    why = f"<details><summary>Why {len(failed)} failed</summary><ul>{''.join(failed)}</ul></details>"
    return "".join(f"<p>{line}</p>" for line in said) + (why if failed else "")


def _tables(comparison: Comparison) -> list[str]:
    """Means, if there are some, and every run."""
    runs = comparison.records
    each: dict[str, list[Any]] = {"status": [r.status for r in runs]}
    each |= {key: [r.settings.get(key) for r in runs] for key in comparison.differing}
    each |= {m: [r.metrics.get(m) for r in runs] for m in [*main_metrics(comparison), *comparison.metrics]}
    each |= {name: [r.results.get(name) for r in runs] for name in BESIDE_METRICS}
    each["folder"] = inside([record.folder for record in runs])
    tables = [f"<h2>Runs</h2>{_table(each)}"]
    if comparison.repeats:
        tables.insert(0, f"<h2>Means over {_safe(' and '.join(comparison.repeats))}</h2>{_table(_means(comparison))}")
    return tables


def _means(comparison: Comparison) -> dict[str, list[Any]]:
    groups = comparison.groups
    means: dict[str, list[Any]] = {k: [g.records[0].settings.get(k) for g in groups] for k in comparison.settings}
    for metric in main_metrics(comparison):
        means |= {metric: [g.mean(metric) for g in groups], f"± {metric}": [g.deviation(metric) for g in groups]}
    return {**means, "runs": list(map(counted, groups))}


def _table(columns: dict[str, list[Any]]) -> str:
    """A click on a column sorts by it."""
    import pandas as pd
    from itables import to_html_datatable

    frame = pd.DataFrame({name: _column(values) for name, values in columns.items()})
    layout = {"topStart": "pageLength", "topEnd": "search", "bottomStart": "info", "bottomEnd": "paging"}
    options: dict[str, Any] = {"layout": layout, "scrollX": True, "maxBytes": 0, "maxColumns": 0, "order": []}
    options |= {"connected": False, "showIndex": False, "allow_html": False, "text_in_header_can_be_selected": False}
    with pd.option_context("display.float_format", _number):
        table = to_html_datatable(frame, **options)
    return table.replace(r"[\"NaN\", ", r"[\"-\", ")  # as Pandas writes what is not known


def _number(value: float) -> str:
    return f"{value:.0f}" if value.is_integer() and abs(value) < 1e9 else f"{value:.5g}"


def _column(values: list[Any]) -> list[Any]:
    """Numbers, if there is nothing else, that they sort as such; else texts."""
    kinds = {type(value) for value in values}
    return (
        values if kinds <= {int, float, type(None)} and len(kinds) > (type(None) in kinds) else list(map(text, values))
    )


def _table_library() -> str:
    """The JavaScript that sorts tables, DataTables."""
    from itables import options
    from itables.javascript import generate_init_offline_itables_html

    return generate_init_offline_itables_html(options.dt_bundle)


def _pictures(comparison: Comparison) -> str:
    """Those of the best runs."""
    sections = []
    for record in figures.ranked(comparison)[:BEST]:
        files = sorted((record.folder / "plots").glob("*.png"))[:MOST_PICTURES]
        shown = [
            f"<figure>{image}<figcaption>{_safe(f.stem)}</figcaption></figure>" for f in files if (image := _image(f))
        ]
        if shown:
            sections.append(f"<h2>Pictures of {_folder(record)}</h2><div class='side'>{''.join(shown)}</div>")
    return "".join(sections)


def _image(file: Path) -> str | None:
    """At most WIDEST pixels wide, in the page itself; None if it is no picture."""
    from PIL import Image

    if not file.is_file():
        return None
    try:
        with Image.open(file, formats=["PNG"]) as image:
            if image.width * image.height > LARGEST:
                return None
            small = image.convert("RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    small.thumbnail((WIDEST, WIDEST * 4))
    buffer = io.BytesIO()
    small.save(buffer, "WEBP", quality=85)
    return f"<img alt='{_safe(file.stem)}' src='data:image/webp;base64,{base64.b64encode(buffer.getvalue()).decode()}'>"


def _folder(record: Record) -> str:
    return f"<code>{_safe(str(shortest(record.folder)))}</code>"


def _safe(words: str) -> str:
    return escape(text(words))
