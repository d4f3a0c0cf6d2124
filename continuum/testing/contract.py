"""The contract of modules, as tests: what every provider, manager, execution model and application must do.

``from continuum.testing.contract import *`` in a test file runs all of them for the modules that the file
names in ``MODULES``, as in ``["provider/shed"]``; without that name, for every module there is.
"""

from __future__ import annotations

import inspect
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from continuum.config import loader as config
from continuum.config import topology_builder
from continuum.config.core_options import CORE, FLAT, FOREIGN_KEYS
from continuum.config.planner import load_modules, make_plan
from continuum.errors import ConfigError, ContinuumError, printable
from continuum.host import facts
from continuum.model.workload import Workload
from continuum.modules import registry
from continuum.modules.application import Application
from continuum.modules.provider import Provider
from continuum.modules.registry import KINDS, Found
from continuum.options import FilePath, Name, Option, Text, Texts
from continuum.pipeline import teardown
from continuum.pipeline.steps import engine_for
from continuum.rundir.run import Run, create
from continuum.software import artifacts, playbooks
from continuum.software.artifacts import table
from continuum.software.artifacts.artifact import ARCHITECTURES
from continuum.software.playbooks import settings
from continuum.testing.canary import canary

SECTIONS = ("infrastructure", "benchmark", "execution_model", "run")
RESERVED_STAGES = frozenset({"due", "done", "lost", "failed", "other"})
HEAVY = ("numpy", "matplotlib", "cv2", "onnxruntime", "zenoh", "rich", "paho", "pandas", "jinja2")
HEAVY_ANSIBLE = ("ansible", "ansible_runner", "yaml")
TEXT_TYPES = (FilePath, Name, Text, Texts)
_CHOICE = {
    "provider": ("infrastructure", "provider"),
    "resource_manager": ("benchmark", "resource_manager"),
    "execution_model": ("execution_model", "model"),
    "application": ("benchmark", "application"),
}
"""Section and key that choose a module, by its kind."""

_EXAMPLE = re.compile(r"```(?:ini|cfg)\n(.*?)```", re.DOTALL)


def chosen(names: list[str] | None) -> tuple[Found, ...]:
    """The modules to test, by ``kind/name``; all of them for None.

    Raises:
        pytest.UsageError: there is no such module.
    """
    known = {_label(found): found for found in registry.found()}
    if names is None:
        return tuple(known.values())
    if missing := [name for name in names if name not in known]:
        raise pytest.UsageError(f"no such module: {', '.join(missing)}; there are: {', '.join(known)}")
    return tuple(known[name] for name in names)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """One test a module, or a playbook of it, for those that the test's file chooses."""
    modules = chosen(getattr(metafunc.module, "MODULES", None))
    kinds = {"found": tuple(KINDS), "found_provider": ("provider",), "found_application": ("application",)}
    for name, of_kinds in kinds.items():
        if name in metafunc.fixturenames:
            metafunc.parametrize(name, [one for one in modules if one.kind in of_kinds], ids=_label)
    if "playbook" in metafunc.fixturenames:
        paths = [path for one in modules for path in sorted(one.folder.glob("playbooks/*.yml"))]
        metafunc.parametrize("playbook", paths, ids=lambda path: f"{path.parent.parent.name}/{path.name}")


def _label(found: Found) -> str:
    return f"{found.kind}/{found.name}"


def _readme(found: Found) -> str:
    return (found.folder / "README.md").read_text(encoding="utf-8")


def test_loads_and_has_a_summary(found: Found) -> None:
    """It can be imported, its class is of its kind, and a line says what it is."""
    module = found.load()
    assert isinstance(module, KINDS[found.kind][1])
    assert module.summary
    assert "\n" not in module.summary
    assert type(module).__doc__


def test_name_and_aliases_are_free(found: Found) -> None:
    """Names are lower-case identifiers, and no other module of the kind has them."""
    names = [
        n for other in registry.found() if other.kind == found.kind for n in (other.name, *other.aliases)
    ]
    for name in (found.name, *found.aliases):
        assert name == name.lower()
        assert names.count(name) == 1
    assert found.name.isidentifier()


