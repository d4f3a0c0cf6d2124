"""Every bad config under ``tests/golden`` is refused with exactly the lines beside it.

``CONTINUUM_UPDATE_GOLDEN=1 pytest tests/unit/config/test_golden.py`` writes the lines anew; read the
difference before committing it.
"""

import os
import re
from pathlib import Path

import pytest

from continuum.config import loader as config
from continuum.errors import ConfigError

GOLDEN = Path(__file__).parents[2] / "golden"
CASES = sorted(path.parent for path in GOLDEN.glob("*/bad.cfg"))

#: Which modules exist is none of these files' business: a new one must not change them.
_MODULES = re.compile(r'there are: "\w+"(, "\w+")*')


def test_there_are_cases() -> None:
    assert len(CASES) > 30


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_bad_config_is_refused_with_its_golden_lines(case: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(case)
    with pytest.raises(ConfigError) as refused:
        config.load("bad.cfg")
    said = _MODULES.sub("there are: MODULES", f"{refused.value}\n")
    golden = case / "expected.txt"
    if os.environ.get("CONTINUUM_UPDATE_GOLDEN"):
        golden.write_text(said, encoding="utf-8")
    assert said == golden.read_text(encoding="utf-8")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_problem_is_one_line_that_names_the_file(case: Path) -> None:
    lines = (case / "expected.txt").read_text(encoding="utf-8").splitlines()
    assert lines
    assert all(line.startswith("bad.cfg:") for line in lines)
