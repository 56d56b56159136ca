"""Line charts in SVG of what tests/bench/run measured. Pure: numbers in, text out.

They are not drawn by a library: Debian's libraries need some fifty packages and draw in one set of
colours only, while these charts turn dark on a dark screen.
"""

import dataclasses
import html
import math
import typing

import setups

_WIDTH, _HEIGHT = 720, 420
_LEFT, _RIGHT, _TOP, _BOTTOM = 70, 36, 106, 56

_STYLE = """
  .ground { fill: #ffffff } text { fill: #1f2328; font: 13px sans-serif }
  .title { font-size: 16px; font-weight: bold } .grid { stroke: #d1d9e0 }
  .plain { color: #6e7781 } .nft { color: #1a7f37 } .naive { color: #9a6700 }
  .tuned { color: #0969da } .sluice { color: #cf222e }
  .line { fill: none; stroke: currentColor; stroke-width: 2 } .dashed { stroke-dasharray: 6 4 }
  .spread { stroke: currentColor; stroke-opacity: 0.45 }
  .point, .lossy { fill: currentColor; stroke: currentColor; stroke-width: 2 }
  .lossy { fill: #ffffff }
  @media (prefers-color-scheme: dark) {
    .ground { fill: #0d1117 } text { fill: #e6edf3 } .grid { stroke: #3d444d }
    .plain { color: #9198a1 } .nft { color: #3fb950 } .naive { color: #d29922 }
    .tuned { color: #58a6ff } .sluice { color: #ff7b72 }
    .lossy { fill: #0d1117 }
  }
"""


@dataclasses.dataclass(frozen=True)
class Point:
    """A median with its minimum and maximum."""
    x: float
    y: float
    least: float
    most: float
    lossy: bool = False


@dataclasses.dataclass(frozen=True)
class Series:
    """A line of the chart, in the colour of a setup. One line of each colour has the label."""
    label: str
    setup: str
    points: typing.Sequence[Point]
    dashed: bool = False


def latency(summary):
    """Round trips against load, or None if that was not measured."""
    series = []
    for setup, text in setups.LABELS.items():
        label = text.split(",")[0]
        measured = {int(name.split("/")[1]): keys for name, keys in
                    summary.get("latency", {}).items() if name.split("/")[0] == setup}
        for key, dashed in (("p50_us", False), ("p99_us", True)):
            points = [Point(rate, *_spread(keys[key]), keys["lost"]["median"] > 0)
                      for rate, keys in sorted(measured.items())]
            if points:
                series.append(Series("" if dashed else label, setup, points, dashed))
    if not series:
        return None
    return _chart("Round trip against load", "packets/s, both directions", "µs", series,
                  "solid: median; dashed: 99th percentile; hollow: packets were lost")


def policy(summary):
    """Cost of a decision against the number of rules, or None if that was not measured."""
    points = [Point(int(rules), *_spread(keys["decide_ns"]))
              for rules, keys in summary.get("policy", {}).items()]
    if not points:
        return None
    points.sort(key=lambda point: point.x)
    return _chart("A decision of the policy engine alone", "rules", "ns",
                  [Series("sluice-server's policy, one thread", "sluice", points)], "")


def _spread(values):
    return values["median"], values["min"], values["max"]


def _chart(title, x_name, y_name, series, note):
    points = [point for one in series for point in one.points]
    x_of = _scale([point.x for point in points], _LEFT, _WIDTH - _RIGHT)
    bounds = [bound for point in points for bound in (point.least, point.most)]
    y_ticks = _ticks(min(bounds), max(bounds))
    y_of = _scale(y_ticks, _HEIGHT - _BOTTOM, _TOP)
    parts = [_text(_WIDTH / 2, 24, title, "middle", ' class="title"')]
    for y in y_ticks:
        parts.append(f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y_of(y):.1f}" '
                     f'y2="{y_of(y):.1f}"/>')
        parts.append(_text(_LEFT - 8, y_of(y) + 4, f"{y:,g}", "end"))
    for x in sorted({point.x for point in points}):
        parts.append(_text(x_of(x), _HEIGHT - _BOTTOM + 20, f"{x:,g}", "middle"))
    parts.append(_text((_LEFT + _WIDTH - _RIGHT) / 2, _HEIGHT - 12, x_name, "middle"))
    parts.append(_text(_LEFT - 8, _TOP - 12, y_name, "end"))
    if note:
        parts.append(_text(_WIDTH / 2, 46, note, "middle"))
    labels = [one for one in series if one.label]
    for number, one in enumerate(labels):
        x = _LEFT + number * (_WIDTH - _LEFT - _RIGHT) / len(labels)
        parts.append(f'<g class="{one.setup}"><line class="line" x1="{x:.1f}" x2="{x + 18:.1f}" '
                     f'y1="68" y2="68"/></g>')
        parts.append(_text(x + 24, 72, one.label, "start"))
    for one in series:
        parts.append(f'<g class="{one.setup}">{_drawn(one, x_of, y_of)}</g>')
    body = "\n".join(parts)
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" '
            f'role="img" aria-label="{html.escape(title)}">\n<style>{_STYLE}</style>\n'
            f'<rect class="ground" width="{_WIDTH}" height="{_HEIGHT}"/>\n{body}\n</svg>\n')


def _drawn(series, x_of, y_of):
    kind = "line dashed" if series.dashed else "line"
    places = " ".join(f"{x_of(p.x):.1f},{y_of(p.y):.1f}" for p in series.points)
    parts = [f'<polyline class="{kind}" points="{places}"/>']
    for p in series.points:
        parts.append(f'<line class="spread" x1="{x_of(p.x):.1f}" x2="{x_of(p.x):.1f}" '
                     f'y1="{y_of(p.least):.1f}" y2="{y_of(p.most):.1f}"/>')
        parts.append(f'<circle class="{"lossy" if p.lossy else "point"}" cx="{x_of(p.x):.1f}" '
                     f'cy="{y_of(p.y):.1f}" r="3"/>')
    return "".join(parts)


def _text(x, y, text, anchor, more=""):
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{more}>{html.escape(text)}</text>'


def _scale(values, first, last):
    """A logarithmic scale: the smallest value is at `first`, the greatest at `last`."""
    low, high = math.log(min(values)), math.log(max(values))
    if high == low:
        return lambda value: (first + last) / 2
    return lambda value: first + (math.log(value) - low) / (high - low) * (last - first)


def _ticks(least, most):
    """1, 2 and 5 of each power of ten, from just below the minimum to just above the maximum."""
    steps = [factor * 10.0 ** power for power in range(-3, 10) for factor in (1, 2, 5)]
    low = max(step for step in steps if step <= least)
    high = min(step for step in steps if step >= most)
    return [step for step in steps if low <= step <= high]
