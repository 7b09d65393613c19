# SPDX-License-Identifier: MIT
"""Draws the results of the benchmarks as one SVG of four panels."""

import math
from typing import Any
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 1120, 730
BAR = 160.0  # length of the longest bar
GREY, BLUE, GREEN, AMBER, INK, FAINT = "#9aa0a6", "#1f5fa8", "#2e8b57", "#c77700", "#202124", "#dadce0"


class Canvas:
    def __init__(self) -> None:
        self.parts: list[str] = []

    def text(self, x: float, y: float, words: str, size: int = 13, anchor: str = "start", colour: str = INK,
             bold: bool = False) -> None:
        weight = ' font-weight="bold"' if bold else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
                          f'fill="{colour}"{weight} stroke="white" stroke-width="4" paint-order="stroke">'
                          f'{escape(words)}</text>')

    def box(self, x: float, y: float, width: float, height: float, colour: str) -> None:
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 0):.1f}" height="{max(height, 0):.1f}" '
                          f'fill="{colour}"/>')

    def line(self, x1: float, y1: float, x2: float, y2: float, colour: str = INK, width: float = 1,
             dashes: str = "") -> None:
        dash = f' stroke-dasharray="{dashes}"' if dashes else ""
        self.parts.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" stroke="{colour}" '
                          f'stroke-width="{width}"{dash}/>')

    def curve(self, points: list[tuple[float, float]], colour: str) -> None:
        joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="2.5"/>')

    def document(self) -> str:
        return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" '
                f'height="{HEIGHT}" font-family="DejaVu Sans, Helvetica, Arial, sans-serif">\n'
                f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>\n' + "\n".join(self.parts) + "\n</svg>\n")


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}"


def bars(canvas: Canvas, x: float, y: float, rows: list[tuple[str, float, str, str]], longest: float) -> None:
    """Rows of (name, value, words behind the bar, colour); the words stand to the right of the bar."""
    for name, value, words, colour in rows:
        canvas.text(x + 150, y + 15, name, 12, "end")
        canvas.box(x + 158, y, value / longest * BAR, 20, colour)
        canvas.text(x + 164 + value / longest * BAR, y + 15, words, 12)
        y += 27


def seed_panel(canvas: Canvas, x: float, y: float, part: dict[str, Any], aim: float) -> None:
    canvas.text(x, y, "One move with the calls of the seed", 16, bold=True)
    canvas.text(x, y + 20, f"p50 in microseconds (p99 in brackets); aim on two processors: {aim} of the floor", 12)
    longest = max(result["outcome"]["p50"] for result in part["layouts"].values())
    y += 44
    for layout, result in part["layouts"].items():
        canvas.text(x, y + 12, layout, 13, bold=True)
        rows = []
        for name, key, colour in (("floor", "floor", GREY), ("taken", "take", BLUE), ("outcome known", "outcome", BLUE)):
            words = f"{number(result[key]['p50'])} ({number(result[key]['p99'])})"
            if key != "floor":
                words += f"  = {result[key + '_ratio']['median']:.2f} of the floor"
            rows.append((name, result[key]["p50"], words, colour))
        bars(canvas, x, y + 24, rows, longest)
        y += 128


def express_panel(canvas: Canvas, x: float, y: float, part: dict[str, Any], aim: int) -> None:
    canvas.text(x, y, "Express: end points a second", 16, bold=True)
    canvas.text(x, y + 20, f"batches of {part['batch']}, two processors; median of {part['blocks']} blocks (all blocks)", 12)
    rows = []
    for name, key, colour in (("bare, one way", "bare_per_second", GREY), ("baton, each", "express_per_second", BLUE)):
        value = part[key]
        low, high = value["lowest"] / 1000, value["highest"] / 1000
        rows.append((name, value["median"], f"{value['median'] / 1000:,.0f} k ({low:,.0f}..{high:,.0f} k)", colour))
    longest = max(value for _, value, _, _ in rows)
    at = x + 158 + aim / max(longest, aim) * BAR
    canvas.line(at, y + 42, at, y + 112, AMBER, 2, "5 3")
    bars(canvas, x, y + 50, rows, max(longest, aim))
    canvas.text(x + 150, y + 105, "acknowledged", 12, "end")
    canvas.text(at, y + 128, f"aim {aim / 1000:,.0f} k", 12, "middle", AMBER)


