"""The forecasters: seasonal naive, ridge per lead, and gradient boosting on what the ridge leaves over."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from sklearn.ensemble import HistGradientBoostingRegressor
from threadpoolctl import threadpool_limits

from actions.energy.features import DAY, WEEK, Hourly, Table

_PENALTIES = (3.0, 10.0, 30.0, 100.0, 300.0, 1000.0)
_BOOST_ROWS = 30_000


def seasonal_naive(data: Hourly, origins: np.ndarray, leads: int, season_h: int) -> np.ndarray:
    """Repeat the last day (24) or week (168) known, shape (origins, leads) in kW."""
    lead = np.arange(leads)
    back = (lead // season_h + 1) * season_h
    at = np.asarray(origins)[:, None] + lead - back
    return np.asarray(data.kw[np.clip(at, 0, len(data.kw) - 1)])


@dataclass
class RidgeByLead:
    """One ridge regression per lead hour on recent load, lags, calendar and weather, relative to the week's level.

    The penalty is the one with the least generalised cross-validation error (Golub, Heath & Wahba 1979) over all leads.
    """

    penalty: float = 0.0
    coefficients: list[np.ndarray] = field(default_factory=list)
    means: list[np.ndarray] = field(default_factory=list)
    scales: list[np.ndarray] = field(default_factory=list)

    def fit(self, table: Table, target_kw: np.ndarray, weight: np.ndarray) -> np.ndarray:
        """Fit, and return leave-one-out predictions in kW, shape (origins, leads).

        Args:
            table: features.
            target_kw: shape (origins, leads).
            weight: 0 where the target was not measured, shape (origins, leads).
        """
        leads = target_kw.shape[1]
        y = target_kw - table.level_kw[:, None]
        probe = range(0, leads, max(1, leads // 12))
        scores = np.zeros(len(_PENALTIES))
        for lead in probe:
            for number, (_, gcv, _) in enumerate(self._solve(table, y, weight, lead, _PENALTIES)):
                scores[number] += gcv
        self.penalty = _PENALTIES[int(np.argmin(scores))]
        out = np.empty_like(target_kw)
        self.coefficients, self.means, self.scales = [], [], []
        for lead in range(leads):
            ((beta, _, loo),) = self._solve(table, y, weight, lead, (self.penalty,), keep=True)
            self.coefficients.append(beta)
            out[:, lead] = loo + table.level_kw
        return out

    def _solve(
        self,
        table: Table,
        y: np.ndarray,
        weight: np.ndarray,
        lead: int,
        penalties: tuple[float, ...],
        keep: bool = False,
    ) -> list[tuple[np.ndarray, float, np.ndarray]]:
        x = _row(table, lead)
        w = weight[:, lead]
        total = max(w.sum(), 1.0)
        mean = (x * w[:, None]).sum(0) / total
        scale = np.sqrt((((x - mean) ** 2) * w[:, None]).sum(0) / total)
        scale[scale < 1e-9] = 1.0
        z = np.hstack([(x - mean) / scale, np.ones((len(x), 1))])
        if keep:
            self.means.append(mean)
            self.scales.append(scale)
        zw = z * w[:, None]
        values, vectors = np.linalg.eigh(zw.T @ z)
        rotated = z @ vectors
        right = vectors.T @ (zw.T @ y[:, lead])
        out = []
        for penalty in penalties:
            damp = np.maximum(values, 0) + penalty
            beta = vectors @ (right / damp)
            fitted = rotated @ (right / damp)
            hat = ((rotated**2) / damp).sum(1) * w
            residual = (y[:, lead] - fitted) * (w > 0)
            gcv = float((w * residual**2).sum() / max(1e-9, (1 - min(0.95, hat.sum() / total)) ** 2))
            loo = np.where(w > 0, y[:, lead] - residual / np.maximum(1 - hat, 0.05), fitted)
            out.append((beta, gcv, loo))
        return out

    def predict(self, table: Table) -> np.ndarray:
        """Return predictions in kW, shape (origins, leads)."""
        out = np.empty(table.target.shape)
        for lead, beta in enumerate(self.coefficients):
            z = (_row(table, lead) - self.means[lead]) / self.scales[lead]
            out[:, lead] = z @ beta[:-1] + beta[-1] + table.level_kw
        return out


def _row(table: Table, lead: int) -> np.ndarray:
    off = table.off[:, lead].astype(float)[:, None]
    lags = table.lags[:, lead]
    return np.hstack([table.common, lags, lags * off, table.known[:, lead]])


@dataclass
class Boost:
    """Gradient-boosted trees on the relative error of a first forecast, pooled over leads (absolute loss)."""

    seed: int = 7
    model: HistGradientBoostingRegressor | None = None

    def fit(self, table: Table, first_kw: np.ndarray, target_kw: np.ndarray, weight: np.ndarray) -> None:
        """Learn (target − first) / level; arguments as for `RidgeByLead.fit`, `first_kw` out of sample."""
        scale = _scale(table)
        x = self._features(table, first_kw)
        y = ((target_kw - first_kw) / scale[:, None]).ravel()
        rows = np.flatnonzero((weight.ravel() > 0) & np.isfinite(y))
        if len(rows) > _BOOST_ROWS:
            rows = np.random.default_rng(self.seed).choice(rows, _BOOST_ROWS, replace=False)
        self.model = HistGradientBoostingRegressor(
            loss="absolute_error",
            learning_rate=0.06,
            max_iter=120,
            max_leaf_nodes=24,
            min_samples_leaf=40,
            l2_regularization=5.0,
            random_state=self.seed,
            early_stopping=False,
        )
        with threadpool_limits(1):  # the conversation beside it needs the other cores
            self.model.fit(x[rows], np.clip(y[rows], -3, 3))

    def predict(self, table: Table, first_kw: np.ndarray) -> np.ndarray:
        """Return the corrected forecast in kW, shape (origins, leads)."""
        assert self.model is not None
        with threadpool_limits(1):
            correction = self.model.predict(self._features(table, first_kw)).reshape(first_kw.shape)
        return np.asarray(first_kw + correction * _scale(table)[:, None])

    def _features(self, table: Table, first_kw: np.ndarray) -> np.ndarray:
        leads = first_kw.shape[1]
        scale = _scale(table)[:, None]
        lead = np.broadcast_to(np.arange(leads), first_kw.shape)
        parts = [
            table.hour,
            table.kind,
            table.off,
            lead,
            (first_kw - table.level_kw[:, None]) / scale,
            np.repeat(table.common[:, -1:], leads, axis=1) / scale,
            np.repeat(table.common[:, -3:].mean(axis=1, keepdims=True), leads, axis=1) / scale,
        ]
        stacked = np.stack([np.asarray(part, float) for part in parts], axis=-1)
        width = table.known.shape[-1]
        return np.concatenate(
            [stacked, table.lags / scale[..., None], table.known[..., 8:width]], axis=-1
        ).reshape(-1, 7 + table.lags.shape[-1] + width - 8)


def _scale(table: Table) -> np.ndarray:
    return np.maximum(np.abs(table.level_kw), 0.05 * float(np.abs(table.level_kw).mean()) + 1e-9)


__all__ = ["DAY", "WEEK", "Boost", "RidgeByLead", "seasonal_naive"]
