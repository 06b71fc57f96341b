"""Numbers within bounds, exact for integers of any size."""

import math
from dataclasses import dataclass

Number = int | float


@dataclass(frozen=True)
class Bounds:
    """What a number may be. `minimum` and `maximum` are inclusive."""

    minimum: Number | None = None
    maximum: Number | None = None
    multiple_of: Number | None = None

    def __str__(self) -> str:
        parts = [
            f"at least {self.minimum}" if self.minimum is not None else "",
            f"at most {self.maximum}" if self.maximum is not None else "",
            f"a multiple of {self.multiple_of}" if self.multiple_of else "",
        ]
        return ", ".join(filter(None, parts))

    def nearest(self, value: Number) -> Number:
        """The valid number nearest to this one: itself where it is valid."""
        if self.minimum is not None:
            value = max(value, self.minimum)
        if self.maximum is not None:
            value = min(value, self.maximum)
        if not self.multiple_of:
            return value
        nearest = _nearest_multiple(value, self.multiple_of)
        if self.minimum is not None and nearest < self.minimum:
            nearest += self.multiple_of
        if self.maximum is not None and nearest > self.maximum:
            nearest -= self.multiple_of
        return nearest

    def allow(self, value: Number) -> bool:
        """Whether the number is one of them."""
        nearest = self.nearest(value)
        # Seeds go up to 2**64 - 1: integers are compared as such, never through floats.
        return nearest == value or (isinstance(value, float) and math.isclose(nearest, value))


def is_number(value: object) -> bool:
    """Whether it is a finite number; in Python, truth values and NaN are numbers too."""
    try:
        return (
            isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
        )
    except OverflowError:  # An integer of more than 308 digits.
        return False


def _nearest_multiple(value: Number, step: Number) -> Number:
    if isinstance(value, int) and isinstance(step, int):
        return (value + step // 2) // step * step
    return round(round(value / step) * step, 9)
