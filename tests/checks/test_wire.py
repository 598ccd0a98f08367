"""What crosses between a check and a student elsewhere: exactly what was sent, and nothing that is malformed."""

import json

import numpy as np
import pytest
import torch

from deepul_utils.checks.student import Reference
from deepul_utils.checks.wire import Malformed, dumps, loads

VALUES = [
    3,
    -0.5,
    True,
    None,
    "x",
    1 + 2j,
    [1, [2.0, "three"]],
    {"a": [1], "b": {"c": 2}},
    Reference(4, "Linear"),
    np.arange(6.0).reshape(2, 3),
    np.zeros((0, 3), dtype=np.int8),
    np.array(2.5),
    np.array([True, False]),
    np.array([np.nan, np.inf]),
    np.arange(6).reshape(2, 3).T,
    torch.arange(3),
    torch.tensor(1.5, dtype=torch.float64),
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_is_sent_arrives(value):
    got = loads(dumps(value))
    assert type(got) is type(value)
    if isinstance(value, torch.Tensor):
        assert torch.equal(got, value)
    else:
        np.testing.assert_equal(got, value)
    if isinstance(value, (np.ndarray, torch.Tensor)):
        assert (got.dtype, got.shape) == (value.dtype, value.shape)


def test_nan_arrives():
    assert np.isnan(loads(dumps(float("nan"))))


@pytest.mark.parametrize("value", [object(), {1, 2}, lambda: 0, np.array([object()])])
def test_other_objects_do_not_cross(value):
    with pytest.raises(TypeError):
        dumps(value)


ARRAY = {"array": "AAAAAAAAAAA=", "dtype": "<f8", "shape": [1]}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "{}",
        "[" * 100_000 + "]" * 100_000,
        "[" * 30 + "]" * 30,
        json.dumps(ARRAY | {"dtype": "O"}),
        json.dumps(ARRAY | {"dtype": "V8"}),
        json.dumps(ARRAY | {"dtype": "no such"}),
        json.dumps(ARRAY | {"dtype": "(1000000,1000000)f8"}),
        json.dumps(ARRAY | {"shape": [2]}),
        json.dumps(ARRAY | {"shape": [-1]}),
        json.dumps(ARRAY | {"shape": [10**12, 10**12]}),
        json.dumps(ARRAY | {"shape": 1}),
        json.dumps(ARRAY | {"array": "not base64"}),
        json.dumps(ARRAY | {"array": 5}),
        json.dumps({"complex": [1]}),
        json.dumps({"reference": "x", "type": "Linear"}),
        json.dumps({"dict": [[1, 2, 3]]}),
    ],
    ids=lambda text: text[:40],
)
def test_malformed_text_is_refused(text):
    with pytest.raises(Malformed):
        loads(text)


def test_what_is_too_large_is_refused():
    with pytest.raises(Malformed, match="MiB"):
        loads(dumps("x" * 5000), max_bytes=1000)
    with pytest.raises(Malformed, match="which a check does not take"):
        loads(dumps(np.zeros(140)), max_bytes=1000)
