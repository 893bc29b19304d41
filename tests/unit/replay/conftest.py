import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))  # for `guests`, which these tests share


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return where a recording goes."""
    return tmp_path / "run.rec"
