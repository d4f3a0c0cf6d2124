"""Whole configs: what is understood, what is warned of, what is refused."""

import json
import os
from pathlib import Path
from typing import NamedTuple

import pytest

from continuum.config import loader as config
from continuum.config.topology_builder import from_config
from continuum.errors import ConfigError, printable
from continuum.model.config import Config
from continuum.modules import registry
from continuum.options.tolerance import Tolerance

FIXTURES = Path(__file__).parents[2] / "fixtures" / "continuum-configs"
NODE = "cloud_nodes = 1\ncloud_cores = 1\ncloud_memory = 1\n"
START = f"[infrastructure]\ninfra_only = True\n{NODE}"


def parse(more: str = "") -> Config:
    return config.parse(START + more, "x.cfg")


def refuse(text: str) -> list[str]:
    with pytest.raises(ConfigError) as refused:
        config.parse(text, "x.cfg")
    return str(refused.value).splitlines()


def warnings_of(read: Config) -> list[str]:
    return [str(problem) for problem in read.warnings]


class Expected(NamedTuple):
    """What a fixture says: count, cores, GB and quota of each tier, emulation, keep, benchmark keys.

    ``missing`` are the keys of its own provider that it leaves to its user.
    """

    tiers: dict[str, tuple[int, float, float, float]]
    emulated: bool
    keep: str = "never"
    application: str | None = "image_classification"
    frequency: float | None = 5.0
    benchmark: dict[str, object] = {}  # noqa: RUF012 - never changed
    provider: str = "qemu"
    missing: tuple[str, ...] = ()


