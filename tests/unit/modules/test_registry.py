"""Finding and loading modules: in a copy of the core with modules of the test's own beside it."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from continuum.errors import UsageError
from continuum.modules import registry

CORE = Path(registry.__file__).parents[1]

PROVIDER = """
from continuum.modules.provider import Provider
from continuum.options import Option, Text

class Shed(Provider):
    summary = "nodes in a shed"
    options = (Option("infrastructure", "shed_door", Text(), None, "Which door."),)
    def create(self, specs, run): return ()
    def destroy(self, run, owned): pass
    def connect(self, node, run): raise NotImplementedError
    def survivors(self, *arguments): return ()

MODULE = Shed
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A checkout with the core alone and three empty module packages."""
    shutil.copytree(CORE, tmp_path / "continuum", ignore=shutil.ignore_patterns("__pycache__"))
    for folder in ("infrastructure", "resource_manager", "execution_model", "application"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "__init__.py").touch()
    add(tmp_path, "infrastructure/shed", PROVIDER)
    return tmp_path


def add(tree: Path, folder: str, code: str) -> None:
    """Write a module."""
    (tree / folder).mkdir(parents=True)
    (tree / folder / "__init__.py").write_text(code, encoding="utf-8")


def ask(tree: Path, code: str, path: str = "") -> str:
    """What a new interpreter in the tree prints; an error's text where it raises UsageError."""
    program = (
        "import json, sys\nfrom continuum.modules import registry\nfrom continuum.errors import UsageError\n"
        f"try:\n    said = {code}\nexcept UsageError as error:\n    said = str(error)\n"
        "print(json.dumps(said))\n"
    )
    environment = {**os.environ, "PYTHONPATH": path or str(tree), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd="/",
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    return said if isinstance(said, str) else json.dumps(said)


def test_folder_is_all_a_module_needs(tree: Path) -> None:
    add(tree, "infrastructure/attic", "raise SystemExit('listing must not load')")
    assert json.loads(ask(tree, "registry.names('provider')")) == ["attic", "shed"]
    assert json.loads(ask(tree, "registry.names('infrastructure')")) == ["attic", "shed"]
    assert json.loads(ask(tree, "registry.names('application')")) == []
    assert ask(tree, "registry.provider('shed').summary") == "nodes in a shed"
    assert ask(tree, "registry.provider('SHED').summary") == "nodes in a shed"


def test_files_and_folders_without_code_are_no_modules(tree: Path) -> None:
    (tree / "infrastructure" / "notes.py").touch()
    (tree / "infrastructure" / "empty").mkdir()
    assert json.loads(ask(tree, "registry.names('provider')")) == ["shed"]


def test_alias_is_a_line_in_a_file(tree: Path) -> None:
    (tree / "infrastructure" / "shed" / "aliases").write_text("# other names\nbarn\n\n hut \n")
    assert ask(tree, "registry.canonical('provider', 'Barn')") == "shed"
    assert ask(tree, "registry.provider('hut').summary") == "nodes in a shed"
    assert json.loads(ask(tree, "registry.names('provider')")) == ["shed"]


def test_missing_module_names_those_that_exist_nearest_first(tree: Path) -> None:
    add(tree, "infrastructure/attic", "")
    said = ask(tree, "registry.provider('sched')")
    assert said == 'no such provider; there are: "shed", "attic"'
    assert ask(tree, "registry.application('x')") == "no such application; there are none yet"
    assert ask(tree, "registry.resource_manager('../x')") == "no such resource manager; there are none yet"


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        ("", "no MODULE; write MODULE = <the module's class>"),
        ("MODULE = 3", "MODULE must be a subclass of Provider"),
        (
            "from continuum.modules.base import Module\nMODULE = Module",
            "MODULE must be a subclass of Provider",
        ),
        ("1 / 0", "cannot be loaded: ZeroDivisionError: division by zero"),
        ("def f(:", "cannot be loaded: SyntaxError"),
        (
            "import no_such_package_anywhere.deep",
            'needs the Python package no_such_package_anywhere, which is not installed; run: pip install "',
        ),
        (
            "from infrastructure.odd import no_such_part",
            "cannot be loaded: ImportError: cannot import name 'no_such_part'",
        ),
        (
            "import infrastructure.odd.no_such_part",
            "cannot be loaded: ModuleNotFoundError: No module named 'infrastructure.odd.no_such_part'",
        ),
        (
            "from continuum.modules import provider as p\nclass Odd(p.Provider): summary = ''\nMODULE = Odd",
            "the class is unfinished: Can't instantiate abstract class Odd",
        ),
    ],
    ids=[
        "no MODULE",
        "no class",
        "other class",
        "raises",
        "syntax",
        "dependency",
        "own name",
        "own part",
        "unfinished",
    ],
)
def test_broken_module_is_refused_and_spoils_no_other(tree: Path, code: str, complaint: str) -> None:
    add(tree, "infrastructure/odd", code)
    assert complaint in ask(tree, "registry.provider('odd')")
    assert ask(tree, "registry.provider('shed').summary") == "nodes in a shed"
    assert json.loads(ask(tree, "[name for _, name, _ in registry.all_modules()]")) == ["shed"]
    assert complaint in ask(tree, "registry.broken()[0]")


