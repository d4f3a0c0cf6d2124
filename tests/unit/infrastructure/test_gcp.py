"""The pure parts of the provider ``gcp``: keys, names, prices, and the question for one's own address."""

import re
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from continuum.config import loader as config
from continuum.config import topology_builder
from continuum.errors import ConfigError, ProvisionError
from infrastructure.gcp import known_locations, names, prices, resources, settings, source
from infrastructure.gcp.settings import CloudLocation

START = """[infrastructure]
provider = gcp
infra_only = True
cloud_nodes = 1
cloud_cores = 2
cloud_memory = 8
"""
KEYS = 'gcp_project = "p-1"\ngcp_zone = europe-west4-a\ngcp_cloud = e2-standard-2\n'


def refused(more: str) -> list[str]:
    with pytest.raises(ConfigError) as error:
        config.parse(START + more, "x.cfg")
    return str(error.value).splitlines()


@pytest.mark.parametrize(
    ("more", "complaint"),
    [
        ("gcp_project =\ngcp_zone = a-b-c\ngcp_cloud = x", "gcp_project: missing; write your project's id"),
        ("gcp_project = p\ngcp_cloud = x", "gcp_zone: missing; write a zone"),
        ("gcp_project = p\ngcp_zone = a-b-c", "gcp_cloud: missing, and there are cloud nodes"),
        (KEYS + "gcp_region = us-central1", "the zone europe-west4-a is in another"),
        (KEYS + "gcp_image = debian-12", "not PROJECT/FAMILY"),
        (KEYS + "gcp_source = everybody", "not an address"),
        (KEYS + "gcp_source = 0.0.0.0/0", "would let every address log in"),
        (KEYS + "gcp_api = http://compute.example", "plain http would reveal the credentials"),
        (KEYS + "gcp_api = ftp://x", "not an http(s) URL"),
        (KEYS.replace("standard-2", "small"), "2 cores and 2 GB, not 2 cores and 8 GB; choose a larger"),
    ],
)  # fmt: skip
def test_what_cannot_work_is_refused(more: str, complaint: str) -> None:
    lines = refused(more)
    assert any(complaint in line for line in lines), lines
    assert all(line.startswith("x.cfg:") for line in lines)


def test_the_location_of_a_config_goes_through_the_journal() -> None:
    read = config.parse(START + KEYS + "gcp_credentials = ~/key.json\n", "x.cfg")
    place = settings.location_of(read)
    assert (place.project, place.region, place.zone) == ("p-1", "europe-west4", "europe-west4-a")
    assert place.credentials.endswith("/key.json")
    assert "~" not in place.credentials
    assert CloudLocation.from_json(place.to_json()) == place


def test_a_larger_machine_is_a_warning() -> None:
    read = config.parse(START + KEYS.replace("standard-2", "standard-4"), "x.cfg")
    assert [problem.key for problem in read.warnings] == ["gcp_cloud"]


def test_a_tier_of_ones_own_takes_the_machine_of_all() -> None:
    own = "gcp_machine = e2-small\n[tier fog]\nnodes = 1\ncores = 2\nmemory = 2\n"
    read = config.parse(START + KEYS + own, "x.cfg")
    assert settings.machine_of(read, "fog") == "e2-small"
    assert settings.machine_of(read, "cloud") == "e2-standard-2"


def test_prices_add_up_and_tell_their_date() -> None:
    own = "gcp_machine = z9-unheard-of\n[tier fog]\nnodes = 2\ncores = 2\nmemory = 2\n"
    read = config.parse(START + KEYS + own, "x.cfg")
    lines = prices.estimate(read, topology_builder.from_config(read))
    assert lines[0] == "estimated price per hour in europe-west4:"
    # Two cores, 8 GB, an address, 10 GB of disk for an hour of the 730 of a month.
    price = 2 * 0.02401338 + 8 * 0.00321816 + 0.005 + 10 * 0.11 / 730
    assert lines[1] == f"  cloud: 1 x e2-standard-2: {price:.3f} USD"
    assert lines[2] == "  fog: 2 x z9-unheard-of: unknown, not in the table of prices"
    assert lines[3].startswith(f"  together {price:.3f} USD, and what z9-unheard-of costs;")
    assert prices.table()["date"] in lines[4]
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", prices.table()["date"])


def test_a_region_without_prices_is_said_to_have_none() -> None:
    read = config.parse(START + KEYS.replace("europe-west4-a", "mars-north1-a"), "x.cfg")
    first, second = prices.estimate(read, topology_builder.from_config(read))
    assert first == "estimated price per hour in mars-north1:"
    assert second.startswith("  unknown: the table of prices (")
    assert prices.per_hour("e2-standard-2", "mars-north1") is None


