"""Cells that a spreadsheet would execute as a formula: a user id may be `=cmd|...`.

https://owasp.org/www-community/attacks/CSV_Injection
"""

import pyarrow as pa
import pyarrow.compute as pc

_FORMULA = r"^[=+\-@\t\r\n＝＋－＠]"
_NUMBER = r"^[+\-]?[0-9]+([.,][0-9]+)?([eE][+\-]?[0-9]+)?$"


def excel_safe(table: pa.Table) -> pa.Table:
    """Put an apostrophe before each text that a spreadsheet would compute; numbers stay.

    It changes such ids, so the file no longer has them as received. Therefore it is an option.
    """
    for place, field in enumerate(table.schema):
        if _is_text(field.type):
            safe = pa.chunked_array([_safe(chunk) for chunk in table[place].chunks], pa.string())
            table = table.set_column(place, field.name, safe)
    return table


def _is_text(kind: pa.DataType) -> bool:
    value = kind.value_type if pa.types.is_dictionary(kind) else kind
    return bool(pa.types.is_string(value) or pa.types.is_large_string(value))


def _safe(column: pa.Array) -> pa.StringArray:
    texts = column.cast(pa.string())
    computed = pc.and_not(
        pc.match_substring_regex(texts, _FORMULA), pc.match_substring_regex(texts, _NUMBER)
    )
    return pc.if_else(computed, pc.binary_join_element_wise("'", texts, ""), texts)
