"""Draws the latency over time and the calls by outcome of all contenders, as handwritten SVG."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from benchmarks.quota.bars import quantile

if TYPE_CHECKING:
    from benchmarks.quota.services import Contender

WIDTH, HEIGHT = 960, 740
LEFT, RIGHT = 70, 710
TOP, BOTTOM = 96, 400
BARS, BAR_STEP, BAR = 504, 46, 26
BARS_LEFT, BARS_RIGHT = 210, 640
COLOURS = ("#0072B2", "#D55E00", "#E69F00", "#009E73", "#CC79A7")
"""Colors of Okabe and Ito, which color-blind people can distinguish. Dashes and labels also differ."""
DASHES = ("", "2 3", "8 4", "12 3 2 3", "4 4")
TAKEN, THROTTLED, FAILED = "#56B4E9", "#D55E00", "#999999"
INK, SOFT, GRID = "#1f2933", "#52606d", "#e4e7eb"
LOW_S, HIGH_S = 0.1, 100.0
TICKS_S = (0.1, 0.3, 1, 3, 10, 30, 100)
SECONDS, BUCKET_S = 30, 1
SUBTITLE = (
    "Amazon Connect, simulated, takes 10 calls a second of at most 25 dial requests each; burst 10. "
    "Requests come at random for 30 s."
)
FONT = "system-ui, -apple-system, 'Segoe UI', 'DejaVu Sans', sans-serif"


def drawn(found: "Sequence[Contender]") -> str:
    """Return the picture, the gateway first."""
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
        f'height="{HEIGHT}" role="img" font-family="{FONT}" font-size="13" fill="{INK}">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" rx="8" fill="#ffffff"/>',
        _text(24, 36, "Twenty services, five campaigns, 200 dial requests a second", size=20, weight=600),
        _text(24, 58, SUBTITLE, fill=SOFT),
        *_latencies(found),
        *_calls(found),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _latencies(found: "Sequence[Contender]") -> list[str]:
    parts = [
        _text(
            24,
            84,
            "Time from the offer to “accepted”: 90th percentile of each second (log scale)",
            weight=600,
        )
    ]
    for tick_s in TICKS_S:
        y = _y(tick_s)
        parts.append(f'<path d="M{LEFT} {y:.1f}H{RIGHT}" stroke="{GRID}"/>')
        parts.append(_text(LEFT - 8, y + 4, f"{tick_s:g} s", anchor="end", fill=SOFT))
    parts += [
        _text(_x(second), BOTTOM + 20, f"{second}", anchor="middle", fill=SOFT)
        for second in range(0, SECONDS + 1, 5)
    ]
    parts.append(
        _text(
            (LEFT + RIGHT) / 2, BOTTOM + 40, "offered at (seconds from the start)", anchor="middle", fill=SOFT
        )
    )
    for number, one in reversed(list(enumerate(found))):
        parts += _line(one, number)
    for number, one in enumerate(found):
        parts += _key(one, number)
    return parts


def _line(one: "Contender", number: int) -> list[str]:
    points = []
    for second in range(0, SECONDS, BUCKET_S):
        inside = [took for at, took in one.latencies if took is not None and second <= at < second + BUCKET_S]
        if inside:
            points.append(f"{_x(second + BUCKET_S / 2):.1f},{_y(quantile(inside, 0.9)):.1f}")
    width = 3.5 if number == 0 else 2
    return [
        f'<polyline points="{" ".join(points)}" fill="none" stroke="{COLOURS[number]}" '
        f'stroke-width="{width}" stroke-dasharray="{DASHES[number]}" stroke-linejoin="round"/>'
    ]


def _key(one: "Contender", number: int) -> list[str]:
    x, y = RIGHT + 20, TOP + 14 + number * 60
    times = one.times
    tail = f"p50 {quantile(times, 0.5):.2f} s, p99 {quantile(times, 0.99):.2f} s"
    return [
        f'<path d="M{x} {y - 4}h34" stroke="{COLOURS[number]}" stroke-width="{3.5 if number == 0 else 2}" '
        f'stroke-dasharray="{DASHES[number]}"/>',
        _text(x + 42, y, one.name, weight=600 if number == 0 else 400),
        _text(x + 42, y + 18, tail, fill=SOFT, size=12),
    ]


def _calls(found: "Sequence[Contender]") -> list[str]:
    parts = [_text(24, BARS - 34, "Calls to Connect by outcome", weight=600)]
    legend = (("taken", TAKEN), ("429, over the quota", THROTTLED), ("failed otherwise", FAILED))
    for number, (name, colour) in enumerate(legend):
        x = BARS_LEFT + 40 + number * 170
        parts.append(f'<rect x="{x}" y="{BARS - 45}" width="14" height="14" fill="{colour}"/>')
        parts.append(_text(x + 20, BARS - 33, name, fill=SOFT))
    most = max(one.calls for one in found)
    for number, one in enumerate(found):
        parts += _bar(one, BARS + number * BAR_STEP, (BARS_RIGHT - BARS_LEFT) / most)
    return parts


def _bar(one: "Contender", y: int, scale: float) -> list[str]:
    parts = [_text(BARS_LEFT - 10, y + BAR - 8, one.name, anchor="end")]
    x = float(BARS_LEFT)
    for count, colour in (
        (one.calls_ok, TAKEN),
        (one.calls_throttled, THROTTLED),
        (one.calls_failed, FAILED),
    ):
        parts.append(
            f'<rect x="{x:.1f}" y="{y}" width="{count * scale:.1f}" height="{BAR}" fill="{colour}"/>'
        )
        x += count * scale
    lost = len(one.latencies) - len(one.times)
    parts.append(_text(x + 8, y + 11, f"{one.calls:,} calls, {one.throttled_share:.0%} of them 429", size=12))
    text = f"{lost:,} of {len(one.latencies):,} dial requests lost"
    parts.append(_text(x + 8, y + 26, text, size=12, fill=SOFT))
    return parts


def _text(
    x: float,
    y: float,
    text: str,
    *,
    size: int = 13,
    weight: int = 400,
    anchor: str = "start",
    fill: str = INK,
) -> str:
    style = f'font-size="{size}" font-weight="{weight}" text-anchor="{anchor}" fill="{fill}"'
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(text)}</text>'


def _x(second: float) -> float:
    return LEFT + (RIGHT - LEFT) * second / SECONDS


def _y(latency_s: float) -> float:
    place = math.log(min(max(latency_s, LOW_S), HIGH_S) / LOW_S) / math.log(HIGH_S / LOW_S)
    return BOTTOM - (BOTTOM - TOP - 8) * place
