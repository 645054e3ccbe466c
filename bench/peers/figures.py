"""Statistics: percentiles, the median and the range of rounds, and whether a difference is significant."""

from dataclasses import dataclass
from statistics import median


def percentile(samples: list[float], percent: float) -> float:
    """The percentile of the samples."""
    ordered = sorted(samples)
    return ordered[min(int(len(ordered) * percent / 100), len(ordered) - 1)] if ordered else float("nan")


@dataclass(frozen=True)
class Spread:
    """The median and the range of one figure over the rounds."""

    middle: float
    low: float
    high: float
    rounds: int

    @classmethod
    def of(cls, values: list[float]) -> "Spread":
        return cls(median(values), min(values), max(values), len(values))

    def touches(self, other: "Spread") -> bool:
        """Whether the ranges overlap: then neither value counts as larger."""
        return self.low <= other.high and other.low <= self.high

    def show(self, scale: float = 1.0) -> str:
        middle, low, high = (show(value * scale) for value in (self.middle, self.low, self.high))
        return middle if low == high else f"{middle} ({low}–{high})"


def show(value: float) -> str:
    """About three digits."""
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.3f}"


def ratio(one: Spread, other: Spread) -> str:
    """The ratio, or `≈` if the ranges overlap; in parentheses if there is a single round and so no range."""
    if one.touches(other):
        return "≈"
    shown = f"× {show(one.middle / other.middle)}"
    return shown if min(one.rounds, other.rounds) > 1 else f"({shown})"
