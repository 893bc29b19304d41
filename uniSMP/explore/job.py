"""What an exploration works on: a plan, jobs cut from it, and their results; all of it JSON-able.

A plan holds all that a process on another machine needs. A job's payload is understood by the
strategy only: a range of execution numbers, or a prefix of a tree with its sleep sets.
"""

import base64
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from typing import Any, Protocol

from uniSMP.assembler.image import Image, Line
from uniSMP.errors import ConfigError, FormatError
from uniSMP.machine import boot
from uniSMP.machine.config import MachineConfig
from uniSMP.machine.target import Target
from uniSMP.memory.boot_information import Module
from uniSMP.replay.manifest import BEHAVIOUR

FORMAT = "unismp-plan"
FORMAT_VERSION = 1
METHOD = 2
"""Counts changes of what a strategy does for a plan: results from before do not fit those after."""
Payload = dict[str, Any]


@dataclass(frozen=True, slots=True)
class CheckChoice:
    """A check by its name, with what it is told; the values are JSON-able."""

    name: str
    parameters: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Limits:
    """How far one piece of work goes.

    Attributes:
        instructions: of one execution, all cores together; one that gets there is given up.
        executions: of one job.
        jobs: of one round.

    Raises:
        ConfigError: one is below 1.
    """

    instructions: int = 1_000_000
    executions: int = 64
    jobs: int = 32

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            if value < 1:
                raise ConfigError(f"limit of {name} = {value}: choose 1 or more")