def test_readme_has_an_example(found: Found) -> None:
    """The package has a README.md with a title and an example of a config."""
    assert _readme(found).startswith("# ")
    assert _EXAMPLE.findall(_readme(found)), "no example of a config in a ```ini block"


def test_keys_of_the_examples_exist(found: Found) -> None:
    """A file that an example names may be missing, but a key must exist."""
    for example in _EXAMPLE.findall(_readme(found)):
        try:
            config.parse(example, "README.md")
        except ConfigError as refused:
            unknown = [str(problem) for problem in refused.problems if "unknown" in problem.message]
            assert unknown == []


def test_every_option_is_in_the_readme(found: Found) -> None:
    """The README names every key."""
    missing = [option.key for option in found.load().options if f"`{option.key}`" not in _readme(found)]
    assert missing == []


def test_options_are_well_formed(found: Found) -> None:
    """Keys are unique, have help, do not shadow the core's, and read their own default."""
    options = found.load().options
    assert len({option.name for option in options}) == len(options)
    for option in options:
        assert isinstance(option, Option)
        assert option.section in SECTIONS
        assert re.fullmatch(r"[a-z][a-z0-9_]*", option.key)
        assert option.key not in FLAT
        assert option.help
        if option.name in CORE:
            assert CORE[option.name].needs_reader or option.key == "model", f"{option.key} is the core's"
        if isinstance(option.default, (bool, int, float)):
            kind = option.value_type
            assert kind.parse(kind.show(option.default)) == option.default


def test_keys_of_a_provider_begin_with_its_name(found_provider: Found) -> None:
    """Unless they are keys of the Continuum framework's own files."""
    theirs = {(where, key) for where, key, _ in FOREIGN_KEYS}
    for option in found_provider.load().options:
        own = option.key.startswith(f"{found_provider.name}_")
        assert own or option.name in CORE or option.name in theirs


def test_every_abstract_method_is_required(found: Found) -> None:
    """A class without one of them cannot be instantiated."""
    base = KINDS[found.kind][1]
    for method in sorted(base.__abstractmethods__):
        others = {n: getattr(type(found.load()), n) for n in base.__abstractmethods__ if n != method}
        unfinished = type("Unfinished", (base,), {**others, "summary": "x"})
        with pytest.raises(TypeError, match=method):
            unfinished()


def test_methods_have_the_parameters_of_the_base_class(found: Found) -> None:
    """The core passes arguments by name."""
    module, base = type(found.load()), KINDS[found.kind][1]
    for name, function in inspect.getmembers(base, inspect.isfunction):
        if not name.startswith("_"):
            theirs = list(inspect.signature(getattr(module, name)).parameters)
            assert theirs == list(inspect.signature(function).parameters), name


def test_stages_have_names_of_their_own(found_application: Found) -> None:
    """Stages are unique and none is the name of an event of every request."""
    module = found_application.load()
    assert isinstance(module, Application)
    assert module.stages
    assert len(set(module.stages)) == len(module.stages)
    assert not RESERVED_STAGES & set(module.stages)


def test_engines_are_known(found_provider: Found) -> None:
    """A provider names network engines that exist."""
    module = found_provider.load()
    assert isinstance(module, Provider)
    assert set(module.engines) <= {"netem", "fabric"}


def test_check_reports_problems_without_a_traceback(found: Found) -> None:
    """A config that chooses the module and nothing else is accepted or has problems of one line each."""
    section, key = _CHOICE[found.kind]
    nodes = "[infrastructure]\ncloud_nodes = 1\ncloud_cores = 1\ncloud_memory = 1\n"
    head = {"infrastructure": "", "benchmark": "[benchmark]\n"}.get(section, f"[benchmark]\n[{section}]\n")
    text = f"{nodes}{head}{key} = {found.name}\n"
    try:
        problems = config.parse(text, "x.cfg").warnings
    except ConfigError as refused:
        problems = refused.problems
    assert all(problem.message and "\n" not in str(problem) for problem in problems)


