"""Cases print as tokens that replay them; nothing else is taken for a token."""

from __future__ import annotations

import base64
import contextlib
import json
import zlib
from dataclasses import fields
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from xentcheck.build import VECTORS
from xentcheck.cases import EDITS, Case, Edit, Explicit, case_from_token

Json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["logits", "labels", "row"]), inner),
    max_leaves=6,
)
NAMES = [field.name for field in fields(Case)]


def token_of(document: Any) -> str:
    return "1" + base64.urlsafe_b64encode(zlib.compress(json.dumps(document).encode())).decode().rstrip("=")


@st.composite
def explicit(draw: st.DrawFn) -> Explicit:
    classes = draw(st.integers(1, 4))
    half = st.integers(0, 2**16 - 1).map(lambda bits: float(np.uint16(bits).view(np.float16)))
    row = st.tuples(*[half] * classes)
    rows = draw(st.lists(row, min_size=1, max_size=3))
    label = st.integers(-5, 5) if draw(st.booleans()) else row
    others = {name: draw(row) for name in draw(st.sets(st.sampled_from(["weight", "sample_weight", "upstream"])))}
    return Explicit.of(rows, [draw(label) for _ in rows], **others)


@given(
    case=st.builds(
        Case,
        seed=st.integers(0, 2**64 - 1),
        rows=st.integers(1, 5000),
        ignore_index=st.none() | st.integers(-(2**63), 2**63 - 1),
        label_smoothing=st.floats(0, 1),
        edits=st.lists(st.builds(Edit, st.integers(0, 9), st.integers(0, 9), st.sampled_from(EDITS))).map(tuple),
        z_loss=st.floats(0, 1),
        softcap=st.none() | st.floats(0.5, 100),
        vector=st.sampled_from(["none", *VECTORS]),
        weighted=st.booleans(),
        poison=st.sampled_from([None, "nan", "-inf"]),
        positions=st.lists(st.integers(1, 9), max_size=3).map(tuple),
        class_axis=st.integers(-3, 3),
        single=st.booleans(),
    )
)
def test_a_token_replays_its_case(case: Case) -> None:
    assert case_from_token(case.token) == case


@given(values=explicit())
def test_a_token_replays_explicit_values(values: Explicit) -> None:
    rows, classes = values.logits.shape
    case = Case(explicit=values, rows=rows, classes=classes)
    assert case_from_token(case.token) == case


def test_a_token_is_one_word_for_a_shell() -> None:
    token = Case(edits=(Edit(0, 1, "+inf"),), seed=2**32 - 1).token
    assert token.replace("-", "").replace("_", "").isalnum()
    assert not token.startswith("-")


@pytest.mark.parametrize("text", ["", "1", "2eJw", "1!!!", "1eJw", "what a token", "1\ud800", Case().token[:-3]])
def test_what_is_no_token_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match="not a case token"):
        case_from_token(text)


@given(document=Json | st.dictionaries(st.sampled_from(NAMES), Json))
def test_a_token_of_any_json_is_a_case_or_a_value_error(document: Any) -> None:
    with contextlib.suppress(ValueError):
        assert isinstance(case_from_token(token_of(document)), Case)
