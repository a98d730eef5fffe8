"""Linear window forecasters in closed form: ridge from the last L values to the next H, blended on held-out data.

Each window is taken relative to its own mean, so that a changed level does not hurt (as RLinear and NLinear do). Huber
weights per window lower the absolute error. Blend weights are non-negative least squares on a validation part.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import nnls

_PENALTY = 0.01


def windows(values: np.ndarray, back: int, ahead: int, starts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return (past, future) windows around each start: shapes (n, channels, back) and (n, channels, ahead).

    Args:
        values: shape (time, channels).
        back, ahead: lengths.
        starts: positions of the first future value.
    """
    view = np.lib.stride_tricks.sliding_window_view(values, back + ahead, axis=0)[starts - back]
    return view[..., :back], view[..., back:]


@dataclass
class WindowRidge:
    """One look-back; `shared` uses the same weights for every channel; `robust` fits with Huber weights."""

    back: int
    shared: bool = True
    penalty: float = _PENALTY
    robust: bool = False
    weights: list[np.ndarray] = field(default_factory=list)

    def fit(self, values: np.ndarray, ahead: int, starts: np.ndarray) -> None:
        """Fit on the windows around `starts`; see `windows`."""
        past, future = windows(values, self.back, ahead, starts[starts >= self.back])
        mean = past.mean(-1, keepdims=True)
        x, y = past - mean, future - mean
        if self.shared:
            self.weights = [self._solve(x.reshape(-1, self.back), y.reshape(-1, ahead))] * values.shape[1]
        else:
            self.weights = [self._solve(x[:, c], y[:, c]) for c in range(values.shape[1])]

    def _solve(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        weights = _ridge(x, y, self.penalty)
        for _ in range(4 if self.robust else 0):
            miss = np.abs(x @ weights - y).mean(axis=1)
            share = (1 / np.sqrt(np.maximum(miss, 0.1 * float(np.std(y)) + 1e-12)))[:, None].astype(x.dtype)
            weights = _ridge(x * share, y * share, self.penalty)
        return weights

    def predict(self, past: np.ndarray) -> np.ndarray:
        """Forecast from windows of at least `back` values, shape (n, channels, ≥ back) to (n, channels, ahead)."""
        past = past[..., -self.back :]
        mean = past.mean(-1, keepdims=True)
        x = past - mean
        return np.stack([x[:, c] @ self.weights[c] for c in range(x.shape[1])], axis=1) + mean


@dataclass
class WindowEnsemble:
    """A blend of `WindowRidge` members whose weights are learnt on validation windows."""

    members: list[WindowRidge]
    blend: np.ndarray = field(default_factory=lambda: np.empty(0))

    @classmethod
    def standard(cls, season: int = 24) -> WindowEnsemble:
        """Return members with look-backs of about one, two and three weeks of hours (7, 14 and 21 seasons)."""
        return cls(
            [
                WindowRidge(7 * season, shared=False),
                WindowRidge(14 * season),
                WindowRidge(21 * season),
                WindowRidge(14 * season, robust=True),
                WindowRidge(21 * season, robust=True),
            ]
        )

    @property
    def back(self) -> int:
        """The longest look-back."""
        return max(member.back for member in self.members)

    def fit(self, values: np.ndarray, ahead: int, train: np.ndarray, validation: np.ndarray) -> None:
        """Fit every member on the windows at `train`, then the blend on those at `validation`."""
        for member in self.members:
            member.fit(values, ahead, train)
        past, future = windows(values, self.back, ahead, validation[validation >= self.back])
        guesses = np.stack([member.predict(past).ravel()[::5] for member in self.members], axis=1)
        weights, _ = nnls(guesses.astype(float), future.ravel()[::5].astype(float))
        # a quarter of equal weights guards against a validation part unlike what follows
        weights = weights / max(weights.sum(), 1e-9)
        self.blend = 0.75 * weights + 0.25 / len(self.members)

    def predict(self, past: np.ndarray) -> np.ndarray:
        """Forecast from windows of at least `back` values, shape (n, channels, ahead)."""
        return np.asarray(sum(w * m.predict(past) for w, m in zip(self.blend, self.members, strict=False)))


def _ridge(x: np.ndarray, y: np.ndarray, penalty: float) -> np.ndarray:
    gram = (x.T @ x).astype(np.float64)
    gram[np.diag_indices_from(gram)] += penalty * np.trace(gram) / len(gram) + 1e-9
    return np.linalg.solve(gram, (x.T @ y).astype(np.float64)).astype(x.dtype)
