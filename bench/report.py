"""Figures with their bars: a small table for people, one JSON object for programs."""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field

from rich.console import Console
from rich.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One thing measured. `bar` is what it should reach, or stay under where `below` is set."""

    name: str
    value: float
    unit: str = ""
    bar: float | None = None
    below: bool = False

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None where there is none."""
        if self.bar is None:
            return None
        return self.value <= self.bar if self.below else self.value >= self.bar


@dataclass(slots=True, kw_only=True)
class Report:
    """What one bench found; `notes` are lines below the table."""

    name: str
    figures: list[Figure] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        name: str,
        value: float,
        unit: str = "",
        *,
        at_least: float | None = None,
        at_most: float | None = None,
    ) -> None:
        """Note a figure, with a bar on one side or none."""
        bar = at_least if at_most is None else at_most
        self.figures.append(
            Figure(name=name, value=value, unit=unit, bar=bar, below=at_most is not None)
        )

    def json(self) -> str:
        """Everything, with how busy the machine was."""
        figures = [{**asdict(figure), "met": figure.met} for figure in self.figures]
        return json.dumps(
            {
                "bench": self.name,
                "cores": os.cpu_count(),
                "load": os.getloadavg()[0],
                "figures": figures,
                "notes": self.notes,
            }
        )

    def show(self, console: Console) -> None:
        """Print the table."""
        table = Table(title=self.name, title_justify="left")
        for heading, justify in (
            ("", "left"),
            ("measured", "right"),
            ("bar", "right"),
            ("", "left"),
        ):
            table.add_column(heading, justify="right" if justify == "right" else "left")
        for figure in self.figures:
            table.add_row(figure.name, f"{_number(figure.value)} {figure.unit}", *_bar(figure))
        console.print(table)
        for note in self.notes:
            console.print(note, markup=False, highlight=False, soft_wrap=True)
        load = os.getloadavg()[0]
        console.print(f"{os.cpu_count()} cores; load of the last minute {load:.1f}")


def _bar(figure: Figure) -> tuple[str, str]:
    if figure.bar is None:
        return "", ""
    return f"{'≤' if figure.below else '≥'} {_number(figure.bar)}", "yes" if figure.met else "NO"


def _number(value: float) -> str:
    if value == int(value) or abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.3g}"


def median(values: Sequence[float]) -> float:
    """The middle of some values; of none 0."""
    return percentile(values, 50)


def percentile(values: Sequence[float], share: int) -> float:
    """The value that `share` per cent of the values do not exceed; of none 0."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, len(ordered) * share // 100)] if ordered else 0.0


def most(counts: Mapping[str, int], of: int, *, lines: int = 40) -> list[str]:
    """The most frequent statements, each per one of `of` activities."""
    ranked = sorted(counts.items(), key=lambda item: -item[1])[:lines]
    return [f"  {count / of:6.2f} × {text}" for text, count in ranked]
