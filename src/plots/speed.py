"""The picture of a benchmark: how long each contestant takes, and of what Kindling's time is made."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

CONTESTANTS = {
    "lightning": "Lightning\ndefaults",
    "kindling": "Kindling",
    "tutorial": "DataLoader\nloop",
    "bare": "bare loop",
}
STEP = ("data", "forward", "backward", "optimizer", "validation", "metrics", "framework")
START = {"python": "Python", "torch": "torch", "lightning": "lightning", "kindling": "src.train"}


def draw_speed(results: Mapping[str, Any]) -> Figure:
    """Ratios to the bare loop with the least and the most of all rounds; a step's parts; the start's parts."""
    figure = Figure(figsize=(10, 6), layout="constrained")
    threads = f", {results['threads']} thread" + ("s" if results["threads"] > 1 else "")
    figure.suptitle(
        f"{results['examples']:,} examples in batches of {results['batch_size']}, {results['device']}{threads}"
    )
    above, *below = figure.subplot_mosaic("AA;BC", height_ratios=[3, 2]).values()
    _draw_ratios(above, results)
    _draw_parts(below[0], {part: results[f"parts_ms/{part}"] for part in STEP}, "a step of Kindling, ms")
    if "start/all" in results:
        start = {name: results[f"start/{part}"] for part, name in START.items()}
        _draw_parts(below[1], start, "up to the first step, s")
    else:
        below[1].set_axis_off()
    return figure


def _draw_ratios(axes: Any, results: Mapping[str, Any]) -> None:
    for place, name in enumerate(CONTESTANTS):
        ratio, least, most = (results[f"{kind}/{name}"] for kind in ("ratio", "least", "most"))
        color = "C1" if name == "kindling" else "C0"
        axes.barh(place, ratio, color=color, xerr=[[ratio - least], [most - ratio]], capsize=3, ecolor="0.3")
        axes.text(most, place, f"   {ratio:.2f}", va="center")
    axes.set_yticks(range(len(CONTESTANTS)), CONTESTANTS.values())
    axes.axvline(1, color="0.6", linewidth=1, zorder=0)
    axes.set_xlim(0, 1.15 * max(results[f"most/{name}"] for name in CONTESTANTS))
    axes.set_title("time of an epoch, as a multiple of the bare loop's: median, least and most", fontsize="medium")


def _draw_parts(axes: Any, parts: dict[str, float], title: str) -> None:
    for place, (name, value) in enumerate(reversed(parts.items())):
        axes.barh(place, value, color="C1" if name in ("framework", "src.train") else "C0")
        axes.text(max(value, 0), place, f" {value:.3g}", va="center")
    axes.set_yticks(range(len(parts)), reversed(parts))
    axes.set_xlim(min(0, *parts.values()), 1.2 * max(parts.values()))
    axes.set_title(title, fontsize="medium")
