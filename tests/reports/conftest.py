from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def data() -> Path:
    """Files by others; they lie outside the repository."""
    folder = Path(__file__).parents[3] / "shared/data"
    if not folder.exists():
        pytest.skip("shared/data lies outside the repository and is absent")
    return folder


@pytest.fixture(scope="session")
def reports(data: Path) -> Path:
    """Of these, what was made after public bug reports."""
    return data / "reports"
