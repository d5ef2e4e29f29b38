"""Distances of points from groups of other points, in units of the groups' scatter."""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

_RIDGE = 1e-3  # added to variances of 1, so that directions with almost no scatter do not dominate


def principal_components(points: Floats, count: int) -> Floats:
    """The unit vectors (D, count) along which points (N, D) scatter most, in decreasing order."""
    _, directions = np.linalg.eigh(np.cov(points.T))
    return np.asarray(directions[:, ::-1][:, :count])


def covariance(residuals: Floats, prior: Floats | None = None, weight: float = 0.0) -> Floats:
    """The covariance (D, D) of residuals (N, D) about 0, shrunk towards `prior` with the weight of `weight` points.

    The idea is from Ledoit and Wolf 2004. The caller chooses the weight.
    """
    seen = residuals.T @ residuals
    if prior is None:
        return np.asarray(seen / len(residuals) + _RIDGE * np.eye(residuals.shape[1]))
    return np.asarray((seen + weight * prior) / (len(residuals) + weight))


def whitening(covariances: Floats) -> Floats:
    """The matrix W (D, D) for which the length of x W is the Mahalanobis distance of x from 0."""
    lower = np.linalg.cholesky(covariances)
    return np.asarray(np.linalg.inv(lower).T)


def distances(points: Floats, centres: Floats, whitenings: Floats) -> Floats:
    """Mahalanobis distances (N, C) of points (N, D) from centres (C, D), by one W (D, D) or one each (C, D, D)."""
    shared = whitenings.ndim == 2
    found = [
        np.linalg.norm((points - centre) @ (whitenings if shared else whitenings[place]), axis=1)
        for place, centre in enumerate(centres)
    ]
    return np.stack(found, axis=1)
