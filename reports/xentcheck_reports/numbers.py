"""Numbers as people read them."""

import math
from datetime import UTC, datetime

_NARROW_SPACE = "\u202f"
# ceil(1 + bits * log10(2)): so many decimal digits come back as the same binary value
_DIGITS = {"bfloat16": 4, "float16": 5, "float32": 9, "float64": 17}
_DOUBLE_DIGITS = 16  # from here on the shortest exact text of a double is as short


def ratio_text(ratio: float) -> str:
    """Error/bound with two decimals, rounded away from 1: a pass never reads as 1.00 plus, a failure never as 1.00."""
    if not math.isfinite(ratio):
        return "NaN" if math.isnan(ratio) else "∞"
    if ratio >= 9999.5:
        return f"{ratio:.1e}".replace("e+0", "e").replace("e+", "e")
    if ratio >= 100:
        return f"{ratio:.0f}"
    if ratio > 1:
        return f"{math.ceil(ratio * 100) / 100:.2f}"
    if 0 < ratio < 0.01:
        return "<0.01"
    return f"{math.floor(ratio * 100) / 100:.2f}" if ratio else "0"


def ulp_text(ulp: float) -> str:
    """An error in ulp in at most five characters: `0.50`, `4.2`, `46`, `4.5e4`, `1e13`."""
    if not math.isfinite(ulp):
        return "NaN" if math.isnan(ulp) else "∞"
    if ulp == 0:
        return "0"
    if ulp < 9.95:
        return f"{ulp:.2f}" if ulp < 0.995 else f"{ulp:.1f}"
    if ulp < 999.5:
        return f"{ulp:.0f}"
    text = f"{ulp:.1e}" if ulp < 9.95e9 else f"{ulp:.0e}"
    return text.replace(".0e", "e").replace("e+0", "e").replace("e+", "e")


def digits_text(value: float, dtype: str) -> str:
    """A value with the digits that tell all values of the dtype apart; as short as that allows."""
    return f"{value:.{_DIGITS.get(dtype, 17)}g}"


def interval_text(expected: float, bound: float) -> str:
    """`expected ± bound`, the value with the digits that the bound makes meaningful."""
    return f"{value_text(expected, expected, bound)} ± {bound:.2g}" if bound else value_text(expected, expected, bound)


def value_text(value: float | str, expected: float, bound: float) -> str:
    """A value to be compared with `expected ± bound`: two digits finer than the bound, exact where the bound is 0."""
    if isinstance(value, str):
        return value
    if math.isnan(value):
        return "NaN"
    digits = _meaningful_digits(expected, bound)
    return repr(value) if digits >= _DOUBLE_DIGITS else f"{value:.{digits}g}"


def _meaningful_digits(expected: float, bound: float) -> int:
    magnitude = abs(expected)
    if not (0 < bound < math.inf and 0 < magnitude < math.inf):
        return _DOUBLE_DIGITS
    return max(3, 2 + math.ceil(math.log10(magnitude) - math.log10(bound)))


def share_text(equal: int, of: int) -> str:
    """A percentage that says 100 % only of all and 0 % only of none."""
    if of == 0:
        return "none compared"
    if 0 < equal * 10_000 < of:
        return "<0.01 %"
    hundredths = equal * 10_000 // of  # rounded down: 99.999 % stays below 100 %
    return "100 %" if equal == of else f"{hundredths / 100:.2f} %" if equal else "0 %"


def count_text(count: int) -> str:
    """Thousands set apart by a narrow space."""
    return f"{count:,}".replace(",", _NARROW_SPACE)


def utc_text(epoch_seconds: int) -> str:
    """`2026-01-31 23:59 UTC`."""
    return datetime.fromtimestamp(epoch_seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")


def plural(count: int, noun: str) -> str:
    """`1 failure`, `2 failures`."""
    return f"{count_text(count)} {noun}{'' if count == 1 else 's'}"


def seconds_text(seconds: float) -> str:
    """`12 ms`, `3.4 s`."""
    return f"{seconds:.1f} s" if seconds >= 1 else f"{max(1, round(1000 * seconds))} ms"


def multiple_text(multiple: float) -> str:
    """How many times as much: `1.28`, `14.2`, `163`."""
    return f"{multiple:.{2 if multiple < 9.995 else 1 if multiple < 99.95 else 0}f}"


def time_text(seconds: float) -> str:
    """Three digits in the unit that suits: `1.28 µs`, `45.2 µs`, `2.56 ms`."""
    units = (("ns", 1e-9), ("µs", 1e-6), ("ms", 1e-3))
    unit, scale = next(((unit, scale) for unit, scale in units if seconds < 999.5 * scale), ("s", 1.0))
    return f"{multiple_text(seconds / scale)} {unit}"


def per_second_text(count: float) -> str:
    """`1.9e9`"""
    return f"{count:.1e}".replace("e+0", "e").replace("e+", "e")
