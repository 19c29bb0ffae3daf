"""A plot with two axes as SVG. Everything that comes from outside is escaped; colours are classes ``c1`` to ``c6``."""

import html
import math
from collections.abc import Sequence
from dataclasses import dataclass, field

from markupsafe import Markup

WIDTH, HEIGHT = 520, 270
_LEFT, _RIGHT, _TOP, _BOTTOM = 52, 12, 12, 42
_TICKS = 5


def nice_ticks(low: float | int, high: float | int, count: int = _TICKS) -> list[float | int]:
    """Round numbers within ``low`` .. ``high``, about ``count`` of them."""
    if not (math.isfinite(low) and math.isfinite(high)) or high <= low:
        return [low]
    raw = (high - low) / max(count, 1)
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(scale * factor for factor in (1, 2, 2.5, 5, 10) if scale * factor >= raw * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [k * step for k in range(first, last + 1)]


def tick_text(value: float | int) -> str:
    """A tick's number without needless digits."""
    if value == 0:
        return "0"
    return f"{value:.0e}" if abs(value) >= 1e5 or abs(value) < 1e-3 else f"{value:.4g}"


def span(values: Sequence[float | int], pad: float | int = 0.04, zero: bool = False) -> tuple[float | int, float | int]:
    """The range of finite values with some room; with ``zero`` it begins there."""
    finite = [value for value in values if math.isfinite(value)]
    if not finite:
        return 0.0, 1.0
    low, high = (min(0.0, min(finite)) if zero else min(finite)), max(finite)
    room = (high - low) * pad or abs(high) * 0.1 or 1.0
    return (low if zero and low == 0.0 else low - room), high + room


@dataclass
class Plot:
    """Two linear axes and what is drawn on them; ``x`` and ``y`` are (low, high) in the units of the labels.

    ``percent``: both axes are shares, and their ticks percent.
    """

    x: tuple[float | int, float | int]
    y: tuple[float | int, float | int]
    label: str
    x_label: str = ""
    y_label: str = ""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = _LEFT
    percent: bool = False
    _parts: list[str] = field(default_factory=list)
    _legend: list[tuple[str, str]] = field(default_factory=list)

    def at(self, x: float | int, y: float | int) -> tuple[float | int, float | int]:
        """Where a point lies, in the picture."""
        (x0, x1), (y0, y1) = self.x, self.y
        across = (x - x0) / ((x1 - x0) or 1.0)
        up = (y - y0) / ((y1 - y0) or 1.0)
        inner, tall = self.width - self.left - _RIGHT, self.height - _TOP - _BOTTOM
        return self.left + across * inner, _TOP + (1 - up) * tall

    def line(
        self, xs: Sequence[float | int], ys: Sequence[float | int], colour: str, name: str = "", kind: str = "line"
    ) -> None:
        """A polyline through the finite points."""
        points = [self.at(x, y) for x, y in zip(xs, ys, strict=True) if math.isfinite(x) and math.isfinite(y)]
        if points:
            self._parts.append(f'<polyline class="{kind} {colour}" points="{_points(points)}"/>')
        if len(points) == 1:
            (cx, cy) = points[0]
            self._parts.append(f'<circle class="dot {colour}" cx="{cx:.1f}" cy="{cy:.1f}" r="4"/>')
        self.note(colour, name)

    def band(
        self, xs: Sequence[float | int], low: Sequence[float | int], high: Sequence[float | int], colour: str
    ) -> None:
        """The area between two curves."""
        there = [self.at(x, y) for x, y in zip(xs, high, strict=True)]
        back = [self.at(x, y) for x, y in zip(xs, low, strict=True)][::-1]
        self._parts.append(f'<polygon class="band {colour}" points="{_points(there + back)}"/>')

    def dot(
        self, x: float | int, y: float | int, colour: str, title: str = "", radius: float | int = 4.0, kind: str = "dot"
    ) -> None:
        """A point; ``title`` is shown under the pointer."""
        cx, cy = self.at(x, y)
        told = f"<title>{html.escape(title)}</title>" if title else ""
        self._parts.append(
            f'<circle class="{kind} {colour}" cx="{cx:.1f}" cy="{cy:.1f}" r="{radius:g}">{told}</circle>'
        )

    def segment(
        self,
        start: tuple[float | int, float | int],
        end: tuple[float | int, float | int],
        colour: str,
        kind: str = "line",
    ) -> None:
        """A straight line between two points."""
        (x0, y0), (x1, y1) = self.at(*start), self.at(*end)
        self._parts.append(f'<line class="{kind} {colour}" x1="{x0:.1f}" y1="{y0:.1f}" x2="{x1:.1f}" y2="{y1:.1f}"/>')

    def bar(self, x0: float | int, x1: float | int, y: float | int, colour: str, title: str = "") -> None:
        """A bar from zero (or the lower edge) to ``y``."""
        left, top = self.at(x0, y)
        right, bottom = self.at(x1, max(0.0, self.y[0]))
        told = f"<title>{html.escape(title)}</title>" if title else ""
        size = f'width="{max(right - left, 0.5):.1f}" height="{max(bottom - top, 0):.1f}"'
        self._parts.append(f'<rect class="bar {colour}" x="{left:.1f}" y="{top:.1f}" {size}>{told}</rect>')

    def note(self, colour: str, name: str) -> None:
        """An entry of the legend."""
        if name and (colour, name) not in self._legend:
            self._legend.append((colour, name))

    def cursor(self, name: str) -> None:
        """A vertical line that a script moves; hidden until it does."""
        x, y = self.at(self.x[0], self.y[1])
        inner = self.width - self.left - _RIGHT
        self._parts.append(
            f'<line class="cursor" data-cursor="{html.escape(name)}" data-from="{self.left}" data-over="{inner}" '
            f'x1="{x:.1f}" x2="{x:.1f}" y1="{y:.1f}" y2="{self.height - _BOTTOM}" visibility="hidden"/>'
        )

    def svg(self) -> Markup:
        """The chart with its axes and legend."""
        head = (
            f'<svg class="plot" viewBox="0 0 {self.width} {self.height}" role="img" '
            f'aria-label="{html.escape(self.label)}"><title>{html.escape(self.label)}</title>'
        )
        return Markup(f"{head}{self._axes()}{''.join(self._parts)}</svg>{legend(self._legend)}")

    def _axes(self) -> str:
        bottom, parts = self.height - _BOTTOM, []
        for value in nice_ticks(*self.y):
            _, y = self.at(self.x[0], value)
            text = self._tick(value)
            parts.append(f'<line class="grid" x1="{self.left}" x2="{self.width - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
            parts.append(f'<text class="tick" x="{self.left - 6}" y="{y + 4:.1f}" text-anchor="end">{text}</text>')
        for value in nice_ticks(*self.x):
            x, _ = self.at(value, self.y[0])
            text = self._tick(value)
            parts.append(f'<text class="tick" x="{x:.1f}" y="{bottom + 16}" text-anchor="middle">{text}</text>')
        parts.append(f'<line class="axis" x1="{self.left}" x2="{self.width - _RIGHT}" y1="{bottom}" y2="{bottom}"/>')
        middle = self.left + (self.width - self.left - _RIGHT) / 2
        parts.append(_text(middle, self.height - 6, self.x_label))
        if self.y_label:
            at = f'transform="rotate(-90 12 {_TOP + (bottom - _TOP) / 2:.0f})"'
            parts.append(_text(12, _TOP + (bottom - _TOP) / 2, self.y_label, at))
        return "".join(parts)

    def _tick(self, value: float | int) -> str:
        return f"{100 * value:.4g} %" if self.percent else tick_text(value)


def legend(entries: Sequence[tuple[str, str]]) -> str:
    """A legend of (class, words)."""
    if not entries:
        return ""
    keys = "".join(f'<li><i class="key {colour}"></i>{html.escape(name)}</li>' for colour, name in entries)
    return f'<ul class="legend">{keys}</ul>'


def _text(x: float | int, y: float | int, text: str, more: str = "") -> str:
    return f'<text class="label" x="{x:.1f}" y="{y:.1f}" text-anchor="middle" {more}>{html.escape(text)}</text>'


def _points(points: Sequence[tuple[float | int, float | int]]) -> str:
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
