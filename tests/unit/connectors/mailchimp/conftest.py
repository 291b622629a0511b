from collections.abc import Iterator

import pytest

from app.connectors.retrying import without_waiting


@pytest.fixture(autouse=True)
def _no_waiting() -> Iterator[None]:
    with without_waiting():
        yield
