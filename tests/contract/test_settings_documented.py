"""docs/settings.md names every setting, its default, and nothing else."""

import re
from pathlib import Path

import pytest
from pydantic.fields import FieldInfo

from app.settings import Settings

PAGE = (Path(__file__).parents[2] / "docs" / "settings.md").read_text(encoding="utf-8")
ROWS = dict(re.findall(r"^\| `(MLC_[A-Z0-9_]+)` \| ([^|]+) \|", PAGE.partition("## Elsewhere")[0], re.MULTILINE))


@pytest.mark.parametrize(("name", "field"), Settings.model_fields.items())
def test_a_setting_is_documented_with_its_default(name: str, field: FieldInfo) -> None:
    documented = ROWS.get(f"MLC_{name.upper()}")

    assert documented is not None
    if field.is_required():
        assert documented.strip() == "required"
    elif field.default in (None, (), ""):
        assert documented.strip() == "empty"
    else:
        default = str(field.default).lower() if isinstance(field.default, bool) else f"{field.default}"
        assert documented.strip() == f"`{default}`"


def test_no_setting_is_documented_that_does_not_exist() -> None:
    assert set(ROWS) == {f"MLC_{name.upper()}" for name in Settings.model_fields}
