"""Faulty softmax cross-entropies, each with one mistake that somebody makes, in families of one kind of mistake.

Subject names are `numpy:tests/meta/faults.py:Mean.over_all_rows`.
"""

from form_faults import Form, Memory, Rows
from label_faults import Dense, Labels
from numeric_faults import Gradient, Precision, Softmax
from option_faults import Ignore, Mean, Smoothing, Upstream, Weight
from sample_faults import SampleWeight
from shape_faults import Shapes
from stage_faults import Softcap, ZLoss

FAMILIES = (
    *(Softmax, Precision, Gradient, Rows, Memory, Form, Labels, Dense),
    *(Smoothing, Mean, Ignore, Upstream, Weight, SampleWeight, ZLoss, Softcap, Shapes),
)
FAULTS = tuple(f"{family.__name__}.{name}" for family in FAMILIES for name in vars(family) if not name.startswith("_"))
