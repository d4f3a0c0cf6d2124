"""Values: what is read from which text, and what is refused in which words."""

import math
from pathlib import Path

import pytest

from continuum.config import reference
from continuum.config.core_options import CORE, FLAT, TIER
from continuum.options import (
    Choice,
    Cores,
    DiskRate,
    Duration,
    FilePath,
    Flag,
    Fraction,
    Integer,
    Latency,
    Memory,
    Name,
    Option,
    Percent,
    QueueSize,
    Real,
    Text,
    Texts,
    Throughput,
    ValueType,
)
from continuum.options.tolerance import Tolerance, ToleranceType

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("kind", "text", "value"),
    [
        (Integer(), "5", 5),
        (Integer(), "+5", 5),
        (Integer(), "-5", -5),
        (Integer(), "007", 7),
        (Real(), "5", 5.0),
        (Real(), ".5", 0.5),
        (Real(), "5.", 5.0),
        (Real(), "1e3", 1000.0),
        (Real(), "-1.5E-1", -0.15),
        (Fraction(), "0.66", 0.66),
        (Fraction(), "50 %", 0.5),
        (Fraction(), "100%", 1.0),
        (Memory(), "16", 16384),
        (Memory(), "16 GB", 16384),
        (Memory(), "16gib", 16384),
        (Memory(), "0.5", 512),
        (Memory(), "512 MiB", 512),
        (Memory(), "512MB", 512),
        (Memory(), "4G", 4096),
        (Memory(), "2 TB", 2 * 1024 * 1024),
        (Memory(), "2048 kB", 2),
        (Latency(), "45", 45.0),
        (Latency(), "45 ms", 45.0),
        (Latency(), "45ms", 45.0),
        (Latency(), "0.045 s", 45.0),
        (Latency(), "250 us", 0.25),
        (Latency(), "250 µs", 0.25),
        (Latency(), "0", 0.0),
        (QueueSize(), "48000", 48_000.0),
        (QueueSize(), "48 kB", 48_000.0),
        (QueueSize(), "64 KiB", 65_536.0),
        (QueueSize(), "1.5 MB", 1_500_000.0),
        (Throughput(), "7.21", 7.21),
        (Throughput(), "7.21 Mbit", 7.21),
        (Throughput(), "1 Gbit", 1000.0),
        (Throughput(), "1 Gbit/s", 1000.0),
        (Throughput(), "100 Mbps", 100.0),
        (Throughput(), "100 Mb/s", 100.0),
        (Throughput(), "500 kbit", 0.5),
        (Throughput(), "unlimited", math.inf),
        (DiskRate(), "100", 100.0),
        (DiskRate(), "100 MB/s", 100.0),
        (DiskRate(), "100 MB", 100.0),
        (DiskRate(), "1 GB/s", 1000.0),
        (DiskRate(), "100 MiB/s", 104.8576),
        (DiskRate(), "0", 0.0),
        (Duration(), "10", 10.0),
        (Duration(), "10 s", 10.0),
        (Duration(), "5 min", 300.0),
        (Duration(), "1.5 h", 5400.0),
        (Duration(), "100 ms", 0.1),
        (Cores(), "2", 2.0),
        (Cores(), "2 cores", 2.0),
        (Cores(), "1 core", 1.0),
        (Cores(), "0.5", 0.5),
        (Percent(), "2", 2.0),
        (Percent(), "2 %", 2.0),
        (Percent(), "0.1%", 0.1),
        (Flag(), "True", True),
        (Flag(), "FALSE", False),
        (Flag(), "yes", True),
        (Flag(), "0", False),
        (Text(), "what you like", "what you like"),
        (Name(), "run-1.b_C", "run-1.b_C"),
        (Choice("4g", "On-Failure"), "on-failure", "On-Failure"),
        (FilePath(), "~/a b.mp4", "~/a b.mp4"),
        (Texts(), "a@b, c@d,,", ("a@b", "c@d")),
        (Texts(), '"a", "b"', ("a", "b")),
        (ToleranceType(), "3 %", Tolerance(3.0, 0.3, 3.0)),
        (ToleranceType(), "10, 1 ms", Tolerance(10.0, 1.0, 10.0)),
    ],
)
def test_text_is_read_as_value(kind: ValueType, text: str, value: object) -> None:
    read = kind.parse(text)
    assert read == pytest.approx(value) if isinstance(value, float) else read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("kind", "text", "complaint"),
    [
        (Integer(), "five", 'not a whole number; write e.g. "4"'),
        (Integer(), "5.0", 'not a whole number; write e.g. "4"'),
        (Integer(), "1e3", 'not a whole number; write e.g. "4"'),
        (Integer(), "1_000", 'not a whole number; write e.g. "4"'),
        (Integer(), "\u0665", 'not a whole number; write e.g. "4"'),
        (Integer(), "5 nodes", 'not a whole number; write e.g. "4"'),
        (Integer(), "9" * 5000, 'too large for a whole number; write e.g. "4"'),
        (Integer(maximum=10), "9" * 300, "too large; at most 10"),
        (Integer(0), "-1", "too small; at least 0"),
        (Real(), "5 x", 'not a number; write e.g. "2.5"'),
        (Real(), "nan", 'not a number; write e.g. "2.5"'),
        (Real(), "-inf", 'not a number; write e.g. "2.5"'),
        (Real(), "7,21", "decimal comma; write 7.21"),
        (Real(), "1e999", 'too large for a number; write e.g. "2.5"'),
        (Fraction(), "0", "too small; at least 0.01"),
        (Fraction(), "1.01", "too large; at most 1"),
        (Fraction(), "101 %", "too large; at most 1"),
        (Memory(), "lots", 'not a size; write e.g. "4 GB"'),
        (Memory(), "GB", 'not a size; write e.g. "4 GB"'),
        (Memory(), "4 5 GB", '"5 GB" is not a unit of a size; write e.g. "4 GB"'),
        (Memory(), "4 Mbit", '"Mbit" is not a unit of a size; write e.g. "4 GB"'),
        (Memory(), "4,5 GB", "decimal comma; write 4.5"),
        (Memory(), "0", "too small; at least 1 MiB"),
        (Memory(), "1 EB", '"EB" is not a unit of a size; write e.g. "4 GB"'),
        (Memory(), "100000 TB", "too large; at most 65536 GB"),
        (Latency(), "-1 ms", "too small; at least 0 ms"),
        (Latency(), "2 h", '"h" is not a unit of a delay; write e.g. "45 ms"'),
        (Throughput(), "0", "too small; at least 0.001 Mbit/s"),
        (
            Throughput(),
            "100 MB/s",
            'MB/s counts bytes; write bits, e.g. "100 Mbit" (1 MB/s is 8 Mbit)',
        ),
        (DiskRate(), "100 Mbit/s", '"Mbit/s" is not a unit of a disk rate; write e.g. "100 MB/s"'),
        (Duration(minimum=1), "0.5", "too small; at least 1 s"),
        (Cores(), "500m", '"m" is not a unit of a number of cores; write e.g. "2 cores"'),
        (Percent(), "101", "too large; at most 100 %"),
        (Flag(), "maybe", "neither True nor False; write one of them"),
        (Name(), "../etc", "not a name: use letters and digits, with -._ inside, at most 60"),
        (Name(), "a" * 61, "not a name: use letters and digits, with -._ inside, at most 60"),
        (Choice("auto", "netem", "fabric"), "fabrik", "not one of: fabric, auto, netem"),
        (FilePath(), "a\0b", "a path cannot contain a NUL character"),
        (ToleranceType(), "2 ms", '"ms" is not a unit of a percentage; write e.g. "2 %"'),
        (ToleranceType(), "2 %,", 'not a delay; write e.g. "45 ms"'),
    ],
)
def test_text_is_refused_in_these_words(kind: ValueType, text: str, complaint: str) -> None:
    with pytest.raises(ValueError) as refused:  # noqa: PT011 - the whole message is compared below
        kind.parse(text)
    assert str(refused.value) == complaint


