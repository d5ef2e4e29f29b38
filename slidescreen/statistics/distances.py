"""How far points lie from where others lie, in units of how these scatter."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_RIDGE = 1e-3  # of a variance of 1: what hardly varies among the points that are known is no yardstick


def principal_components(points: Floats, count: int) -> Floats:
    """The directions (D, count) in which points (N, D) scatter most, of length 1, the first one first."""
    _, directions = np.linalg.eigh(np.cov(points.T))
    return np.asarray(directions[:, ::-1][:, :count])


def covariance(residuals: Floats, prior: Floats | None = None, weight: float = 0.0) -> Floats:
    """The covariance (D, D) of residuals (N, D) about 0, shrunk to `prior` as if that were seen on `weight` points.

    Ledoit and Wolf 2004 give the idea; the weight is the caller's.
    """
    seen = residuals.T @ residuals
    if prior is None:
        return np.asarray(seen / len(residuals) + _RIDGE * np.eye(residuals.shape[1]))
    return np.asarray((seen + weight * prior) / (len(residuals) + weight))


def whitening(covariances: Floats) -> Floats:
    """The matrix W (D, D) by which the length of x W is the Mahalanobis distance of x from 0."""
    lower = np.linalg.cholesky(covariances)
    return np.asarray(np.linalg.inv(lower).T)


def distances(points: Floats, centres: Floats, whitenings: Floats) -> Floats:
    """The Mahalanobis distances (N, C) of points (N, D) from centres (C, D), by W (D, D), or one for each (C, D, D)."""
    shared = whitenings.ndim == 2
    found = [
        np.linalg.norm((points - centre) @ (whitenings if shared else whitenings[place]), axis=1)
        for place, centre in enumerate(centres)
    ]
    return np.stack(found, axis=1)
