"""Writes the golden values for the measures of hourglass-measure, from scikit-learn, scipy and the papers' formulas.

One JSON file a measure. Inputs are float32 numbers (scores are float64), so that Rust starts from the same values; the
results are computed in float64. Needs scikit-learn 1.9, scipy and numpy; `python scripts/sklearn/golden.py` writes all.
"""

import json
from pathlib import Path

import numpy as np
from scipy.signal import convolve2d
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.preprocessing import StandardScaler

FOLDER = Path(__file__).parents[2] / "crates/hourglass-measure/tests/golden"


def short(values: np.ndarray) -> np.ndarray:
    """Rounded to multiples of 1/256: float32 numbers exactly, and few digits in the file."""
    return np.round(values * 256) / 256


def psnr(generator: np.random.Generator) -> dict:
    errors = 10 ** generator.uniform(-6, 0, 20)
    decibels = 10 * np.log10(1 / errors)
    return {"mean_squared_errors": errors, "decibels": decibels.mean(),
            "standard_error": decibels.std(ddof=1) / np.sqrt(len(errors))}


def ssim(first: np.ndarray, second: np.ndarray) -> float:
    """Equation 13 of Wang et al. (2004) with the whole window of section III.C, for one channel."""
    steps = np.arange(-5, 6)
    window = np.exp(-(steps[:, None] ** 2 + steps[None, :] ** 2) / (2 * 1.5**2))
    window /= window.sum()

    def mean(values):
        return convolve2d(values, window, mode="valid")

    m1, m2 = mean(first), mean(second)
    v1, v2, covariance = mean(first**2) - m1**2, mean(second**2) - m2**2, mean(first * second) - m1 * m2
    c1, c2 = 0.01**2, 0.03**2
    return np.mean((2 * m1 * m2 + c1) * (2 * covariance + c2) / ((m1**2 + m2**2 + c1) * (v1 + v2 + c2)))


def image_quality(generator: np.random.Generator) -> dict:
    cases = []
    for shape in [(1, 20, 17), (2, 11, 14)]:
        # Smooth images with some noise beside them, the negative of an image, and black beside grey.
        count = 4
        first = generator.random((count, *shape)).cumsum(axis=3)
        first /= first.max()
        second = np.clip(first + generator.normal(0, [[[[0.02]]], [[[0.1]]], [[[0.5]]], [[[0.1]]]], first.shape), 0, 1)
        second[2] = 1 - first[2]
        first[3], second[3] = 0, 0.5
        first, second = short(first), short(second)  # the file holds 256 times the pixels
        values = [np.mean([ssim(a, b) for a, b in zip(*pair)]) for pair in zip(first, second)]
        cases.append({"shape": shape, "first": (256 * first).astype(int).ravel(),
                      "second": (256 * second).astype(int).ravel(), "values": values})
    return {"psnr": psnr(generator), "ssim": cases}


def auroc(generator: np.random.Generator) -> list:
    cases = []
    for inliers, outliers, levels, shift in [(1, 1, 2, 1.0), (40, 25, 1000, 1.0), (60, 30, 2, 0.3), (25, 50, 4, -0.4)]:
        scores = generator.normal(0, 1, inliers + outliers)
        scores[inliers:] += shift
        scores = np.round(scores * levels) / levels  # so that there are ties
        outlier = np.arange(len(scores)) >= inliers
        area = roc_auc_score(outlier, scores)
        q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
        spread = area * (1 - area) + (outliers - 1) * (q1 - area**2) + (inliers - 1) * (q2 - area**2)
        cases.append({"inliers": scores[:inliers], "outliers": scores[inliers:], "area": area,
                      "standard_error": np.sqrt(spread / (inliers * outliers))})
    return cases


def classified(generator: np.random.Generator, rows: int, features: int, classes: int, spread: float):
    """Rows around a mean for each class, some features with other scales and means."""
    labels = generator.integers(classes, size=rows)
    labels[:classes] = np.arange(classes)
    means = generator.normal(0, 1, (classes, features))
    values = means[labels] + spread * generator.normal(0, 1, (rows, features))
    scales = 10.0 ** (np.arange(features) % 3 - 1)
    return short(scales * values + np.arange(features)), labels


def probe(generator: np.random.Generator) -> dict:
    values, labels = classified(generator, 400, 8, 4, 1.5)
    values[:, 5] = 3.25  # a constant feature
    labels = labels * 7  # classes are names, not places
    training, test, train_labels, test_labels = values[:300], values[300:], labels[:300], labels[300:]
    scaler = StandardScaler().fit(training)
    cases = []
    for penalty in [1.0, 30.0]:
        model = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000).fit(scaler.transform(training), train_labels)
        loss = log_loss(train_labels, model.predict_proba(scaler.transform(training)))
        cases.append({
            "penalty": penalty,
            "objective": loss + penalty / (2 * len(training)) * np.sum(model.coef_**2),
            "probabilities": model.predict_proba(scaler.transform(test))[:20],
            "accuracy": model.score(scaler.transform(test), test_labels),
        })
    return {"training": training.ravel(), "training_labels": train_labels, "test": test.ravel(),
            "test_labels": test_labels, "cases": cases}


