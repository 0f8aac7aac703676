"""Growth of children: published medians of weight by age, and the deviation of children from them.

Medians: to 5 years the WHO Child Growth Standards (WHO 2006, weight-for-age), from 6 to 20 the CDC
growth charts (Kuczmarski et al. 2002, Vital Health Stat 11 (246)). A growing child's weight is
expected to rise by the ratio of the medians, whatever its own centile, as velocity standards have
it (WHO 2009). Formulas: docs/judging.md.
"""

from typing import Literal

import numpy as np
import numpy.typing as npt

from weightstream.types import Floats

Sex = Literal["male", "female"]
YEAR_DAYS = 365.25
AGE_DAYS: Floats = np.array(
    [0, 7, 14, 30, 61, 91, 122, 152, 183, 243, 304, 365, 456, 548, 731, 913, 1096, 1461, 1826]
    + [YEAR_DAYS * year for year in range(6, 21)]
)
_BOYS = (3.35, 3.49, 3.75, 4.45, 5.57, 6.37, 7.01, 7.51, 7.94, 8.61, 9.16, 9.65, 10.31, 10.94,
         12.15, 13.30, 14.34, 16.35, 18.34, 20.68, 23.07, 25.64, 28.55, 31.93, 35.90, 40.47, 45.59,
         51.01, 56.29, 60.92, 64.57, 67.20, 69.12, 70.60)  # fmt: skip
_GIRLS = (3.23, 3.34, 3.57, 4.17, 5.13, 5.84, 6.43, 6.90, 7.30, 7.94, 8.48, 8.95, 9.60, 10.23,
          11.48, 12.70, 13.85, 16.07, 18.22, 20.24, 22.76, 25.63, 28.99, 32.89, 37.21, 41.65, 45.82,
          49.37, 52.04, 53.88, 55.14, 56.18, 57.31, 58.22)  # fmt: skip
LOG_MEDIAN: dict[Sex | None, Floats] = {
    "male": np.log(_BOYS),
    "female": np.log(_GIRLS),
    None: (np.log(_BOYS) + np.log(_GIRLS)) / 2,
}
"""Natural logarithm of the median in kg at AGE_DAYS, by sex; None: sex not known."""
SPREAD = 0.13
"""SD of the log of a child's own rise, per square root of the log of the medians' rise.

Of 500 children of the Collaborative Perinatal Project (birth, 4 months, 1, 4 and 7 years) .11-.16
over each interval."""


def log_median(age_days: npt.ArrayLike, sex: Sex | None = None) -> Floats:
    """Return ln(kg) of the median child of that age; constant from 20 years on.

    age_days: days since birth; NaN gives NaN, an age before birth that of a newborn.
    """
    return np.interp(np.asarray(age_days, np.float64), AGE_DAYS, LOG_MEDIAN[sex])


def age_of(kg: npt.ArrayLike, sex: Sex | None = None) -> Floats:
    """Return the age in days at which `kg` is the median, for persons whose age is not known.

    Below the newborn's median it is 0, above the adult's 20 years.
    """
    return np.interp(np.log(np.asarray(kg, np.float64)), LOG_MEDIAN[sex], AGE_DAYS)


def expected_rise(
    from_days: npt.ArrayLike, to_days: npt.ArrayLike, sex: Sex | None = None
) -> tuple[Floats, Floats]:
    """Return the expected log rise of a weight between two ages in days, and its SD.

    A child of w kg is expected at w * exp(rise), within a factor of exp(1.96 * SD).
    """
    rise = log_median(to_days, sex) - log_median(from_days, sex)
    return rise, SPREAD * np.sqrt(np.abs(rise))
