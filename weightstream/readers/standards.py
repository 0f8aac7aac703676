"""Tables whose columns a published standard names by codes, such as VSORRES.

CDISC SDTM and ADaM implementation guides (https://www.cdisc.org/standards), i2b2's star schema
(https://community.i2b2.org), Epic's Clarity table IP_FLWSHT_MEAS.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Standard:
    """columns: the name of the column of each role."""

    title: str
    columns: Mapping[str, str]


_SUBJECT = {"user_id": "USUBJID"}
_SDTM = _SUBJECT | {"time": "VSDTC", "measure": "VSTESTCD"}
_ADAM = _SUBJECT | {"measure": "PARAM", "weight": "AVAL"}
STANDARDS = (
    Standard("CDISC SDTM", _SDTM | {"weight": "VSORRES", "unit": "VSORRESU"}),
    Standard("CDISC SDTM", _SDTM | {"weight": "VSSTRESN", "unit": "VSSTRESU"}),
    Standard("CDISC ADaM", _ADAM | {"time": "ADTM"}),
    Standard("CDISC ADaM", _ADAM | {"time": "ADT"}),
    Standard(
        "i2b2",
        {
            "user_id": "PATIENT_NUM",
            "time": "START_DATE",
            "measure": "CONCEPT_CD",
            "weight": "NVAL_NUM",
            "unit": "UNITS_CD",
        },
    ),
    Standard(
        "Epic's flowsheets",
        {
            "user_id": "PAT_ID",
            "time": "RECORDED_TIME",
            "measure": "FLO_MEAS_NAME",
            "weight": "MEAS_VALUE",
        },
    ),
)
"""In the order in which they are tried: the value as it was collected before its conversion."""


def standard_of(names: Iterable[str]) -> Standard | None:
    """Return the first standard all of whose columns are among the names; None if none is."""
    there = {name.strip().strip('"').casefold() for name in names}
    for standard in STANDARDS:
        if all(name.casefold() in there for name in standard.columns.values()):
            return standard
    return None