def pause_panel(canvas: Canvas, x: float, y: float, part: dict[str, Any]) -> None:
    canvas.text(x, y, "Pause of a client that streams", 16, bold=True)
    canvas.text(x, y + 20, "microseconds, old owner's last read to new owner's first; share of moves below", 12)
    ways = {"seed": BLUE, "express": GREEN, "bare": GREY}
    tails = {way: part["ways"][way]["tail"] for way in ways}
    values = [value for tail in tails.values() for _, value in tail]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    deepest = max(-math.log10(1 - tail[-1][0]) for tail in tails.values())
    left, top, width, height = x + 56, y + 40, 380, 270

    def place(share: float, value: float) -> tuple[float, float]:
        across = (-math.log10(1 - share) - 0.3) / (deepest - 0.3)
        return left + across * width, top + height - (math.log10(value) - low) / (high - low) * height

    for decade in range(low, high + 1):
        level = top + height - (decade - low) / (high - low) * height
        canvas.line(left, level, left + width, level, FAINT)
        canvas.text(left - 8, level + 4, f"{10.0 ** decade:,.0f}", 12, "end")
    for share, words in ((0.5, "50 %"), (0.9, "90 %"), (0.99, "99 %"), (0.999, "99.9 %"), (0.9999, "99.99 %")):
        if -math.log10(1 - share) > deepest + 0.01:
            continue
        across = place(share, 1)[0]
        canvas.line(across, top, across, top + height, FAINT)
        canvas.text(across, top + height + 18, words, 12, "middle")
    for place_in_legend, (way, colour) in enumerate(ways.items()):
        canvas.curve([place(share, value) for share, value in tails[way]], colour)
        summary = part["ways"][way]
        row = top + 14 + place_in_legend * 18
        canvas.box(left + 12, row - 9, 14, 9, colour)
        name = "bare descriptor" if way == "bare" else way
        canvas.text(left + 32, row, f"{name}: p50 {number(summary['p50'])}, p99 {number(summary['p99'])}", 12)


def connection_panel(canvas: Canvas, x: float, y: float, part: dict[str, Any], node: str) -> None:
    canvas.text(x, y, "Accepted, handed on, echoed: connections a second", 16, bold=True)
    canvas.text(x, y + 20, f"{part['octets']} octets; in brackets p50 and p99 of connect to echo in microseconds", 12)
    longest = max(s["per_second"]["median"] for services in part["at_once"].values() for s in services.values())
    y += 44
    for at_once, services in part["at_once"].items():
        canvas.text(x, y + 12, f"{at_once} at once", 13, bold=True)
        rows = []
        for name, key, colour in (("baton", "baton", BLUE), (f"Node {node}", "node", GREY)):
            value = services[key]
            words = f"{value['per_second']['median']:,.0f} ({number(value['p50'])}, {number(value['p99'])})"
            rows.append((name, value["per_second"]["median"], words, colour))
        bars(canvas, x, y + 24, rows, longest)
        y += 100


def draw(results: dict[str, Any], seed_aim: float, express_aim: int) -> str:
    canvas = Canvas()
    where = results["conditions"]
    canvas.text(40, 40, "baton: what a move costs", 22, bold=True)
    canvas.text(40, 62, f"Linux {where['kernel']}, {where['processor']}, {len(where['processors'])} processors, "
                f"load {where['load_before']:.1f} before the run; {where['seconds']} s" + (", quick" if where["quick"] else ""), 12)
    left, right = 40, 590
    seed_panel(canvas, left, 110, results["seed_sequence"], seed_aim)
    express_panel(canvas, left, 490, results["express"], express_aim)
    pause_panel(canvas, right, 110, results["pause"])
    connection_panel(canvas, right, 490, results["connections"], where["node"])
    canvas.line(left, 458, WIDTH - 40, 458, FAINT)
    return canvas.document()
