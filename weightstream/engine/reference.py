"""The engine again, in plain Python, with every Gaussian step done by pykalman: the oracle.

The kernels' own source is loaded a second time without the compiler, so that what a reader reads
is what runs, and its Gaussian steps are replaced: a course is moved and updated by pykalman's
`filter_update`, and two sides of a reading are joined by matrices. Some thousand times slower.
"""

import importlib
import sys
import threading
from collections.abc import Callable
from functools import cache
from types import ModuleType
from typing import Any

import numpy as np
from pykalman import KalmanFilter

from weightstream.batch import Floats
from weightstream.engine.records import MOMENTS

PACKAGE = "weightstream.engine"
SOURCES = (
    "compiled", "growth_curve", "calendar", "mixture", "densities", "process", "course", "beam",
    "straight", "state", "filter", "retro", "pairs", "sides", "weighing", "merging", "housemates",
    "naming", "smoother",
)  # fmt: skip
UPPER = np.triu_indices(4)
_loading = threading.Lock()


class _Records(ModuleType):
    """numpy, whose structured arrays have fields as attributes, as they do in compiled code."""

    def __getattr__(self, name: str) -> Any:
        return getattr(np, name)

    @staticmethod
    def zeros(shape: Any, dtype: Any = np.float64) -> Any:
        return as_records(np.zeros(shape, dtype))

    @staticmethod
    def empty(shape: Any, dtype: Any = np.float64) -> Any:
        return as_records(np.empty(shape, dtype))


class _Record(np.record):  # type: ignore[misc]
    """A record whose fields come before numpy's methods of the same name."""

    def __getattribute__(self, name: str) -> Any:
        fields = np.record.__getattribute__(self, "dtype").names
        return self[name] if name in fields else np.record.__getattribute__(self, name)


def as_records(array: Any) -> Any:
    """The array with its fields as attributes of its rows."""
    return array.view(np.dtype((_Record, array.dtype))) if array.dtype.names else array


def moments(c: Any) -> tuple[Floats, Floats]:
    """Mean and covariance of r, x, v, w of a course."""
    covariance = np.empty((4, 4))
    covariance[UPPER] = [c[name] for name in MOMENTS[4:]]
    covariance.T[UPPER] = covariance[UPPER]
    return np.array([c[name] for name in MOMENTS[:4]]), covariance


def put_moments(c: Any, mean: Floats, covariance: Floats) -> None:
    for name, value in zip(MOMENTS, [*mean, *covariance[UPPER]], strict=True):
        c[name] = value


def transition(gap: float, p: Any) -> tuple[Floats, Floats]:
    """F of (r, x, v, w) over a gap, and the stationary covariance of (x, v, w) per unit of size."""
    u = p.trend_rate * gap
    f = np.diag([1.0, 0.0, 0.0, np.exp(-gap / p.water_days)])
    f[1:3, 1:3] = np.exp(-u) * np.array([[1 + u, gap], [-u * p.trend_rate, 1 - u]])
    return f, np.diag([0.0, p.trend_var / p.trend_rate**2, p.trend_var, p.water_var])


def advance(c: Any, day: float, p: Any) -> None:
    """As process.advance: Q is what keeps the stationary pieces stationary."""
    gap = abs(day - c.day)
    if gap <= 0.0 or np.isnan(c.seen):
        c.day = day
        return
    level = c.r + c.x
    own = plain()["process"]
    size, scatter = own.size(level), own.scatter(level)
    f, still = transition(gap, p)
    moved = size * np.sqrt(c.label)
    still = still * c.scale * np.array([0.0, moved, moved, c.label * scatter**2])
    q = still - f @ still @ f.T
    q[0, 0] = p.level_noise * moved * c.scale * gap
    if c.restless == 1.0:
        q[0, 0] += own.spell_variance(level, gap)
    growth = own.grown(level, c.day, day, p)
    q[0, 0] += own.growth_variance(level, growth)
    mean, covariance = moments(c)
    step = KalmanFilter(transition_matrices=f, observation_matrices=np.zeros((1, 4)))
    offset = np.array([growth, 0.0, 0.0, 0.0])
    masked = np.ma.masked_all(1)
    mean, covariance = step.filter_update(
        mean, covariance, masked, transition_covariance=q, transition_offset=offset,
        observation_covariance=np.eye(1), observation_offset=np.zeros(1),
    )  # fmt: skip
    put_moments(c, mean, covariance)
    c.day = day


def update(c: Any, residual: float, variance: float, factor: float) -> None:
    """As process.update: a reading by which the prediction is off by `residual`."""
    mean, covariance = moments(c)
    h = np.array([[factor, factor, 0.0, 1.0]])
    noise = variance - (h @ covariance @ h.T)[0, 0]
    step = KalmanFilter(transition_matrices=np.eye(4), observation_matrices=h)
    mean, covariance = step.filter_update(
        mean, covariance, h @ mean + residual, transition_covariance=np.zeros((4, 4)),
        transition_offset=np.zeros(4), observation_covariance=np.array([[noise]]),
        observation_offset=np.zeros(1),
    )  # fmt: skip
    put_moments(c, mean, covariance)


def invert(a: Floats, at: int, out: Floats, to: int) -> float:
    """As pairs.invert."""
    matrix = np.empty((4, 4))
    matrix[UPPER] = a[at : at + 10]
    matrix.T[UPPER] = matrix[UPPER]
    if not (np.isfinite(matrix).all() and np.linalg.eigvalsh(matrix).min() > 0.0):
        return float("nan")
    out[to : to + 10] = np.linalg.inv(matrix)[UPPER]
    return float(np.linalg.slogdet(matrix)[1])


@cache
def plain() -> dict[str, ModuleType]:
    """The kernels' modules, loaded without the compiler."""
    names = [f"{PACKAGE}.{name}" for name in SOURCES]
    with _loading:
        kept = {name: sys.modules.pop(name) for name in names if name in sys.modules}
        fake = ModuleType(names[0])
        fake.jit = lambda function: function  # type: ignore[attr-defined]
        fake.inlined = fake.shared = fake.jit  # type: ignore[attr-defined]
        fake.kernel = lambda signature: fake.jit  # type: ignore[attr-defined]
        sys.modules[names[0]] = fake
        try:
            found = {name: importlib.import_module(f"{PACKAGE}.{name}") for name in SOURCES[1:]}
        finally:
            for name in names:
                sys.modules.pop(name, None)
            sys.modules.update(kept)
            package = sys.modules[PACKAGE]
            for name, module in kept.items():
                setattr(package, name.rpartition(".")[2], module)
    for module in found.values():
        for own in (advance, update, invert):
            if hasattr(module, own.__name__):
                setattr(module, own.__name__, own)
        if hasattr(module, "np"):
            setattr(module, "np", _Records("numpy"))  # noqa: B010
    return found


def _run(kernel: Callable[..., None], arguments: tuple[Any, ...]) -> None:
    with np.errstate(all="ignore"):
        kernel(*(as_records(a) if isinstance(a, np.ndarray) else a for a in arguments))


def filter_reference(*arguments: Any) -> None:
    """Same arguments and meaning as filter.filter_kernel."""
    _run(plain()["filter"].filter_kernel, arguments)


def smooth_reference(*arguments: Any) -> None:
    """Same arguments and meaning as smoother.smooth_kernel."""
    _run(plain()["smoother"].smooth_kernel, arguments)