EXPECTED = {
    "baremetal.cfg": Expected(
        {"cloud": (1, 4, 16, 1.0), "endpoint": (1, 2, 4, 0.5)},
        False,
        benchmark={"docker_pull": True},
        provider="baremetal",
        missing=("baremetal_cloud", "baremetal_endpoint"),
    ),
    "bench_cloud.cfg": Expected({"cloud": (2, 4, 4, 1.0), "endpoint": (1, 1, 1, 0.5)}, True),
    "bench_edge.cfg": Expected(
        {"cloud": (1, 4, 4, 1.0), "edge": (1, 2, 2, 0.75), "endpoint": (1, 1, 1, 0.5)}, True
    ),
    "bench_endpoint.cfg": Expected({"endpoint": (1, 1, 1, 0.5)}, True),
    "bench_openfaas.cfg": Expected(
        {"cloud": (2, 4, 16, 1.0), "endpoint": (2, 2, 2, 0.5)},
        True,
        benchmark={
            "application_worker_cpu": 1.0,
            "application_worker_memory": 3072,
            "observability": True,
            "docker_pull": False,
        },
    ),
    "experiment_endpoint_scaling_cloud_endpoint4.cfg": Expected(
        {"cloud": (2, 4, 4, 1.0), "endpoint": (4, 1, 1, 0.5)}, True
    ),
    "experiment_endpoint_scaling_edge_endpoint8.cfg": Expected(
        {"cloud": (1, 4, 4, 1.0), "edge": (1, 2, 2, 0.75), "endpoint": (8, 1, 1, 0.5)}, True
    ),
    "experiment_endpoint_scaling_endpoint1.cfg": Expected({"endpoint": (1, 1, 1, 0.5)}, True),
    "experiment_provider_gcp_cloud.cfg": Expected(
        {"cloud": (3, 4, 16, 1.0), "endpoint": (4, 2, 4, 0.5)},
        True,
        benchmark={"docker_pull": True},
        provider="gcp",
        missing=("gcp_project", "gcp_zone"),
    ),
    "experiment_serverless_openfaas_endpoint4_cpu4.cfg": Expected(
        {"cloud": (2, 4, 6, 1.0), "endpoint": (4, 1, 1, 0.5)},
        True,
        benchmark={"application_worker_cpu": 1.0, "application_worker_memory": 1024},
    ),
    "infra_only.cfg": Expected(
        {"cloud": (1, 4, 4, 1.0), "edge": (1, 2, 2, 0.75), "endpoint": (1, 1, 1, 0.5)},
        False,
        application=None,
        frequency=None,
    ),
    "qemu_kube_only.cfg": Expected(
        {"cloud": (2, 4, 16, 1.0)},
        False,
        application=None,
        frequency=None,
        benchmark={"resource_manager_only": True, "observability": True},
    ),
    "template.cfg": Expected(
        {"cloud": (1, 4, 16, 1.0), "edge": (1, 2, 8, 0.66), "endpoint": (1, 1, 4, 0.33)},
        True,
        keep="always",
        benchmark={
            "application_worker_cpu": 3.5,
            "application_worker_memory": 10752,
            "application_endpoint_cpu": 1.0,
            "application_endpoint_memory": 3072,
            "applications_per_worker": 1,
            "duration": 300.0,
            "resource_manager_only": False,
            "cache_worker": False,
        },
    ),
    "tests_qemu_01_infraonly-cloud.cfg": Expected(
        {"cloud": (1, 2, 2, 1.0)}, False, application=None, frequency=None
    ),
    "tests_qemu_02_infraonly-edge.cfg": Expected(
        {"edge": (2, 2, 2, 1.0)}, True, application=None, frequency=None
    ),
    "tests_qemu_03_infraonly-endpoint.cfg": Expected(
        {"endpoint": (4, 1, 2, 0.5)}, True, application=None, frequency=None
    ),
    "tests_qemu_04_infraonly-all.cfg": Expected(
        {"cloud": (1, 2, 2, 1.0), "edge": (1, 1, 1, 1.0), "endpoint": (2, 1, 2, 0.5)},
        True,
        application=None,
        frequency=None,
        benchmark={"resource_manager": "none", "resource_manager_only": True},
    ),
    "tests_qemu_05_kuberentes-img.cfg": Expected(
        {"cloud": (2, 2, 4, 1.0), "endpoint": (2, 1, 2, 0.5)},
        True,
        keep="always",
        benchmark={"docker_pull": True, "applications_per_worker": 1},
    ),
    "tests_qemu_06_kubeedge-img.cfg": Expected(
        {"cloud": (1, 4, 4, 1.0), "edge": (2, 2, 4, 0.75), "endpoint": (2, 2, 2, 0.5)}, False, keep="always"
    ),
    "tests_qemu_07_mist-img.cfg": Expected({"edge": (2, 2, 4, 0.75), "endpoint": (4, 1, 2, 0.75)}, False),
    "tests_qemu_08_endpoint_img.cfg": Expected({"endpoint": (2, 2, 3, 0.75)}, True),
    "tests_qemu_09_kubernetes-nobench.cfg": Expected(
        {"cloud": (2, 2, 4, 1.0), "endpoint": (2, 1, 2, 0.5)}, True, application=None, frequency=None
    ),
    "tests_qemu_10_kubernetes-openfaas.cfg": Expected(
        {"cloud": (3, 6, 4, 1.0), "endpoint": (4, 2, 2, 0.5)}, False, benchmark={"docker_pull": True}
    ),
}


def localised(name: str) -> str:
    """A fixture for the modules that exist everywhere."""
    lines = []
    for line in (FIXTURES / name).read_text(encoding="utf-8").splitlines():
        key = line.partition("=")[0].strip()
        selected = {"provider": "provider = local", "resource_manager": "resource_manager = none"}.get(key)
        lines.append(selected or line)
    return "\n".join(lines)


def test_every_fixture_is_expected() -> None:
    assert sorted(EXPECTED) == sorted(path.name for path in FIXTURES.glob("*.cfg"))


@pytest.mark.parametrize("name", EXPECTED)
def test_fixture_is_understood(name: str) -> None:
    read, expected = config.parse(localised(name), name), EXPECTED[name]
    planned = from_config(read)
    tiers = {t.name: (t.count, t.cores, t.memory_mb / 1024, t.quota) for t in planned.tiers}
    assert tiers == expected.tiers
    assert planned.emulated == expected.emulated
    assert read.keep == expected.keep
    for key, value in expected.benchmark.items():
        assert read.benchmark.values[key] == value, key
    if expected.application:
        assert read.benchmark.text("application") == registry.canonical("application", expected.application)
        assert read.benchmark.real("frequency") == expected.frequency


