"""What every module folder must fulfil, whatever it is: one suite over all that are found.

A new module is tested here as soon as its folder exists; nothing is registered by hand.
"""

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
from continuum.errors import ConfigError
from continuum.host import facts
from continuum.modules import registry
from continuum.modules.application import Application
from continuum.modules.base import Module
from continuum.modules.provider import Provider
from continuum.modules.registry import KINDS, Found
from continuum.options import Option
from continuum.pipeline import teardown
from continuum.pipeline.steps import engine_for
from continuum.rundir.run import Run, create
from continuum.software import artifacts, playbooks
from continuum.software.artifacts import table
from continuum.software.artifacts.artifact import ARCHITECTURES
from continuum.software.playbooks import settings

FOUND = registry.found()
PROVIDERS = tuple(found for found in FOUND if found.kind == "provider")
APPLICATIONS = tuple(found for found in FOUND if found.kind == "application")
PLAYBOOKS = tuple(path for found in FOUND for path in sorted(found.folder.glob("playbooks/*.yml")))
SECTIONS = ("infrastructure", "benchmark", "execution_model", "run")


def name_of(found: Found | Path) -> str:
    return (
        f"{found.kind}/{found.name}"
        if isinstance(found, Found)
        else f"{found.parent.parent.name}/{found.name}"
    )


every_module = pytest.mark.parametrize("found", FOUND, ids=name_of)


def test_there_are_modules() -> None:
    assert {found.kind for found in FOUND} == set(KINDS)


@every_module
def test_it_loads_and_says_what_it_is(found: Found) -> None:
    module = found.load()
    assert isinstance(module, KINDS[found.kind][1])
    assert module.summary
    assert "\n" not in module.summary
    assert type(module).__doc__


@every_module
def test_folder_can_be_imported_and_its_names_are_free(found: Found) -> None:
    names = [n for other in FOUND if other.kind == found.kind for n in (other.name, *other.aliases)]
    for name in (found.name, *found.aliases):
        assert name == name.lower()
        assert names.count(name) == 1
    assert found.name.isidentifier()


@every_module
def test_readme_says_what_it_does_and_shows_an_example(found: Found) -> None:
    text = (found.folder / "README.md").read_text(encoding="utf-8")
    assert text.startswith("# ")
    examples = re.findall(r"```(?:ini|cfg)\n(.*?)```", text, re.DOTALL)
    assert examples, "no example of a config in a ```ini block"


@every_module
def test_keys_of_the_readmes_examples_exist(found: Found) -> None:
    """A file that an example names need not be there, but a key must."""
    text = (found.folder / "README.md").read_text(encoding="utf-8")
    for example in re.findall(r"```(?:ini|cfg)\n(.*?)```", text, re.DOTALL):
        try:
            config.parse(example, "README.md")
        except ConfigError as refused:
            unknown = [str(problem) for problem in refused.problems if "unknown" in problem.message]
            assert unknown == []


@every_module
def test_every_option_is_in_its_readme(found: Found) -> None:
    text = (found.folder / "README.md").read_text(encoding="utf-8")
    missing = [option.key for option in found.load().options if f"`{option.key}`" not in text]
    assert missing == []


@every_module
def test_options_are_well_formed(found: Found) -> None:
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
            assert option.kind.parse(option.kind.show(option.default)) == option.default


@pytest.mark.parametrize("found", PROVIDERS, ids=name_of)
def test_keys_of_a_provider_carry_its_name(found: Found) -> None:
    """Or are those that the Continuum framework's files call otherwise."""
    theirs = {(where, key) for where, key, _ in FOREIGN_KEYS}
    for option in found.load().options:
        assert option.name in CORE or option.name in theirs or option.key.startswith(f"{found.name}_")


@every_module
def test_subclass_that_lacks_a_method_is_refused(found: Found) -> None:
    base = KINDS[found.kind][1]
    for method in sorted(base.__abstractmethods__):
        whole = {
            name: getattr(type(found.load()), name) for name in base.__abstractmethods__ if name != method
        }
        unfinished = type("Unfinished", (base,), {**whole, "summary": "x"})
        with pytest.raises(TypeError, match=method):
            unfinished()


@every_module
def test_methods_take_what_the_base_class_says(found: Found) -> None:
    module, base = type(found.load()), KINDS[found.kind][1]
    for name, function in inspect.getmembers(base, inspect.isfunction):
        if not name.startswith("_"):
            theirs = list(inspect.signature(getattr(module, name)).parameters)
            assert theirs == list(inspect.signature(function).parameters), name


