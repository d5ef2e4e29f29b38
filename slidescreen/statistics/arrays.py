"""Convert arguments to arrays of the right type and shape, or refuse them with a `ValueError`."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]

# Probabilities read back from a file are rounded: sixteen of them to four decimals are off by 0.0008 at most.
SUM_TOLERANCE = 1e-3

# float64 holds every whole number up to this one.
_LARGEST_COUNT = 2**53


def positive_integer(value: int, name: str) -> int:
    """`value`, if it is an integer of 1 or more."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name} must be an integer of 1 or more, received {value!r}")
    return int(value)


def fraction(value: float, name: str, *, ends: bool = False) -> float:
    """`value`, if it lies between 0 and 1; `ends` allows 0 and 1 themselves."""
    if not (0 <= value <= 1 if ends else 0 < value < 1):
        bounds = "from 0 to 1" if ends else "between 0 and 1, both excluded"
        raise ValueError(f"{name} must be {bounds}, received {value!r}")
    return float(value)


def one_dimensional(values: ArrayLike, name: str) -> NDArray[np.generic]:
    """`values` as an array of shape (n,)."""
    array = np.asarray(values)
    if array.ndim != 1:
        raise ValueError(f"{name} must have one dimension, received shape {array.shape}")
    return array


def numbers(values: ArrayLike, name: str, *, finite: bool = True) -> Floats:
    """`values` as float64 of shape (n,) without NaN, and with `finite` without infinities."""
    array = one_dimensional(values, name)
    if array.size and array.dtype.kind not in "biuf":
        raise ValueError(f"{name} must be numbers, received {array.dtype}")
    result = array.astype(np.float64)
    refused = ~np.isfinite(result) if finite else np.isnan(result)
    if refused.any():
        allowed = "finite numbers" if finite else "numbers or infinities"
        raise ValueError(f"{name} must be {allowed}, received {result[refused][0]} at {np.argmax(refused)}")
    return result


def truth_values(values: ArrayLike, name: str) -> Bools:
    """`values` as booleans of shape (n,). 0 and 1 are allowed."""
    array = one_dimensional(values, name)
    refused = array if array.dtype.kind not in "biu" else array[(array != 0) & (array != 1)]
    if refused.size:
        raise ValueError(f"{name} must be booleans (or 0 and 1), received {refused[0]} of type {array.dtype}")
    return array.astype(np.bool_)


def type_indices(values: ArrayLike, n_types: int, name: str) -> Ints:
    """`values` as type indices of shape (n,), each from 0 to `n_types` - 1."""
    array = one_dimensional(values, name)
    if array.size == 0:
        return array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise ValueError(f"{name} must be integer type indices, received {array.dtype}")
    if array.min() < 0 or array.max() >= n_types:
        raise ValueError(
            f"{name} must be type indices from 0 to {n_types - 1}, received {array.min()} to {array.max()}"
        )
    return array.astype(np.int64)


def same_length(**arrays: NDArray[np.generic]) -> None:
    """Refuse arrays whose first axes differ in length."""
    lengths = {name: len(array) for name, array in arrays.items()}
    if len(set(lengths.values())) > 1:
        received = ", ".join(f"{name} {length}" for name, length in lengths.items())
        raise ValueError(f"{' and '.join(lengths)} must have the same length, received {received}")


def at_least(array: NDArray[np.generic], least: int, name: str) -> None:
    """Refuse an array of fewer than `least` elements."""
    if len(array) < least:
        raise ValueError(f"{name} must have {least} or more elements, received {len(array)}")


def counts(values: ArrayLike, name: str) -> Ints:
    """`values` of any shape as whole numbers of 0 or more."""
    array = np.asarray(values)
    if array.size and array.dtype.kind not in "iuf":
        raise ValueError(f"{name} must be counts, received {array.dtype}")
    refused = array[~(array >= 0) | (array != np.floor(array)) | (array > _LARGEST_COUNT)]
    if refused.size:
        raise ValueError(f"{name} must be whole counts from 0 to 2**53, received {refused[0]}")
    return array.astype(np.int64)


def square_counts(values: ArrayLike, name: str = "matrix", *, stack: bool = False) -> Ints:
    """`values` as counts of shape (K, K), or with `stack` of shape (m, K, K), K at least 1."""
    result = counts(values, name)
    if result.ndim != (3 if stack else 2) or result.shape[-1] != result.shape[-2] or result.shape[-1] == 0:
        wanted = "(m, K, K)" if stack else "(K, K)"
        raise ValueError(f"{name} must have the shape {wanted}, received {result.shape}")
    return result


def probability_rows(values: ArrayLike, name: str = "probabilities") -> Floats:
    """`values` as float64 of shape (n, K), each row from 0 to 1 with the sum 1 (to 0.001)."""
    array = np.asarray(values, dtype=np.float64)
    if array.ndim != 2 or array.shape[1] == 0:
        raise ValueError(f"{name} must have the shape (cells, types), received {array.shape}")
    if array.size and not ((array >= 0) & (array <= 1 + SUM_TOLERANCE)).all():
        raise ValueError(f"{name} must be from 0 to 1, received {array.min()} to {array.max()}")
    sums = array.sum(axis=1)
    off = np.abs(sums - 1) > SUM_TOLERANCE
    if off.any():
        raise ValueError(f"{name} must sum to 1 for every cell, received {sums[off][0]:.6g} at {np.argmax(off)}")
    return array
