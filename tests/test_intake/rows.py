"""A row that can be used, to be spoilt, and the rules by which it is judged."""

from datetime import UTC, datetime

from weightstream.intake.cleaning import Rules

RULES = Rules(started=datetime(2024, 6, 1, tzinfo=UTC))
GOOD = {
    "user_id": "u1",
    "time": "2024-01-31 07:12",
    "source": "scale",
    "weight": "80.0",
    "unit": "kg",
}