@pytest.mark.parametrize("found", APPLICATIONS, ids=name_of)
def test_stages_have_names_of_their_own(found: Found) -> None:
    module = found.load()
    assert isinstance(module, Application)
    assert module.stages
    assert len(set(module.stages)) == len(module.stages)
    assert not {"due", "done", "lost", "failed", "other"} & set(module.stages)


@pytest.mark.parametrize("found", PROVIDERS, ids=name_of)
def test_engines_are_known(found: Found) -> None:
    module = found.load()
    assert isinstance(module, Provider)
    assert set(module.engines) <= {"netem", "fabric"}


@every_module
def test_check_is_silent_or_says_problems_with_a_remedy(found: Found) -> None:
    """A config that chooses the module and nothing else ends in problems, never in a traceback."""
    chosen = {
        "provider": "provider",
        "resource_manager": "[benchmark]\nresource_manager",
        "execution_model": "[benchmark]\n[execution_model]\nmodel",
        "application": "[benchmark]\napplication",
    }[found.kind]
    text = f"[infrastructure]\ncloud_nodes = 1\ncloud_cores = 1\ncloud_memory = 1\n{chosen} = {found.name}\n"
    try:
        read = config.parse(text, "x.cfg")
        problems = read.warnings
    except ConfigError as refused:
        problems = refused.problems
    assert all(problem.message and "\n" not in str(problem) for problem in problems)


@every_module
def test_importing_it_is_cheap(found: Found) -> None:
    """No heavy library may be loaded before it is needed: ``up`` of many nodes is a matter of tenths."""
    heavy = ["numpy", "matplotlib", "cv2", "onnxruntime", "zenoh", "rich", "paho", "pandas", "jinja2"]
    heavy += ["ansible", "ansible_runner", "yaml"]
    folder = KINDS[found.kind][0]
    code = f"import sys, {folder}.{found.name}; print([n for n in {heavy!r} if n in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=registry.ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    "playbook", PLAYBOOKS or [pytest.param(None, marks=pytest.mark.skip("no playbooks yet"))]
)
def test_playbook_passes_a_syntax_check(playbook: Path, tmp_path: Path) -> None:
    if lack := playbooks.lacking():
        pytest.skip(lack)
    (tmp_path / "ansible.cfg").write_text(settings.configuration(tmp_path, 1))
    done = subprocess.run(
        ["sh", "-c", settings.program(), "sh", "--syntax-check", "-i", "localhost,", str(playbook)],
        env={**os.environ, **settings.environment(Run(tmp_path), tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "localhost" not in playbook.read_text(), "it must work through inventories of nodes alone"


@pytest.mark.parametrize("found", PROVIDERS, ids=name_of)
def test_second_destroy_is_harmless(found: Found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With real nodes, where the provider needs no keys of its own and this host can make them."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    provider = found.load()
    assert isinstance(provider, Provider)
    text = f"[infrastructure]\nprovider = {found.name}\ninfra_only = True\n"
    try:
        read = config.parse(f"{text}cloud_nodes = 2\ncloud_cores = 1\ncloud_memory = 256 MiB\n", "x.cfg")
    except ConfigError as refused:
        pytest.skip(f"needs more than a config of two nodes: {refused}")
    lacks = [str(problem) for problem in provider.probe(read, facts.read()) if problem.severity == "error"]
    if lacks:
        pytest.skip("; ".join(lacks))
    made = create(read)
    made.own("provider", found.name)
    try:
        engine_for(read, provider).prepare(made)
        nodes = provider.create(topology_builder.from_config(read).nodes, made)
        assert [node.name for node in nodes] == ["cloud0", "cloud1"]
    finally:
        teardown.destroy(made)
    provider.destroy(made, made.owned())
    provider.destroy(made, ())
    teardown.destroy(made)


def test_base_classes_cannot_be_instantiated() -> None:
    for _, base in KINDS.values():
        with pytest.raises(TypeError, match="abstract"):
            base()
    assert issubclass(Provider, Module)


@every_module
def test_its_table_of_versions_makes_sense(found: Found) -> None:
    if not (found.folder / table.FILE).is_file():
        pytest.skip("installs no files")
    for release in artifacts.known(found.folder):
        for architecture in ARCHITECTURES:
            files = [one.file for one in artifacts.versions(found.folder, release, architecture)]
            assert files
            assert len(set(files)) == len(files)