@pytest.mark.parametrize("name", EXPECTED)
def test_fixture_as_it_is_lacks_modules_and_nothing_else(name: str) -> None:
    text = (FIXTURES / name).read_text(encoding="utf-8")
    try:
        config.parse(text, name)
        errors = []
    except ConfigError as refused:
        errors = [problem for problem in refused.problems if problem.severity == "error"]
    own = f"{EXPECTED[name].provider}_"
    for problem in errors:
        if problem.key.startswith(own):
            assert problem.message.startswith("missing"), problem
            assert problem.key in EXPECTED[name].missing, problem
            continue
        assert problem.key in {"provider", "resource_manager", "model"}, problem
        kind = "execution model" if problem.key == "model" else problem.key.replace("_", " ")
        assert problem.message.startswith(f"no such {kind}; there are"), problem
        assert problem.line, problem
        assert str(problem.value) in text
    wrong = {(problem.key, problem.value) for problem in errors}
    assert len(wrong) == len(errors)


def test_template_is_accepted_with_its_comments() -> None:
    read = config.parse(localised("template.cfg"), "template.cfg")
    assert read.infrastructure.texts("external_physical_machines") == ("user@machine1", "user@machine2")
    assert read.infrastructure.path("base_path") == Path.home()
    assert read.infrastructure.text("wireless_network_preset") == "4g"
    planned = from_config(read)
    assert planned.link("cloud", "endpoint").bandwidth_mbit == 7.21
    assert all(problem.severity == "warning" for problem in read.warnings)
    assert any("gcp_zone: belongs to provider gcp, which is not in use" in line for line in warnings_of(read))


def test_secrets_of_unused_modules_are_not_repeated() -> None:
    read = parse("aws_secret_access_keys = hunter2\n")
    assert len(read.warnings) == 1
    assert "hunter2" not in "".join(warnings_of(read))


def test_secrets_are_blotted_out_of_the_public_text() -> None:
    read = parse('aws_secret_access_keys = "hunter2"\naws_access_keys=abc\naws_zone = here\n')
    assert read.public_text == START + "aws_secret_access_keys = ***\naws_access_keys=***\naws_zone = here\n"
    assert (
        parse("aws_access_keys =\nedge_nodes = 0\n").public_text
        == parse("aws_access_keys =\nedge_nodes = 0\n").text
    )


@pytest.mark.parametrize(
    ("content", "complaint"),
    [
        (b"", "empty; see configs/quickstart.cfg for a first config"),
        (b" \r\n\t\n", "empty; see configs/quickstart.cfg for a first config"),
        (b"[infrastructure]\n# caf\xe9\n", ":2: not UTF-8 text (byte 0xe9); save the file as UTF-8"),
        (b"\xff\xfe[\0i\0", ":1: not UTF-8 text (byte 0xff); save the file as UTF-8"),
        (b"[infra\0structure]\n", "not a text file"),
        (b"#" * 1_000_001, "more than 1 MB; not a config file"),
    ],
    ids=["empty", "blank", "latin-1", "utf-16", "nul", "huge"],
)
def test_file_that_is_no_config(tmp_path: Path, content: bytes, complaint: str) -> None:
    path = tmp_path / "x.cfg"
    path.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        config.load(path)
    assert str(refused.value).startswith(f"{path}:")
    assert str(refused.value).endswith(complaint)
    assert "\n" not in str(refused.value)


def test_missing_file_folder_and_special_file(tmp_path: Path) -> None:
    for path, complaint in (
        (tmp_path / "none.cfg", "no such file"),
        (tmp_path, "a folder, not a config file"),
        (tmp_path / "none.cfg" / "x", "no such file"),
        ("/dev/zero", "more than 1 MB; not a config file"),
        ("a\0b", "cannot be read: embedded null byte"),
    ):
        with pytest.raises(ConfigError) as refused:
            config.load(path)
        assert str(refused.value) == printable(f"{path}: {complaint}")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_file_that_must_not_be_read(tmp_path: Path) -> None:
    path = tmp_path / "x.cfg"
    path.write_text(START)
    path.chmod(0)
    with pytest.raises(ConfigError, match="cannot be read: Permission denied"):
        config.load(path)


