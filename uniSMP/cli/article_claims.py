"""What the claims of the two design articles come to, told from verdicts and counts alone.

The articles: "A Simple, Fragmentation-Proof PMM Design" and "Interrupt Handlers as Locks: A
Deadlock-Free SMP Design" (2026). The second leaves its protocol for several cores open; each
plausible reading is a protocol here, beside spin locks as the yardstick.
"""

from collections.abc import Callable, Sequence

from uniSMP.cli.protocol_tables import JudgedProtocol, per_operation
from uniSMP.explore.cost_counter import Costs
from uniSMP.machine.outcome import Outcome

READINGS = (
    *("cli_only", "swap_naive", "swap_xchg", "swap_return", "freeze_naive", "freeze_ordered"),
    *("delegate", "delegate_irqoff"),
)
SPIN_LOCKS = ("tas", "ttas", "ticket", "mcs")
Judged = Sequence[JudgedProtocol]


def tell_deadlock_freedom(judged: Judged) -> list[str]:
    """Return paragraphs: whether handlers as locks exclude and progress."""
    readings = [each for each in judged if each.name in READINGS]
    violated = [each for each in readings if each.verdict and each.verdict.verdict == "violated"]
    holding = [each for each in readings if each.verdict and each.verdict.verdict == "holds"]
    unknown = [each for each in readings if each.verdict is None]
    paragraphs = []
    if violated:
        told = "; ".join(f"{_code(each)} ({_property(each)})" for each in violated)
        paragraphs.append(
            f"Refuted, by a recording that replays, for {len(violated)} of {len(readings)} "
            f"readings: {told}."
        )
    if holding:
        told = "; ".join(f"{_code(each)} ({_bound(each)})" for each in holding)
        paragraphs.append(f"Not refuted within the bound for {len(holding)}: {told}.")
    if unknown:
        told = ", ".join(_code(each) for each in unknown)
        paragraphs.append(f"Not explored, so nothing is said of: {told}.")
    return [*paragraphs, _conclusion(len(violated), len(holding), len(unknown))]


def _conclusion(violated: int, holding: int, unknown: int) -> str:
    if unknown:
        return "As long as readings are not explored, there is no conclusion about the design."
    if not holding:
        return "No reading keeps the claim."
    if not violated:
        return "No reading was refuted. A bound is no proof."
    return (
        "So the claim is not one of the idea but of the protocol: that a core must enter the "
        "registered handler does not by itself make the design free of deadlock, nor the handler "
        "exclusive. A bound is no proof for the readings that were not refuted."
    )


def tell_spinning(judged: Judged) -> list[str]:
    """Return paragraphs: whether spin locks waste instructions and move cache lines."""
    place = len(judged[0].costs) - 1 if judged else -1
    finished = [
        each for each in judged if place >= 0 and each.costs[place].outcome == Outcome.FINISHED
    ]
    locks = [each for each in finished if each.name in SPIN_LOCKS]
    readings = [
        each
        for each in finished
        if each.name in READINGS and not (each.verdict and each.verdict.verdict == "violated")
    ]
    if not locks or not readings:
        return ["There is nothing to compare: no run of one of the two kinds finished."]
    cores = judged[0].costs[place].cores
    head = (
        f"With {cores} {'core' if cores == 1 else 'cores'}, over the runs that finished (readings "
        "whose verdict is `violated` are left out):"
    )
    paragraphs = [head]
    for title, count in (
        ("waiting instructions", lambda costs: costs.waiting_instructions),
        ("cache lines moved", lambda costs: costs.line_transfers),
        ("instructions in all", lambda costs: costs.instructions),
    ):
        paragraphs.append(_compare(title, count, (locks, readings), place))
    unknown = ", ".join(_code(each) for each in readings if each.verdict is None)
    if unknown:
        paragraphs.append(f"Compared though not explored, so perhaps not exclusive: {unknown}.")
    return paragraphs


def _compare(
    title: str,
    count: Callable[[Costs], int],
    kinds: tuple[Judged, Judged],
    place: int,
) -> str:
    locks, readings = (_ranked(kind, count, place) for kind in kinds)
    best = locks[0][0]
    better = [name for value, name in readings if value < best]
    tail = "fewer than every spin lock: " + (
        ", ".join(f"`{name}`" for name in better) if better else "none of the readings"
    )
    return (
        f"- {title} for each operation: spin locks {_range(locks)}; readings {_range(readings)}; "
        f"{tail}."
    )


def _ranked(kind: Judged, count: Callable[[Costs], int], place: int) -> list[tuple[float, str]]:
    """Return values with names, the least first."""
    return sorted(
        (per_operation(count(each.costs[place]), each.costs[place]), each.name) for each in kind
    )


def _range(ranked: list[tuple[float, str]]) -> str:
    (least, least_name), (most, most_name) = ranked[0], ranked[-1]
    if least_name == most_name:
        return f"{least:,.1f} (`{least_name}`)"
    return f"{least:,.1f} (`{least_name}`) to {most:,.1f} (`{most_name}`)"


def tell_memory_manager(judged: Judged) -> list[str]:
    """Return paragraphs: what the runs say of the physical memory manager."""
    runs = [costs for each in judged for costs in each.costs]
    passed = sum(costs.outcome == Outcome.FINISHED for costs in runs)
    always = [
        each.name
        for each in judged
        if all(costs.outcome == Outcome.FINISHED for costs in each.costs)
    ]
    names = ", ".join(f"`{name}`" for name in always) or "none"
    passing = (
        f"{passed} of {len(runs)} runs ended with every pattern intact, every operation accounted "
        "for, and the lists of the manager in order: sorted, disjoint, coalesced, together all of "
        f"the memory. With every number of cores counted here: {names}. One schedule each; a run "
        "that ended well is no verdict."
    )
    limits = (
        "Coalesced lists are what the article's design can promise. That live ranges never leave "
        "holes too small for the next request is another claim; no run here measures it."
    )
    return [passing, limits]


def _code(judged: JudgedProtocol) -> str:
    return f"`{judged.name}`"


def _property(judged: JudgedProtocol) -> str:
    return judged.verdict.property if judged.verdict else ""


def _bound(judged: JudgedProtocol) -> str:
    return judged.verdict.bound if judged.verdict else ""