def shuffled(count: int) -> list:
    """Numbers of rows in the order of SplitMix64's outputs for them: the first ones are used for the choice of a penalty."""
    mask = 2**64 - 1

    def scrambled(row: int) -> int:
        mixed = (row + 1) * 0x9E3779B97F4A7C15 & mask
        mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & mask
        mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & mask
        return mixed ^ mixed >> 31

    return sorted(range(count), key=scrambled)


def chosen_penalty(training: np.ndarray, labels: np.ndarray, scale) -> dict:
    """The penalty of 1000, 100, 10, 1 and 0.1 that is best on a fifth of the rows, and the cross-entropies there."""
    order = shuffled(len(training))
    held_out, fitted = order[:len(order) // 5], order[len(order) // 5:]
    nats = []
    for penalty in [1000, 100, 10, 1, 0.1]:
        model = LogisticRegression(C=1 / penalty, tol=1e-10, max_iter=10_000)
        model.fit(scale(training[fitted]), labels[fitted])
        nats.append(log_loss(labels[held_out], model.predict_proba(scale(training[held_out]))))
    return {"penalty": [1000, 100, 10, 1, 0.1][int(np.argmin(nats))], "held_out": held_out, "nats": nats}


def penalty(generator: np.random.Generator) -> list:
    """Dense features, which are standardised, and sparse ones, which have one scale in common and are not shifted."""
    dense, dense_labels = classified(generator, 260, 6, 3, 2.0)
    means = generator.normal(0, 1, (3, 16))
    sparse_labels = generator.integers(3, size=260)
    sparse = means[sparse_labels] + 2.0 * generator.normal(0, 1, (260, 16))
    sparse = np.where(sparse >= np.sort(sparse)[:, -4:-3], sparse, 0) * np.linspace(0.2, 3, 16)  # the 4 largest of each
    cases = []
    for values, labels in [(dense, dense_labels), (short(sparse), sparse_labels)]:
        training, test, train_labels, test_labels = values[:200], values[200:], labels[:200], labels[200:]
        is_sparse = np.mean(training == 0) >= 0.5
        scaler = StandardScaler().fit(training)
        mean_square = np.mean(training**2)

        def scale(rows):
            return rows / np.sqrt(mean_square) if is_sparse else scaler.transform(rows)

        choice = chosen_penalty(training, train_labels, scale)
        model = LogisticRegression(C=1 / choice["penalty"], tol=1e-10, max_iter=10_000)
        model.fit(scale(training), train_labels)
        cases.append({
            "scaling": "common" if is_sparse else "standardised", "choice": choice,
            "training": training.ravel(), "training_labels": train_labels, "test": test.ravel(), "test_labels": test_labels,
            "probabilities": model.predict_proba(scale(test))[:20], "accuracy": model.score(scale(test), test_labels),
        })
    return cases


def vote(labels: np.ndarray) -> tuple[int, bool]:
    """The class most frequent among neighbours, nearest first, and whether others are as frequent: the first of them wins."""
    counts = [int(np.sum(labels == label)) for label in labels]
    winners = {int(label) for label, count in zip(labels, counts) if count == max(counts)}
    return int(labels[counts.index(max(counts))]), len(winners) > 1


def neighbours(generator: np.random.Generator) -> dict:
    values, labels = classified(generator, 350, 6, 4, 1.2)
    training, test, train_labels, test_labels = values[:250], values[250:], labels[:250], labels[250:]
    model = KNeighborsClassifier(n_neighbors=5, algorithm="brute").fit(training, train_labels)
    found = model.kneighbors(test, return_distance=False)
    distances = model.kneighbors(test, n_neighbors=6)[0]
    assert np.diff(distances).min() > 1e-6  # the order does not hang on rounding
    votes = [vote(train_labels[row]) for row in found]
    # Where the vote is tied scikit-learn takes the lowest class, Hourglass that of the nearest neighbour.
    for (prediction, tied), theirs in zip(votes, model.predict(test)):
        assert tied or prediction == theirs
    assert 5 < sum(tied for _, tied in votes) < 50
    return {"training": training.ravel(), "training_labels": train_labels, "test": test.ravel(),
            "test_labels": test_labels, "neighbours": found, "predictions": [prediction for prediction, _ in votes]}


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for seed, measure in enumerate([image_quality, auroc, probe, neighbours, penalty]):
        values = measure(np.random.default_rng(seed))
        path = FOLDER / f"{measure.__name__}.json"
        path.write_text(json.dumps(values, default=lambda value: value.tolist(), separators=(",", ":")) + "\n")
        print(f"{path.name:20} {path.stat().st_size:6} bytes")


if __name__ == "__main__":
    main()