def test_file_with_byte_order_mark_and_foreign_line_ends(tmp_path: Path) -> None:
    path = tmp_path / "x.cfg"
    path.write_bytes(b"\xef\xbb\xbf" + START.replace("\n", "\r\n").encode())
    read = config.load(str(path))
    assert from_config(read).tier("cloud").count == 1
    assert read.path == path
    assert read.text == START.replace("\n", "\r\n")


def test_keys_and_sections_in_any_case() -> None:
    read = config.parse(
        "[INFRASTRUCTURE]\nInfra_Only = TRUE\n" + NODE.upper() + "[Tier Fog]\nNODES=2\nCores=1\nmemory=1"
    )
    assert from_config(read).tier_names() == ("cloud", "fog")


def test_empty_value_is_as_good_as_none() -> None:
    read = parse('edge_nodes =\nwireless_network_preset = ""\n[run]\nseed =\nname =\n')
    assert read.run.integer("seed") == 0
    assert read.run.text("name") == "x"
    assert not read.run.given("seed")
    assert read.warnings == ()


def test_provider_is_local_when_none_is_given() -> None:
    assert parse().infrastructure.text("provider") == "local"


def test_alias_stands_for_the_applications_own_name() -> None:
    text = START.replace("infra_only = True", "endpoint_nodes = 1\nendpoint_cores = 1\nendpoint_memory = 1")
    text += "[benchmark]\napplication = Image_Classification\n"
    assert config.parse(text).benchmark.text("application") == "video"


def test_infra_only_ignores_the_benchmark() -> None:
    read = parse("[benchmark]\nresource_manager = no_such\napplication = nothing_like_it\nfrequency = 5\n")
    assert warnings_of(read) == [
        "x.cfg:9: warning: [benchmark] frequency: belongs to application video, which is not in use; ignored"
    ]


def test_infra_only_leaves_modules_that_exist_out_of_use() -> None:
    read = parse("[benchmark]\napplication = video\nfrequency = 5\n")
    assert len(read.warnings) == 1
    assert read.warnings[0].key == "frequency"
    assert read.benchmark.text("application") == "video"


def test_typo_in_the_benchmark_is_an_error_even_then() -> None:
    assert refuse(START + "[benchmark]\naplication = video\n") == [
        "x.cfg:7: [benchmark] aplication: unknown key; did you mean application?"
    ]


def test_flag_without_meaning_brings_no_further_errors() -> None:
    assert refuse("[infrastructure]\ninfra_only = perhaps\n" + NODE) == [
        'x.cfg:2: [infrastructure] infra_only = "perhaps": neither True nor False; write one of them'
    ]


@pytest.mark.parametrize(
    ("lines", "keep"),
    [
        ("", "never"),
        ("delete = True\n", "never"),
        ("delete = False\n", "always"),
        ("delete =\n", "never"),
        ("[run]\nkeep = on-failure\n", "on-failure"),
        ("delete = False\n[run]\nkeep = always\n", "always"),
        ("delete = True\n[run]\nkeep = never\n", "never"),
    ],
)
def test_when_nodes_are_kept(lines: str, keep: str) -> None:
    read = parse(lines)
    assert (read.keep, read.run.text("keep")) == (keep, keep)


def test_execution_model_is_not_in_use_with_nodes_alone() -> None:
    read = config.parse(START + "[execution_model]\nmodel = openfaas\n", "x.cfg")
    (warning,) = warnings_of(read)
    assert warning.endswith('[execution_model] model = "openfaas": ignored, since infra_only = True')


@pytest.mark.parametrize("offered", [(), ("something else",)])
def test_execution_model_needs_a_manager_that_offers_what_it_works_on(
    monkeypatch: pytest.MonkeyPatch, offered: tuple[str, ...]
) -> None:
    monkeypatch.setattr(registry.resource_manager("none"), "offers", offered)
    text = START.replace("infra_only = True\n", "") + "[benchmark]\nresource_manager_only = True\n"
    with pytest.raises(ConfigError) as refused:
        config.parse(text + "[execution_model]\nmodel = openfaas\n", "x.cfg")
    (problem,) = refused.value.problems
    assert problem.message.startswith("does not support this resource manager; supported")


