"""What a measurement declares besides its code: the columns of its table, and ratios."""

import dataclasses
import typing

# Measurement, configuration, key: where a number stands in a round's results.
Path = typing.Tuple[str, str, str]


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a measurement's table."""
    key: str
    head: str
    form: str = "{:.0f}"
    scale: float = 1.0


@dataclasses.dataclass(frozen=True)
class Ratio:
    """A line of the table of ratios: (over - minus) / under, formed within a round."""
    what: str
    over: Path
    under: typing.Optional[Path] = None  # None: the number itself is compared with the target.
    minus: typing.Optional[Path] = None
    bound: typing.Optional[str] = None  # "min": at least; "max": at most; None: no target.
    reach: float = 0.0
    aim: float = 0.0

    def paths(self):
        return [path for path in (self.over, self.minus, self.under) if path]
