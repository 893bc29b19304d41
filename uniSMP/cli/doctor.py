"""`unismp doctor`: check the installation, and say what is slow and why."""

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

import click
from rich.console import Console
from rich.table import Table

from uniSMP import native_cache
from uniSMP.core import engine_build, native
from uniSMP.errors import UniSMPError
from uniSMP.memory import page_tracking


@dataclass(frozen=True, slots=True)
class Finding:
    """One row.

    Attributes:
        subject: what was looked at.
        value: what was found.
        verdict: "ok", "slow", "missing" (what a later feature would use), or "broken".
        advice: why it is slow or broken, and what helps; empty where it is fine.
    """

    subject: str
    value: str
    verdict: str = "ok"
    advice: str = ""


@click.command("doctor")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")
def command(*, as_json: bool) -> int:
    """Check the installation: the engine, its layout, caches, and the kernel.

    Exit status: 0 when everything that is needed works (slow is no fault), 1 otherwise.
    """
    findings = [_guard(*check) for check in _CHECKS]
    works = all(each.verdict != "broken" for each in findings)
    if as_json:
        text = json.dumps({"works": works, "findings": [asdict(each) for each in findings]})
        click.echo(text)
    else:
        _show(findings)
    return 0 if works else 1


def _show(findings: list[Finding]) -> None:
    table = Table(box=None, pad_edge=False)
    for title in ("checked", "found", "verdict"):
        table.add_column(title, overflow="fold")
    styles = {"ok": "green", "slow": "yellow", "missing": "yellow", "broken": "bold red"}
    for each in findings:
        style = styles[each.verdict]
        table.add_row(each.subject, each.value, f"[{style}]{each.verdict}[/]")
    console = Console(highlight=False)
    console.print(table)
    for each in findings:
        if each.advice:
            console.print(f"{each.verdict}: {each.subject}: {each.advice}", markup=False)


def _guard(subject: str, check: Callable[[], Finding]) -> Finding:
    """Turn an error of a check into a finding."""
    try:
        return check()
    except (UniSMPError, OSError, ImportError) as error:
        return Finding(subject, "refused", "broken", str(error))


def _unicorn() -> Finding:
    version, path = engine_build.installed()
    engine_build.check()
    return Finding("Unicorn", f"{version}, {path}")


def _layout() -> Finding:
    engine_build.check()
    return Finding("CPU state", "at the expected offsets")


def _tlb() -> Finding:
    subject = "engine TLB"
    if engine_build.has_known_tlb():
        return Finding(subject, "as expected: stores to executable data are fast")
    return Finding(
        subject,
        "unknown layout",
        "slow",
        "each store to data in executable pages takes 100 ns instead of 2; map data no-execute",
    )


def _coherence() -> Finding:
    subject, scheme = "code coherence", engine_build.coherence_scheme()
    if scheme == "fast":
        return Finding(subject, "fast: page compare, exact invalidation")
    return Finding(
        subject,
        "portable: page compare, flush of all translations",
        "slow",
        f"each change of code costs some 100 us, each new code page a TLB flush; the library "
        f"exports too little, or {engine_build.COHERENCE_VARIABLE}=portable is set",
    )


def _cache() -> Finding:
    subject = "cache of compiled code"
    directory = native_cache.cache_directory(native.__file__)
    if directory is not None:
        return Finding(subject, f"{directory}, writable")
    return Finding(
        subject,
        "no writable directory",
        "slow",
        "everything is compiled at each start, which takes seconds; set NUMBA_CACHE_DIR to a "
        "directory that can be written to",
    )


def _tracking() -> Finding:
    subject = "written pages"
    missing = page_tracking.missing()
    if missing is None:
        return Finding(subject, "userfaultfd WP_ASYNC and PAGEMAP_SCAN work")
    return Finding(
        subject,
        missing,
        "missing",
        "not used yet; snapshots would compare the whole of RAM instead",
    )


def _trial() -> Finding:
    # Imported here: where the engine is refused, the other checks still say why.
    from uniSMP.assembler.assemble import assemble  # noqa: PLC0415
    from uniSMP.machine.machine import Machine  # noqa: PLC0415

    subject = "trial run"
    with Machine(cores=2, memory_bytes=2 << 20, boot="long") as machine:
        machine.load(assemble("_start: xor eax, eax\n out 0xF4, al\n"))
        result = machine.run(max_instructions=1000)
    if result.outcome.value == "FINISHED":
        return Finding(subject, "a guest on 2 cores FINISHED")
    return Finding(subject, result.outcome.value, "broken", result.reason)


_CHECKS: tuple[tuple[str, Callable[[], Finding]], ...] = (
    ("Unicorn", _unicorn),
    ("CPU state", _layout),
    ("engine TLB", _tlb),
    ("code coherence", _coherence),
    ("cache of compiled code", _cache),
    ("written pages", _tracking),
    ("trial run", _trial),
)