def test_text_of_an_option_is_data(found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No text is evaluated as a template or by a shell, no message has its control characters."""
    monkeypatch.chdir(tmp_path)
    for option in found.load().options:
        if isinstance(option.value_type, TEXT_TYPES):
            for one_line in (True, False):
                plan_with(
                    _CHOICE[found.kind], found.name, option, canary(tmp_path / "sang", one_line=one_line)
                )
    assert list(tmp_path.iterdir()) == []


def plan_with(choice: tuple[str, str], name: str, option: Option, value: str) -> None:
    """Plan a config with a value; checks messages and shell scripts.

    Args:
        choice: section and key that choose a module.
        name: the module's name.
        option: the option.
        value: its value.
    """
    lines = {
        "infrastructure": ["cloud_nodes = 1", "cloud_cores = 1", "cloud_memory = 1"],
        "benchmark": [],
        "execution_model": [],
        "run": [],
    }
    lines[choice[0]].append(f"{choice[1]} = {name}")
    lines[option.section].append(f"{option.key} = {value}".replace("\n", "\n  "))
    text = "".join(f"[{name}]\n" + "".join(f"{line}\n" for line in own) for name, own in lines.items() if own)
    workloads: tuple[Workload, ...] = ()
    try:
        read = config.parse(text, "x.cfg")
        plan = make_plan(read, load_modules(read))
    except ContinuumError as refused:
        messages = [str(refused)]
    else:
        messages, workloads = [str(warning) for warning in read.warnings], plan.workloads
    assert messages == [printable(message) for message in messages]
    for workload in workloads:
        script = workload.argv[workload.argv.index("-c") + 1] if "-c" in workload.argv else ""
        assert value not in script, f"{workload.name}: `{option.key}` is part of a shell script"


def test_importing_it_is_cheap(found: Found) -> None:
    """It loads no heavy library before that is needed: every command imports the modules in use."""
    heavy = [*HEAVY, *HEAVY_ANSIBLE]
    code = f"import sys, {found.package}; print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=registry.ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


def test_playbook_passes_a_syntax_check(playbook: Path, tmp_path: Path) -> None:
    """Ansible can read it, and it names groups of nodes instead of this host."""
    if missing := playbooks.missing_requirement():
        pytest.skip(missing)
    (tmp_path / "ansible.cfg").write_text(settings.configuration(1))
    done = subprocess.run(
        ["sh", "-c", settings.program(), "sh", "--syntax-check", "-i", "localhost,", str(playbook)],
        env={**os.environ, **settings.environment(Run(tmp_path), tmp_path)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "localhost" not in playbook.read_text(), "it must work through inventories of nodes alone"


def test_second_destroy_is_harmless(
    found_provider: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With real nodes, where the provider needs no keys of its own and this host can make them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    provider = found_provider.load()
    assert isinstance(provider, Provider)
    text = f"[infrastructure]\nprovider = {found_provider.name}\ninfra_only = True\n"
    try:
        read = config.parse(f"{text}cloud_nodes = 2\ncloud_cores = 1\ncloud_memory = 256 MiB\n", "x.cfg")
    except ConfigError as refused:
        pytest.skip(f"needs more than a config of two nodes: {refused}")
    errors = [str(one) for one in provider.probe(read, facts.read()) if one.severity == "error"]
    if errors:
        pytest.skip("; ".join(errors))
    made = create(read)
    made.own("provider", found_provider.name)
    try:
        engine_for(read, provider).prepare(made)
        nodes = provider.create(topology_builder.from_config(read).nodes, made)
        assert [node.name for node in nodes] == ["cloud0", "cloud1"]
    finally:
        teardown.destroy(made)
    provider.destroy(made, made.owned())
    provider.destroy(made, ())
    teardown.destroy(made)


def test_table_of_versions_has_files(found: Found) -> None:
    """Every release of a ``versions.yml`` has files, each once, for every architecture."""
    if not (found.folder / table.FILE).is_file():
        pytest.skip("installs no files")
    for release in artifacts.known(found.folder):
        for architecture in ARCHITECTURES:
            files = [one.file for one in artifacts.versions(found.folder, release, architecture)]
            assert files
            assert len(set(files)) == len(files)