@pytest.mark.parametrize(
    ("machine", "region", "listed"),
    [
        ("e2-highcpu-16", "europe-west4", 0.43570464),
        ("e2-highmem-16", "europe-west4", 0.79613856),
        ("e2-highmem-16", "us-east4", 0.81445392),
        ("n1-standard-32", "asia-southeast1", 1.875088),
        ("n2-standard-32", "europe-west9", 1.80251008),
        ("c2-standard-60", "europe-west2", 4.03518),
    ],
)
def test_prices_made_of_their_parts_are_those_of_whole_machines(
    machine: str, region: str, listed: float
) -> None:
    """Listed prices of machines that the table's rates were not taken from."""
    assert prices.per_hour(machine, region) == pytest.approx(listed, abs=1e-6)


def test_a_shared_core_counts_for_its_share() -> None:
    quarter, whole = prices.per_hour("e2-micro", "us-central1"), prices.per_hour("e2-medium", "us-central1")
    assert quarter == pytest.approx(0.0084, abs=5e-5)
    assert whole == pytest.approx(4 * (quarter or 0))


@pytest.mark.parametrize("run_id", ["20260101-000000-Test", "x" * 90, "20260101-000000-a.b_c"])
def test_names_and_labels_are_what_google_takes(run_id: str) -> None:
    node = "a" * 32 + "12"
    for name in (names.instance(run_id, node), names.network(run_id), *names.firewalls(run_id)):
        assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name)
        assert name.startswith(names.prefix(run_id))
    assert re.fullmatch(r"[a-z0-9_-]{1,63}", names.label(run_id))
    assert re.fullmatch(r"[a-z0-9_-]{1,63}", known_locations.owner())


def test_a_description_tells_the_run_to_its_owner_alone() -> None:
    text = names.description("20260101-000000-My-Run", "me")
    assert names.run_of(text, "me") == "20260101-000000-My-Run"
    assert names.run_of(text, "you") is None
    assert names.run_of("something else", "me") is None


def test_repetitions_of_a_request_are_known_as_such() -> None:
    first = names.request_id("run", "Instances", "a")
    assert first == names.request_id("run", "Instances", "a")
    assert first != names.request_id("run", "Instances", "b")
    assert first != names.request_id("other", "Instances", "a")


def test_nobody_but_the_caller_and_the_nodes_is_admitted() -> None:
    rules = resources.firewalls("run", CloudLocation("p", "r", "z"), "203.0.113.7/32", 22, "me")
    sources = [(rule["sourceRanges"], rule["allowed"]) for rule in rules]
    assert sources[0] == (["203.0.113.7/32"], [{"IPProtocol": "tcp", "ports": ["22"]}])
    assert sources[1][0] == [resources.RANGE]


def record(kind: int, data: bytes) -> bytes:
    return b"\xc0\x0c" + struct.pack("!HHIH", kind, 1, 60, len(data)) + data


def text(words: bytes) -> bytes:
    return record(16, bytes([len(words)]) + words)


@contextmanager
def name_server(*answers: bytes, flip: bool = False) -> Iterator[tuple[str, int]]:
    """A server that answers one question."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as served:
        served.bind(("127.0.0.1", 0))
        served.settimeout(10)

        def serve() -> None:
            asked, asker = served.recvfrom(2048)
            ident = bytes([asked[0] ^ flip]) + asked[1:2]
            header = struct.pack("!5H", 0x8180, 1, len(answers), 0, 0)
            served.sendto(ident + header + asked[12:] + b"".join(answers), asker)

        thread = threading.Thread(target=serve)
        thread.start()
        yield served.getsockname()
        thread.join()


def test_the_callers_own_address_is_asked_for() -> None:
    with name_server(
        record(1, b"\1\2\3\4"), text(b"edns0-client-subnet 1.2.3.0/24"), text(b"203.0.113.7")
    ) as one:
        assert source.caller("auto", (one,)) == "203.0.113.7/32"


def test_answers_that_are_none() -> None:
    with (
        name_server(text(b"what?")) as confused,
        name_server(text(b"203.0.113.7"), flip=True) as liar,
        pytest.raises(ProvisionError, match="write it into the config, as in gcp_source"),
    ):
        source.caller("auto", (confused, liar))


def test_an_address_that_is_given_is_taken() -> None:
    assert source.caller("203.0.113.7") == "203.0.113.7/32"
    assert source.caller("203.0.113.7/28") == "203.0.113.0/28"
