"""How an honest implementation computes: the roundings it makes, as unit roundoffs."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log, log2
from typing import Literal

from .problem import InvalidProblem

Storage = Literal["wide", "stored", "uniform"]
SumModel = Literal["pairwise"] | tuple[Literal["block", "lane"], int]

# dtype -> (unit roundoff u = 2^-p for p significant bits, smallest normal, spacing of subnormals, largest finite)
_FORMATS: dict[str, tuple[float, float, float, float]] = {
    "float16": (2.0**-11, 2.0**-14, 2.0**-24, (2.0 - 2.0**-10) * 2.0**15),
    "bfloat16": (2.0**-8, 2.0**-126, 2.0**-133, (2.0 - 2.0**-7) * 2.0**127),
    "float32": (2.0**-24, 2.0**-126, 2.0**-149, (2.0 - 2.0**-23) * 2.0**127),
    "float64": (2.0**-53, 2.0**-1022, 2.0**-1074, (2.0 - 2.0**-52) * 2.0**1023),
}


@dataclass(frozen=True)
class Profile:
    """The arithmetic a subject declares.

    storage: "wide" = float32 inside and one rounding on the way out; "stored" = float32 inside, but sum(exp) and
    log-softmax are stored in the dtype; "uniform" = every operation rounds to the dtype. float32 and float64 compute in
    themselves, so their three levels coincide.
    sum_model: how a sum over the classes is ordered: "pairwise"; ("block", B) = sequential in blocks of B;
    ("lane", L) = sequential in each of L SIMD lanes.
    offset: the implementation rounds max + log(sum) before subtracting the logit (`logsumexp(x) - x[y]`).
    row_sums: whether a 16-bit reduction over the rows accumulates in float32 ("wide") or in the dtype ("io").
    underflow: below how many smallest normal numbers a result of exp may become 0 (not in float16).
    elementwise, accumulator, output: dtypes that differ from what the storage implies: of exp, log and products; of the
    sums over the classes; of the results before they are returned in `dtype`.

    Raises:
        InvalidProblem: an unknown dtype, storage or sum model.
    """

    dtype: str
    storage: Storage = "stored"
    sum_model: SumModel = ("lane", 4)
    offset: bool = False
    row_sums: Literal["wide", "io"] = "io"
    underflow: float = 1.0
    elementwise: str | None = None
    accumulator: str | None = None
    output: str | None = None

    def __post_init__(self) -> None:
        for name in ("dtype", "elementwise", "accumulator", "output"):
            value = getattr(self, name)
            if value not in _FORMATS and (value is not None or name == "dtype"):
                raise InvalidProblem(f"{name}: got {value!r}, expected one of {', '.join(_FORMATS)}")
        if self.storage not in ("wide", "stored", "uniform"):
            raise InvalidProblem(f"storage: got {self.storage!r}, expected wide, stored or uniform")
        model = self.sum_model
        if model != "pairwise" and not (len(model) == 2 and model[0] in ("block", "lane") and model[1] >= 1):
            raise InvalidProblem(f"sum_model: got {model!r}, expected 'pairwise', ('block', B) or ('lane', L)")

    @classmethod
    def unknown(cls, dtype: str) -> Profile:
        """The loosest honest profile: for a kernel nobody has described."""
        storage: Storage = "uniform" if dtype in ("float16", "bfloat16") else "stored"
        return cls(dtype, storage, ("lane", 4), offset=True)

    @property
    def narrow(self) -> bool:
        """Whether the dtype is narrower than the float32 it may be computed in."""
        return self.dtype in ("float16", "bfloat16")

    @property
    def u(self) -> float:
        """Unit roundoff of the dtype, and of the rounding of every output: half an ulp at most."""
        return max(_FORMATS[self.dtype][0], _FORMATS[self.output or self.dtype][0])

    @property
    def u_sum(self) -> float:
        """Of the accumulator of sums over the classes."""
        if self.accumulator:
            return _FORMATS[self.accumulator][0]
        return _FORMATS["float32"][0] if self.narrow else _FORMATS[self.dtype][0]

    @property
    def u_elementwise(self) -> float:
        """Of exp, log, subtraction, multiplication."""
        if self.elementwise:
            return _FORMATS[self.elementwise][0]
        return _FORMATS[self.dtype if self.storage == "uniform" or not self.narrow else "float32"][0]

    @property
    def u_stored_sum(self) -> float:
        """Of storing sum(exp)."""
        return self.u if self.narrow and self.storage != "wide" else 0.0

    @property
    def u_log_softmax(self) -> float:
        """Of storing log-softmax."""
        return 0.0 if self.narrow and self.storage == "wide" else self.u

    @property
    def u_product(self) -> float:
        """Of storing q * log-softmax where elementwise operations do not round to the dtype anyway."""
        return self.u if self.narrow and self.storage == "stored" else 0.0

    @property
    def eta(self) -> float:
        """Absolute error of one underflow: the smallest normal, as TensorFlow and XLA flush below it, or more where
        that is declared.

        float16 is never flushed on the machines we know, so there it is one subnormal spacing.
        """
        _, normal, spacing, _ = _FORMATS[self.dtype]
        return spacing if self.dtype == "float16" else self.underflow * normal

    @property
    def eta_elementwise(self) -> float:
        """The same for the dtype that exp is computed in."""
        if self.storage == "uniform" or not self.narrow:
            return self.eta
        return self.underflow * _FORMATS["float32"][1]

    @property
    def largest(self) -> float:
        """Largest finite value: an answer beyond it is honestly returned as infinity."""
        return _FORMATS[self.dtype][3]

    def class_sum(self, count: int) -> float:
        """h(C): relative error of a sum of `count` same-signed terms over the classes, in u_sum.

        The worst case of the summation order (Higham, Accuracy and Stability, 4.2): no square roots, because one
        maximum with a constant tail rounds the same way C times and attains it.
        """
        tree = log2(max(count, 2))
        if self.sum_model == "pairwise":
            return tree + 16.0  # NumPy and XLA add 128 terms in 8 lanes of 16 before they pair
        kind, size = self.sum_model
        if kind == "block":
            return min(count, size) / 8.0 + tree + 2.0  # 8 lanes within a block, a tree above
        return count / size + tree + 2.0

    def row_sum(self, count: int) -> float:
        """Relative error of a sum of `count` same-signed row losses.

        PyTorch's nll_loss adds rows in the dtype, 16 in sequence per level of a cascade: 15 roundings a level.
        """
        levels = ceil(log(max(count, 2), 16))
        cascade = min(max(count - 1, 0), 15 * levels)
        u = self.u if self.row_sums == "io" else self.u_sum
        return max(self.class_sum(count) * self.u_sum, cascade * u)
