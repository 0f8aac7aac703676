"""What raw rows state about their persons: birth date and sex."""

from datetime import date, datetime

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from weightstream.batch import SEXES
from weightstream.parsing.coded import Coded, blank, encode
from weightstream.parsing.layouts import DateOrder
from weightstream.parsing.times import parse_times
from weightstream.schema import DEMOGRAPHICS
from weightstream.types import Bools

EARLIEST = date(1850, 1, 1)
_EPOCH_DAY = date(1970, 1, 1)
_WHOLE_YEAR = r"[0-9]{4}"
"""A year of two digits leaves open which century a person was born in."""


def stated(
    block: pa.Table, user: Coded, named: Bools, started: datetime, order: DateOrder | None
) -> tuple[pa.Table, int]:
    """Return DEMOGRAPHICS of what the rows state, each statement once, and the number of rows with
    a birth date that is not used: it is no date, may mean two, or lies outside EARLIEST to started.

    block: schema.RAW. user: its persons. named: (N,) whether a row names a person.
    """
    columns = [block[name] for name in ("birth_date", "sex") if name in block.column_names]
    if all(column.null_count == len(column) for column in columns):
        return DEMOGRAPHICS.empty_table(), 0
    births, sexes = map(encode, columns)
    dates = _dates(births.texts, started, order)
    known = births.spread(dates.is_valid().to_numpy(zero_copy_only=False), False)
    is_sex = pc.is_in(sexes.texts, pa.array(SEXES[1:]))
    told = sexes.spread(is_sex.to_numpy(zero_copy_only=False), False)
    rows = np.flatnonzero(named & (known | told))
    sizes = (len(user.texts), len(births.texts) + 1, len(sexes.texts) + 1)
    codes = (user.codes, np.where(known, births.codes, -1) + 1, np.where(told, sexes.codes, -1) + 1)
    each = np.unique(np.ravel_multi_index([one[rows] for one in codes], sizes))
    person, birth, sex = np.unravel_index(each, sizes)
    cells = [
        texts.take(pa.array(code, mask=code < 0))
        for code, texts in ((person, user.texts), (birth - 1, dates), (sex - 1, sexes.texts))
    ]
    return pa.table(cells, schema=DEMOGRAPHICS), int(np.sum(~births.is_blank() & ~known))


def _dates(texts: pa.StringArray, started: datetime, order: DateOrder | None) -> pa.StringArray:
    """Return (N,) texts as 1984-05-31; null if it is not used."""
    day = parse_times(texts, "UTC", order)
    first, last = ((at - _EPOCH_DAY).days for at in (EARLIEST, started.date()))
    whole = pc.match_substring_regex(texts, _WHOLE_YEAR).fill_null(False)
    bad = day.bad | blank(texts) | ~whole.to_numpy(zero_copy_only=False)
    bad |= (day.day < first) | (day.day > last)
    return pa.array(day.day.astype(np.int32), mask=bad).cast(pa.date32()).cast(pa.string())