def test_every_default_is_what_its_own_text_is_read_as() -> None:
    for option in (*CORE.values(), *TIER):
        if option.default is not None and not isinstance(option.default, tuple):
            assert option.value_type.parse(option.value_type.show(option.default)) == option.default, option


def test_every_core_option_says_what_it_is_for() -> None:
    for option in (*CORE.values(), *(option for _, option in FLAT.values())):
        assert option.help.endswith("."), option
        assert option.key == option.key.lower()


def test_flat_keys_are_those_of_the_framework() -> None:
    tiers = {
        f"{tier}_{key}"
        for tier in ("cloud", "edge", "endpoint")
        for key in ("nodes", "cores", "memory", "quota", "read_speed", "write_speed")
    }
    links = {
        f"{link}_{key}"
        for link in ("cloud", "edge", "cloud_edge", "cloud_endpoint", "edge_endpoint")
        for key in ("latency_avg", "latency_var", "throughput")
    }
    assert set(FLAT) == tiers | links


def test_default_is_described_for_the_reference() -> None:
    assert Option("s", "k", Memory(), 4096).describe_default() == "`4 GB`"
    assert Option("s", "k", Memory(), 256).describe_default() == "`256 MiB`"
    assert Option("s", "k", Memory(), required=True).describe_default() == "must be given"
    assert Option("s", "k", Memory(), default_text="all").describe_default() == "all"
    assert Option("s", "k", Memory()).describe_default() == ""


def test_reference_page_is_in_step_with_the_options() -> None:
    page = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    assert page == reference.reference(), "run: python -m continuum.config.reference > docs/configuration.md"


def test_reference_names_every_key() -> None:
    page = reference.reference()
    for option in (*CORE.values(), *TIER):
        assert f"| `{option.key}` |" in page
