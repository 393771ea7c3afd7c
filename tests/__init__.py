"""The tests. Their asserts hold under `python -O` as well, also those of what they share."""

from pathlib import Path

import pytest

pytest.register_assert_rewrite(
    *(f"tests.{part.stem}" for part in Path(__file__).parent.iterdir() if part.stem[0] != "_")
)
