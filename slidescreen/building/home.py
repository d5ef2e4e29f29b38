"""Learn from training and validation cells to detect unfamiliar cells."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from types import MappingProxyType

import numpy as np
import scipy  # imports its parts at first use; they take most of a second
from numpy.typing import NDArray

from slidescreen.data.labels import LabelledImage
from slidescreen.data.splits import folds_of
from slidescreen.engine.configuration import load_engines
from slidescreen.engine.interface import EngineConfiguration
from slidescreen.ensembles.ensemble import Ensemble
from slidescreen.ensembles.familiarity import (
    COARSE,
    EXACT,
    Familiarity,
    Features,
    Floats,
    HomeFeatures,
    UsualShare,
    grades,
    together,
)
from slidescreen.ensembles.member_predictions import MemberPredictions, predict
from slidescreen.models.backbones import EARLY_FEATURES
from slidescreen.statistics.distances import covariance, principal_components, whitening

LEAST_CELLS = 200
"""The fewest training or validation cells that show how features scatter."""

LEAST_SHOWN = 10
"""The fewest cells of a label without a class that teach to tell such cells."""

MOST_OF_A_SOURCE = 2000
"""The most training cells of one source to use. More cells take time and change nothing."""

_COMPONENTS = 64
_LEAST_OF_A_CAMERA, _LEAST_OF_A_TYPE = 50, 5
_AS_POOLED = 100  # the weight of all cameras together, in cells, when one camera is estimated
_BELOW = 0.975
_FOLDS = 10  # without training cells; with fewer, a cell out of fold lies further from the others than a later one
# Shares of a slide's cells that may be unfamiliar. One patient in 22 of the shipped hospitals reaches about 0.5. Where
# a laboratory's own cells are measured, 2% is usual; the rest is for leukaemic slides, if only normal types are signed.
_MOST_AT_HOME, _MOST_OF_OWN, _MOST = 0.5, 0.35, 0.8
_LEAST_OF_A_SLIDE, _LEAST_SLIDES, _UNSEEN_CORRELATION = 20, 5, 0.05
_CORRELATIONS = (1e-4, 0.3)
_FREEDOM = 0.003  # inverse strength of the penalty, chosen across patients


TOO_FEW = (
    f"the ensemble will not tell unfamiliar slides: that takes {LEAST_CELLS} validation cells, and as many training "
    "cells where there are any"
)


def measured_familiarity(
    ensemble: Ensemble,
    configuration: EngineConfiguration,
    trained: Sequence[LabelledImage],
    measured: dict[str, MemberPredictions],
    progress: Callable[[str, int, int], None],
    unknown: Sequence[LabelledImage] = (),
) -> Familiarity | None:
    """Learn to detect cells and slides unlike those of the measurement; None if there are too few cells.

    Args:
        ensemble: the ensemble. Its members have 8-bit networks if `measured` has predictions of these networks.
        configuration: the configuration in which the networks run.
        trained: the training split. If it is empty, the validation cells replace it.
        measured: the predictions for the validation cells, by arithmetic, with features.
        progress: receives the name of the step, the number of finished images and of all images.
        unknown: cells of types without a class in the networks. Without training cells they are not used.
    """
    chosen = drawn(trained)
    if chosen and len(chosen) < LEAST_CELLS:
        return None
    if not all(member.int8 for member in ensemble.members):
        measured = {arithmetic: found for arithmetic, found in measured.items() if arithmetic != COARSE}
    seen, shown = {}, {}
    placeholder = [replace(image, label=ensemble.cell_types[0]) for image in unknown]
    for arithmetic in measured if chosen else ():
        precision = configuration.precision if arithmetic == EXACT else arithmetic
        engines = load_engines(ensemble.members, replace(configuration, precision=precision))
        what = partial(progress, f"looking at training cells in {precision}")
        seen[arithmetic] = predict(ensemble, engines, chosen, what, with_features=True)
        if unknown:
            looked = predict(ensemble, engines, placeholder, lambda _done, _of: None, with_features=True)
            shown[arithmetic] = ShownCells(tuple(image.label for image in unknown), looked.features)
    return measure(seen, measured, shown)


def drawn(images: Sequence[LabelledImage]) -> list[LabelledImage]:
    """Draw at most `MOST_OF_A_SOURCE` training images of each source. The draw is always the same."""
    order = np.random.default_rng(0).permutation(len(images)).tolist()
    taken: Counter[str] = Counter()
    chosen = []
    for place in order:
        source = images[place].source
        taken[source] += 1
        if taken[source] <= MOST_OF_A_SOURCE:
            chosen.append(place)
    return [images[place] for place in sorted(chosen)]


@dataclass(frozen=True)
class ShownCells:
    """Cells of types without a class in the networks: their labels, and their features (N, F) for each member."""

    labels: tuple[str, ...]
    features: tuple[Features, ...]


def measure(
    seen: dict[str, MemberPredictions],
    measured: dict[str, MemberPredictions],
    shown: Mapping[str, ShownCells] = MappingProxyType({}),
) -> Familiarity | None:
    """Learn to detect unfamiliar cells from the features of training and validation cells.

    Args:
        seen: the predictions for training cells, by arithmetic (always `fp32`, perhaps others), with features. If it
            is empty, the validation cells are measured against one another, each tenth against the others.
        measured: the predictions for validation cells, likewise.
        shown: cells without a class, by arithmetic as in `seen`.

    Returns:
        None if there are too few training or validation cells.
    """
    exact = measured[EXACT]
    fitted = seen or measured
    if min(len(fitted[EXACT].images), len(exact.images)) < LEAST_CELLS:
        return None
    networks: dict[tuple[int, str], HomeFeatures] = {}
    ratios: dict[tuple[int, str], Floats] = {}
    for arithmetic, predictions in measured.items():
        for member, features in enumerate(predictions.features):
            home = _fitted(fitted[arithmetic], member)
            if arithmetic in shown:
                home = with_shown(home, seen[arithmetic].features[member], shown[arithmetic], member, features)
            found = home.ratios(features) if seen else _by_folds(predictions, member)
            cuts = np.quantile(found, _BELOW, axis=0).tolist()
            networks[member, arithmetic] = replace(home, optics_cut=cuts[0], kind_cut=cuts[1])
            ratios[member, arithmetic] = found / cuts
    joint = together([ratios[member, EXACT] for member in range(len(exact.features))])
    optics_cut, kind_cut = np.quantile(joint, _BELOW, axis=0).tolist()
    beyond = grades(joint / (optics_cut, kind_cut)) >= 1
    unfamiliar, unknown = (usual_share(beyond[:, place], exact.images) for place in (0, 1))
    return Familiarity(
        networks,
        optics_cut,
        kind_cut,
        min(_MOST, max(_MOST_AT_HOME if seen else _MOST_OF_OWN, _highest(unfamiliar))),
        unknown,
        (len(fitted[EXACT].images) if seen else 0, len(exact.images)),
        tuple(sorted(_enough(shown[EXACT].labels))) if shown else (),
    )


def fit(features: Features, sources: Sequence[str], truth: NDArray[np.int64]) -> HomeFeatures:
    """The distribution of the features (N, F) of cells with these sources and types (N,)."""
    exact = features.astype(np.float64)
    middle, scale = exact.mean(axis=0), exact.std(axis=0) + 1e-6
    scaled = (exact - middle) / scale
    early, last = scaled[:, :EARLY_FEATURES], scaled[:, EARLY_FEATURES:]
    cameras = _cameras(sources)
    names = sorted(set(cameras.tolist()))
    centres = np.stack([early[cameras == name].mean(axis=0) for name in names])
    residuals = [early[cameras == name] - centre for name, centre in zip(names, centres, strict=True)]
    pooled = covariance(np.concatenate(residuals))
    components = principal_components(last, min(_COMPONENTS, len(last) // 4))
    projected = last @ components
    types = [kind for kind, count in Counter(truth.tolist()).items() if count >= _LEAST_OF_A_TYPE]
    means = np.stack([projected[truth == kind].mean(axis=0) for kind in sorted(types)])
    about = [projected[truth == kind] - mean for kind, mean in zip(sorted(types), means, strict=True)]
    return HomeFeatures(
        middle,
        scale,
        centres,
        np.stack([whitening(covariance(each, pooled, _AS_POOLED)) for each in residuals]),
        components,
        means,
        whitening(covariance(np.concatenate(about))),
        projected.std(axis=0),
        np.empty((0, components.shape[1])),
        np.empty(0),
    )


def with_shown(home: HomeFeatures, seen: Features, shown: ShownCells, member: int, measured: Features) -> HomeFeatures:
    """Let `home` also detect cells like the shown ones, with one logistic regression for each label of these.

    Args:
        home: the distribution of the training cells' features.
        seen: (N, F), the member's features of training cells.
        measured: (N, F), the member's features of validation cells. They give the scale.
        shown: the cells without a class.
        member: the member's position.
    """
    from sklearn.linear_model import LogisticRegression  # its import takes a second

    known = home.components_of(seen) / home.spread
    unknown = home.components_of(shown.features[member]) / home.spread
    scale = home.components_of(measured) / home.spread
    labels, weights, offsets = np.asarray(shown.labels), [], []
    for label in sorted(_enough(shown.labels)):
        points = np.concatenate([known, unknown[labels == label]])
        model = LogisticRegression(C=_FREEDOM, class_weight="balanced", max_iter=1000)
        model.fit(points, np.arange(len(points)) >= len(known))
        scores = model.decision_function(scale)
        weights.append(model.coef_[0] / scores.std() / home.spread)
        offsets.append((model.intercept_[0] - np.quantile(scores, _BELOW)) / scores.std())
    if not weights:
        return home
    return replace(home, shown=np.stack(weights), shown_offsets=np.asarray(offsets))


def _enough(labels: Sequence[str]) -> set[str]:
    """The labels that have enough cells to learn from."""
    return {label for label, count in Counter(labels).items() if count >= LEAST_SHOWN}


def usual_share(beyond: NDArray[np.bool_], images: Sequence[LabelledImage]) -> UsualShare:
    """The share of cells (N,) beyond a cut, and its correlation on slides: a beta-binomial by maximum likelihood.

    Only images with a known slide count for the correlation. With too few slides, the correlation is that of the
    shipped ensemble.
    """
    rate = (float(beyond.sum()) + 0.5) / (len(beyond) + 1)
    slides = np.asarray([image.slide for image in images])
    sizes = [(int(beyond[slides == name].sum()), int((slides == name).sum())) for name in set(slides.tolist()) - {""}]
    large = np.asarray([size for size in sizes if size[1] >= _LEAST_OF_A_SLIDE])
    if len(large) < _LEAST_SLIDES:
        return UsualShare(rate, _UNSEEN_CORRELATION)

    def loss(log_correlation: float) -> float:
        between = 1 / np.exp(log_correlation) - 1
        return -float(
            scipy.stats.betabinom.logpmf(large[:, 0], large[:, 1], rate * between, (1 - rate) * between).sum()
        )

    best = scipy.optimize.minimize_scalar(loss, bounds=np.log(_CORRELATIONS), method="bounded")
    return UsualShare(rate, max(float(np.exp(best.x)), _UNSEEN_CORRELATION))


def _highest(usual: UsualShare) -> float:
    """The share that one slide in a hundred exceeds."""
    between = 1 / usual.correlation - 1
    return float(scipy.stats.beta.ppf(0.99, usual.rate * between, (1 - usual.rate) * between))


def _fitted(predictions: MemberPredictions, member: int, chosen: NDArray[np.int64] | None = None) -> HomeFeatures:
    places = np.arange(len(predictions.images)) if chosen is None else chosen
    sources = [predictions.images[place].source for place in places.tolist()]
    return fit(predictions.features[member][places], sources, predictions.truth[places])


def _by_folds(predictions: MemberPredictions, member: int) -> Floats:
    """The ratios of cells. Each tenth is measured against the others; a slide stays whole if there are several."""
    groups = [image.slide or str(number) for number, image in enumerate(predictions.images)]
    if len(set(groups)) == 1:
        groups = list(map(str, range(len(groups))))
    found = np.empty((len(groups), 2))
    for part in folds_of(predictions.truth.tolist(), groups, _FOLDS):
        others = np.setdiff1d(np.arange(len(groups)), part)
        found[part] = _fitted(predictions, member, others).ratios(predictions.features[member][part])
    return found


def _cameras(sources: Sequence[str]) -> NDArray[np.str_]:
    """A name for the camera of each cell: its source if this has enough cells. The other sources share a name."""
    counts = Counter(sources)
    large = {name for name, count in counts.items() if count >= _LEAST_OF_A_CAMERA}
    rest = sum(count for name, count in counts.items() if name not in large)
    other = "" if rest >= _LEAST_OF_A_CAMERA or not large else max(large, key=lambda name: (counts[name], name))
    return np.asarray([name if name in large else other for name in sources])