def test_execution_model_needs_workers_that_answer_over_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry.application("video"), "arrival", "")
    with pytest.raises(ConfigError) as refused:
        config.parse(localised("bench_openfaas.cfg"), "x.cfg")
    (message,) = [p.message for p in refused.value.problems if p.key == "model"]
    assert "do not answer over HTTP" in message


def test_link_keys_without_emulation_are_one_warning() -> None:
    read = parse("network_emulation = False\ncloud_latency_avg = 3\nwireless_network_preset = 5g\n")
    (warning,) = warnings_of(read)
    assert warning == (
        'x.cfg:7: warning: [infrastructure] cloud_latency_avg = "3": '
        "no effect unless network_emulation = True (1 more below likewise)"
    )
    assert parse("cloud_latency_avg = 3\nnetwork_emulation = True\n").warnings == ()


def test_link_between_tiers_without_nodes_is_a_warning() -> None:
    read = parse("[link cloud->edge]\nlatency = 1\n[link endpoint-edge]\nloss = 1\n")
    assert warnings_of(read) == [
        "x.cfg:6: warning: [link cloud->edge] no effect: there are no edge nodes",
        "x.cfg:8: warning: [link endpoint-edge] no effect: there are no edge and no endpoint nodes",
    ]


def test_key_that_no_module_in_use_reads_is_a_warning() -> None:
    read = parse("external_physical_machines = user@host\n")
    (warning,) = warnings_of(read)
    assert warning == (
        'x.cfg:6: warning: [infrastructure] external_physical_machines = "user@host": '
        "no effect: no module in use reads it"
    )


def test_tolerance() -> None:
    assert parse().tolerance == Tolerance(2.0, 0.3, 5.0)
    assert parse("[run]\ntolerance = 10 %, 1 ms\n").tolerance == Tolerance(10.0, 1.0, 10.0)


def test_name_of_the_run() -> None:
    assert config.parse(START, "/some/where/my test (1).cfg").run.text("name") == "my-test-1"
    assert config.parse(START, "/.cfg").run.text("name") == "cfg"
    assert parse("[run]\nname = mine\n").run.text("name") == "mine"


def test_paths_start_from_the_config_files_folder() -> None:
    def base(value: str) -> Path | None:
        return config.parse(START + f"base_path = {value}\n", "some/where/x.cfg").infrastructure.path(
            "base_path"
        )

    assert base("out") == Path("some/where/out")
    assert base("/out") == Path("/out")
    assert base("~/out") == Path.home() / "out"
    assert base("~no_such_user_here/out") == Path("some/where/~no_such_user_here/out")
    assert base("") is None


def test_sections_know_where_their_keys_are() -> None:
    read = parse("\n[tier edge]\nnodes = 1\ncores = 1\nmemory = 1\n")
    flat = read.tiers["cloud"].problem("memory", "too little")
    assert str(flat) == 'x.cfg:5: [infrastructure] cloud_memory = "1": too little'
    own = read.tiers["edge"].problem("MEMORY", "too little", "warning")
    assert str(own) == 'x.cfg:10: warning: [tier edge] memory = "1": too little'
    absent = read.infrastructure.problem("cpu_pin", "missing")
    assert str(absent) == "x.cfg:1: [infrastructure] cpu_pin: missing"


def test_access_to_what_is_not_there_is_a_mistake_of_the_program() -> None:
    read = parse()
    with pytest.raises(KeyError):
        read.run.text("no_such_key")
    with pytest.raises(TypeError):
        read.run.text("seed")
    assert read.benchmark.maybe_text("application") is None
    assert read.run.maybe_real("timeout") is None
    assert read.run.maybe_integer("seed") == 0


def test_all_values_are_plain_json() -> None:
    read = parse("[run]\ntolerance = 3\n[link cloud-cloud]\nbandwidth = unlimited\n")
    resolved = json.loads(json.dumps(read.resolved(), allow_nan=False))
    assert resolved["run"]["tolerance"] == {
        "delay_percent": 3.0,
        "delay_floor_ms": 0.3,
        "throughput_percent": 3.0,
    }
    assert resolved["link cloud-cloud"]["bandwidth"] == "unlimited"
    assert resolved["tier cloud"]["memory"] == 1024
    assert resolved["infrastructure"]["network_emulation"] is True
