"""``report.html``: the result as one self-contained page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from continuum.measure import speed_curve
from continuum.model.result import Result
from continuum.report import formats, palette, setup_tables, view
from continuum.report.table import Table
from continuum.rundir import node_metrics

if TYPE_CHECKING:
    from jinja2 import Environment

HERE = Path(__file__).parent
PLOTS = ("breakdown", "cdf", "timeline", "instances", "nodes", "topology")
LATER = ("analyse", "report", "teardown")
"""Phases that have not ended when the page is written first."""


def render(result: Result, svg: Mapping[str, str], config_text: str = "") -> str:
    """Render the page.

    Args:
        result: the result.
        svg: the plots by name, as SVG elements.
        config_text: content of the config file.
    """
    bench = result.benchmark
    context: dict[str, Any] = {
        "result": result,
        "bench": bench,
        "headline": view.headline(result),
        "verdict": view.verdict(result),
        "complaints": view.complaints(result),
        "links": view.links(result),
        "processors": view.processors(result),
        "speed_remarks": speed_curve.remarks(result.fidelity.processors),
        "tiers": view.tiers(result),
        "nodes": view.nodes(result),
        "clocks": view.clocks(result),
        "deliveries": setup_tables.deliveries(result),
        "installation": setup_tables.installation(result),
        "instances": _instances(result),
        "node_metrics_file": node_metrics.FILE,
        "manager_latency": setup_tables.manager_latency(result),
        "phases": _phases(result),
        "facts": _facts(result),
        "svg": {name: svg.get(name, "") for name in PLOTS},
        "config_text": str(result.config.get("text", "")) or config_text,
        "config_name": Path(str(result.config.get("file") or "config.cfg")).name,
    }
    if bench:
        context |= {
            "figures": view.figures(bench),
            "breakdown": view.stages(bench),
            "shares": view.shares(bench),
            "marks": _marks(result),
            "oddities": [(name.replace("_", " "), many) for name, many in bench.counters.items() if many],
        }
    return page("report.html.j2", bench.stages if bench else (), **context)


def page(template: str, stages: Sequence[str], **context: Any) -> str:
    """Render a template of this folder; values are escaped unless the template disables it."""
    colours = {**palette.of(stages)}
    inks = {stage: palette.ink_on(colour) for stage, colour in colours.items()}
    css = (HERE / "page.css").read_text(encoding="utf-8")
    return _environment().get_template(template).render(css=css, colours=colours, inks=inks, **context)


def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["span"] = formats.span
    return environment


def _instances(result: Result) -> list[Table]:
    """Tables of instances; those on simulated nodes have their own."""
    both = ((result.lifecycle, "Instances"), (result.simulated, setup_tables.SIMULATED))
    return [setup_tables.instances(lifecycle, what) for lifecycle, what in both if lifecycle]


def _marks(result: Result) -> list[tuple[str, float]]:
    """Maximum and the percentiles that the samples support."""
    if result.benchmark is None:
        return []
    summary = result.benchmark.end_to_end_ms
    marks = (("median", summary.p50), ("p90", summary.p90), ("p99", summary.p99), ("slowest", summary.max))
    return [(name, value) for name, value in marks if value is not None]


def _phases(result: Result) -> list[dict[str, Any]]:
    """Phases as bars on a common time axis, in percent of its length."""
    total = sum(phase.seconds for phase in result.phases) or 1.0
    bars, passed = [], 0.0
    for phase in result.phases:
        if phase.status == "skipped":
            continue
        said = "failed" if phase.status == "failed" else formats.seconds(phase.seconds)
        if phase.status == "not_run":
            said = "not yet timed" if phase.name in LATER and result.failed_phase is None else "not run"
        bars.append(
            {
                "name": phase.name,
                "status": phase.status,
                "left": round(min(99.0, 100 * passed / total), 2),
                "width": round(100 * phase.seconds / total, 2),
                "said": said,
            }
        )
        passed += phase.seconds
    return bars


def _facts(result: Result) -> list[tuple[str, str]]:
    """Host, versions and load as pairs of name and value."""
    host = {**result.host}
    memory_mb = host.pop("memory_mb", None)
    facts = [(key.replace("_", " "), _words(value)) for key, value in host.items()]
    if memory_mb is not None:
        facts.append(("memory", formats.memory(memory_mb)))
    facts += [(name, version) for name, version in result.versions.items()]
    if result.seed is not None:
        facts.append(("seed", str(result.seed)))
    load = result.benchmark.load if result.benchmark else {}
    facts += [(key.replace("_", " "), _words(value)) for key, value in load.items()]
    return [(name, value) for name, value in facts if value]


def _words(value: Any) -> str:
    if isinstance(value, list | tuple):
        return str(len(value)) if len(value) > 8 else ", ".join(str(item) for item in value)
    return str(value)
