"""Mahalanobis distances, against scipy's and scikit-learn's."""

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import EmpiricalCovariance
from sklearn.decomposition import PCA

from slidescreen.statistics.distances import covariance, distances, principal_components, whitening

RANDOM = np.random.default_rng(4)
POINTS = RANDOM.normal(size=(300, 5)) @ RANDOM.normal(size=(5, 5))


def test_distances_are_scipys() -> None:
    matrix = np.cov(POINTS.T)
    centres = np.stack([POINTS[:100].mean(axis=0), np.zeros(5)])
    found = distances(POINTS[:20], centres, whitening(matrix))
    for place, centre in enumerate(centres):
        expected = [mahalanobis(point, centre, np.linalg.inv(matrix)) for point in POINTS[:20]]
        assert np.allclose(found[:, place], expected)


def test_each_centre_may_have_a_scatter_of_its_own() -> None:
    several = np.stack([whitening(np.eye(5)), whitening(4 * np.eye(5))])
    found = distances(POINTS, np.zeros((2, 5)), several)
    assert np.allclose(found[:, 0], np.linalg.norm(POINTS, axis=1))
    assert np.allclose(found[:, 1], found[:, 0] / 2)


def test_a_covariance_is_scikit_learns_but_for_the_ridge() -> None:
    about = POINTS - POINTS.mean(axis=0)
    assert np.allclose(covariance(about), EmpiricalCovariance().fit(POINTS).covariance_ + 1e-3 * np.eye(5))


@pytest.mark.parametrize(("weight", "share"), [(0.0, 1.0), (300.0, 0.5), (900.0, 0.25)])
def test_a_covariance_is_shrunk_as_if_the_prior_were_seen_on_so_many_points(weight: float, share: float) -> None:
    about = POINTS - POINTS.mean(axis=0)
    seen = about.T @ about / len(about)
    assert np.allclose(covariance(about, np.eye(5), weight), share * seen + (1 - share) * np.eye(5))


def test_principal_components_are_scikit_learns() -> None:
    expected = PCA(3).fit(POINTS).components_
    assert np.allclose(np.abs((principal_components(POINTS, 3).T * expected).sum(axis=1)), 1)