def test_other_package_of_the_same_name_is_refused_with_both_paths(tree: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere"
    (other / "infrastructure").mkdir(parents=True)
    (other / "infrastructure" / "__init__.py").touch()
    said = ask(tree, "registry.provider('shed')", path=f"{other}:{tree}")
    assert str(other / "infrastructure" / "__init__.py") in said
    assert str(tree / "infrastructure" / "__init__.py") in said


def announce(tree: Path, points: str, packages: dict[str, str]) -> str:
    """Put a distribution beside the tree; returns the path for an interpreter."""
    site = tree / "site"
    metadata = site / "continuum_more-2.0.dist-info"
    metadata.mkdir(parents=True)
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: continuum-more\nVersion: 2.0\n")
    (metadata / "entry_points.txt").write_text(points)
    for package, code in packages.items():
        add(site, package, code)
    return f"{tree}:{site}"


def test_a_distribution_announces_modules_as_entry_points(tree: Path) -> None:
    points = "[continuum.providers]\nloft = more_loft\n[continuum.applications]\nidle = more.idle\n"
    path = announce(tree, points, {"more_loft": PROVIDER, "more": "raise SystemExit(1)", "more/idle": ""})
    (tree / "site" / "more_loft" / "aliases").write_text("garret\n")
    assert json.loads(ask(tree, "registry.names('provider')", path)) == ["loft", "shed"]
    assert json.loads(ask(tree, "registry.names('application')", path)) == ["idle"]
    assert ask(tree, "registry.provider('garret').summary", path) == "nodes in a shed"
    assert ask(tree, "str(registry.found()[1].folder)", path) == str(tree / "site" / "more_loft")


def test_two_modules_of_one_name_are_refused_and_both_named(tree: Path) -> None:
    points = "[continuum.providers]\nshed = more_shed\nattic = more_attic\n"
    path = announce(tree, points, {"more_shed": PROVIDER, "more_attic": PROVIDER})
    said = ask(tree, "registry.provider('shed')", path)
    assert said == (
        'the provider "shed" exists more than once: infrastructure/shed and more_shed of continuum-more 2.0;'
        " rename one of them"
    )
    assert json.loads(ask(tree, "registry.broken()", path)) == [said]
    assert ask(tree, "registry.provider('attic').summary", path) == "nodes in a shed"


@pytest.mark.parametrize(
    ("code", "complaint"),
    [
        (None, "more_odd of continuum-more 2.0 needs the Python package more_odd, which is not installed"),
        (
            "import nowhere_at_all",
            "needs the Python package nowhere_at_all, which is not installed; install ",
        ),
        ("MODULE = 3", "more_odd of continuum-more 2.0: MODULE must be a subclass of Provider"),
    ],
)
def test_a_broken_distribution_is_named(tree: Path, code: str | None, complaint: str) -> None:
    path = announce(tree, "[continuum.providers]\nodd = more_odd\n", {"more_odd": code} if code else {})
    assert complaint in ask(tree, "registry.provider('odd')", path)
    assert ask(tree, "registry.provider('shed').summary", path) == "nodes in a shed"


def test_only_the_named_module_is_loaded(tree: Path) -> None:
    add(tree, "infrastructure/attic", "raise SystemExit('not asked for')")
    loaded = ask(tree, "(registry.provider('shed'), sorted(m for m in sys.modules if 'infra' in m))[1]")
    assert json.loads(loaded) == ["infrastructure", "infrastructure.shed"]


def test_config_of_a_new_module_needs_no_change_elsewhere(tree: Path) -> None:
    (tree / "x.cfg").write_text(
        "[infrastructure]\nprovider = shed\ninfra_only = yes\n"
        "cloud_nodes = 1\ncloud_cores = 1\ncloud_memory = 1\nshed_door = left\n"
    )
    load = f"__import__('continuum.config.loader').config.loader.load({str(tree / 'x.cfg')!r})"
    assert ask(tree, f"{load}.infrastructure.text('shed_door')") == "left"
    assert json.loads(ask(tree, f"{load}.warnings")) == []


def test_this_project_has_modules_of_each_kind() -> None:
    for kind in registry.KINDS:
        assert registry.names(kind)
    assert registry.broken() == ()
    with pytest.raises(UsageError, match="no such application"):
        registry.application("no_such_application")
