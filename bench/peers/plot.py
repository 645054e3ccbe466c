"""A bar chart as SVG: for each workload requests/s, and CPU time per request beside them."""

from html import escape

from figures import Spread, show
from table import OURS, Group, groups, spread
from workloads import WORKLOADS

# Pixels.
WIDTH, NAMES, BAR, GAP, TOP, PANEL = 900, 130, 16, 6, 46, 285
FIGURE = 65
# These colours differ in greyscale too.
OUR_COLOUR, COLOUR, RANGE = "#1660a8", "#b9c4cf", "#333"
PANELS = (("requests/s, more is better", "per_second"), ("CPU s per 1,000 requests, less is better", "cpu"))


def svg(records: list[dict]) -> str:
    parts, y = [], 10
    for workload, group in groups(records).items():
        parts.append(chart(WORKLOADS[workload].title, group, y))
        y += TOP + len(group) * (BAR + GAP) + 20
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" font-family="sans-serif" font-size="12" '
        f'fill="#222">\n<rect width="{WIDTH}" height="{y}" fill="#fff"/>\n'
    )
    return head + "\n".join(parts) + "\n</svg>\n"


def chart(title: str, group: Group, y: int) -> str:
    lines = [text(10, y + 14, title, 'font-weight="bold"')]
    for place, name in enumerate(group):
        lines.append(text(NAMES - 8, bar_top(y, place) + 12, name, 'text-anchor="end"'))
    for panel, (caption, key) in enumerate(PANELS):
        x = NAMES + panel * (PANEL + FIGURE + 30)
        lines.append(text(x, y + 34, caption, 'fill="#666"'))
        spreads = {name: spread(rounds, key) for name, rounds in group.items()}
        scale = PANEL / max(max(each.high for each in spreads.values()), 1e-9)
        for place, (name, each) in enumerate(spreads.items()):
            lines.append(bar(x, bar_top(y, place), each, scale, OUR_COLOUR if name in OURS else COLOUR))
    return "\n".join(lines)


def bar_top(y: int, place: int) -> int:
    return y + TOP + place * (BAR + GAP)


def bar(x: float, y: float, each: Spread, scale: float, colour: str) -> str:
    """The median as a bar, the range as a line through its end, and the figure after both."""
    middle = y + BAR / 2
    low, high = x + each.low * scale, x + each.high * scale
    return (
        f'<rect x="{x}" y="{y}" width="{each.middle * scale:.1f}" height="{BAR}" fill="{colour}"/>'
        f'<line x1="{low:.1f}" x2="{high:.1f}" y1="{middle}" y2="{middle}" stroke="{RANGE}" stroke-width="2"/>'
        + text(round(high + 5, 1), y + 12, show(each.middle))
    )


def text(x: float, y: float, content: str, more: str = "") -> str:
    return f'<text x="{x}" y="{y}" {more}>{escape(content)}</text>'