@dataclass(frozen=True, slots=True)
class Plan:
    """What is explored, and how.

    Attributes:
        target: the guest; its name is for people.
        config: of the machine; modules are held by their contents.
        from_symbol: executions begin when every core stands there; None: at the start of the run.
        until_symbol: a core that gets there is at rest; None: nowhere.
        strategy: its name.
        parameters: of the strategy, JSON-able.
        seed: what is chosen by chance comes from it.
        checks: what every execution is examined for.
        limits: of one execution, one job and one round.
    """

    target: Target
    config: MachineConfig
    strategy: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    from_symbol: str | None = None
    until_symbol: str | None = None
    checks: tuple[CheckChoice, ...] = ()
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        """Read the modules: a path means nothing on another machine."""
        modules = boot.read_modules(self.config.modules)
        object.__setattr__(self, "config", replace(self.config, modules=tuple(modules)))

    def key(self) -> str:
        """Return what identifies the work: equal for plans whose results are equal.

        It is a SHA-256 in hexadecimal. Names for people and source lines do not count; versions of
        uniSMP's behaviour and of the engine do.
        """
        facts = self._facts()
        facts["target"] = {**facts["target"], "name": "", "lines": []}
        return hashlib.sha256(_dump(facts)).hexdigest()

    def to_bytes(self) -> bytes:
        """Return the plan as JSON."""
        return _dump(self._facts())

    @classmethod
    def from_bytes(cls, data: bytes) -> "Plan":
        """Return the plan that `to_bytes` wrote.

        Raises:
            FormatError: it is damaged, or was made by a uniSMP or an engine of another version.
        """
        try:
            facts = json.loads(data)
            if facts["format"] != FORMAT:
                raise FormatError("this is no plan of an exploration")
            _compare(facts["versions"])
            machine = dict(facts["machine"])
            serial = base64.b64decode(machine.pop("serial_input"), validate=True)
            modules = tuple(
                Module(text, base64.b64decode(content, validate=True))
                for text, content in machine.pop("modules")
            )
            return cls(
                target=_read_target(facts["target"]),
                config=MachineConfig(**machine, modules=modules, serial_input=serial),
                strategy=facts["strategy"],
                parameters=facts["parameters"],
                seed=facts["seed"],
                from_symbol=facts["from_symbol"],
                until_symbol=facts["until_symbol"],
                checks=tuple(CheckChoice(**choice) for choice in facts["checks"]),
                limits=Limits(**facts["limits"]),
            )
        except (KeyError, ValueError, TypeError, RecursionError, ConfigError) as error:
            raise FormatError(f"the plan of the exploration is damaged ({error!r})") from error

    def _facts(self) -> dict[str, Any]:
        config = self.config
        return {
            "format": FORMAT,
            "versions": _versions(),
            "target": _target_facts(self.target),
            "machine": {
                "cores": config.cores,
                "memory_bytes": config.memory_bytes,
                "boot": config.boot,
                "ticks_per_instruction": config.ticks_per_instruction,
                "command_line": config.command_line,
                "modules": [[each.name, _text(each.data)] for each in _modules(config)],
                "serial_input": _text(config.serial_input),
            },
            "strategy": self.strategy,
            "parameters": dict(self.parameters),
            "seed": self.seed,
            "from_symbol": self.from_symbol,
            "until_symbol": self.until_symbol,
            "checks": [
                {"name": each.name, "parameters": dict(each.parameters)} for each in self.checks
            ],
            "limits": asdict(self.limits),
        }


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work.

    Attributes:
        number: from 0, in the order in which jobs arise; equal in every run of a plan.
        payload: what is to be done, JSON-able.
        executions: at most so many, 1 or more; what then is left belongs into `JobResult.more`.
    """

    number: int
    payload: Payload
    executions: int


@dataclass(frozen=True, slots=True)
class JobResult:
    """What came of a job; equal for equal jobs of a plan, wherever they run.

    Attributes:
        executions: how many were run to their end, at most those of the job.
        blocked: how many were given up as redundant (by a sleep set, say); not in `executions`.
        found: violations with their schedules, JSON-able. Each has `key` (a list of texts and
            numbers: equal for the same violation in another schedule) and `summary` (one line).
        more: payloads of further jobs that this one gives rise to, in their order.
        counts: numbers by name, to be summed.
        sets: members by name, to be united: texts, or numbers from 0 to 2^64 - 1.
    """

    executions: int = 0
    blocked: int = 0
    found: Sequence[dict[str, Any]] = ()
    more: Sequence[Payload] = ()
    counts: Mapping[str, int] = field(default_factory=dict)
    sets: Mapping[str, Sequence[int | str]] = field(default_factory=dict)

    def to_json(self) -> str:
        """Return the result as JSON."""
        return _dump({name: getattr(self, name) for name in _RESULT_FIELDS}).decode()

    @classmethod
    def from_json(cls, text: str) -> "JobResult":
        """Return the result that `to_json` wrote.

        Raises:
            FormatError: it is damaged.
        """
        try:
            return cls(**json.loads(text))
        except (ValueError, TypeError, RecursionError) as error:
            raise FormatError(f"the result of a job is damaged ({error!r})") from error


_RESULT_FIELDS = ("executions", "blocked", "found", "more", "counts", "sets")


class Worker(Protocol):
    """Runs jobs of one plan, one after the other; made once in each process."""

    def run(self, job: Job) -> JobResult:
        """Run a job to its end, or to its limit of executions, or to its first violation."""


def _versions() -> dict[str, Any]:
    return {
        "format": FORMAT_VERSION,
        "method": METHOD,
        "behaviour": BEHAVIOUR,
        "uniSMP": version("uniSMP"),
        "unicorn": version("unicorn"),
    }


def _compare(found: Mapping[str, Any]) -> None:
    for name, wanted in _versions().items():
        if found.get(name) != wanted:
            raise FormatError(
                f"the plan of the exploration has {name} version {found.get(name)}; "
                f"here it is {wanted}: all its processes need the same uniSMP and Unicorn"
            )


def _target_facts(target: Target) -> dict[str, Any]:
    image = target.image
    facts: dict[str, Any] = {"name": target.name, "data": _text(target.data), "lines": []}
    if isinstance(image, Image):
        facts |= {
            "origin": image.origin,
            "entry": image.entry,
            "symbols": dict(image.symbols),
            "labels": list(image.labels),
            "lines": [list(line) for line in image.lines],
        }
    return facts


def _read_target(facts: Mapping[str, Any]) -> Target:
    data = base64.b64decode(facts["data"], validate=True)
    if "origin" not in facts:
        return Target(facts["name"], data)
    image = Image(
        data=data,
        origin=facts["origin"],
        symbols=facts["symbols"],
        lines=tuple(Line(*line) for line in facts["lines"]),
        entry=facts["entry"],
        labels=tuple(facts["labels"]),
    )
    return Target(facts["name"], image)


def _modules(config: MachineConfig) -> list[Module]:
    return [each for each in config.modules if isinstance(each, Module)]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _dump(facts: Mapping[str, Any]) -> bytes:
    return json.dumps(facts, sort_keys=True, separators=(",", ":")).encode()
