import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from uniSMP import Image, assemble
from uniSMP.errors import ConfigError, FormatError, ImageError
from uniSMP.explore.job import CheckChoice, JobResult, Limits, Plan
from uniSMP.machine.config import MachineConfig
from uniSMP.machine.target import Target
from uniSMP.memory.boot_information import Module

SOURCE = "_start: mov eax, 1\nspot: hlt\nLIMIT = 5\n"


def plan(**changes: Any) -> Plan:
    facts: dict[str, Any] = {
        "target": Target("guest", assemble(SOURCE)),
        "config": MachineConfig(cores=2, boot="long", serial_input=b"\xff\x00"),
        "strategy": "pct",
        "parameters": {"depth": 3},
        "seed": (1 << 64) - 1,
        "from_symbol": "spot",
        "checks": (CheckChoice("exclusion", {"regions": ["a..b"]}), CheckChoice("races")),
        "limits": Limits(instructions=9, executions=8, jobs=7),
    }
    return Plan(**(facts | changes))


def damaged(name: str, value: object) -> bytes:
    facts = json.loads(plan().to_bytes())
    facts[name] = value
    return json.dumps(facts).encode()


def test_plan_survives_the_way_to_another_process() -> None:
    assert Plan.from_bytes(plan().to_bytes()) == plan()


def test_plan_with_plain_bytes_survives() -> None:
    given = plan(target=Target("file.bin", b"\x00\xff\xf4"))
    assert Plan.from_bytes(given.to_bytes()) == given


def test_plan_keeps_symbols_and_lines_of_the_guest() -> None:
    image = Plan.from_bytes(plan().to_bytes()).target.image
    assert isinstance(image, Image)
    assert (image.symbols["LIMIT"], image.line_at(image.symbols["spot"])) == (
        5,
        assemble(SOURCE).line_at(image.symbols["spot"]),
    )


def test_plan_holds_modules_by_their_contents(tmp_path: Path) -> None:
    (tmp_path / "disk").write_bytes(b"one")
    config = MachineConfig(modules=(f"{tmp_path}/disk quiet",))
    given = plan(config=config)
    (tmp_path / "disk").write_bytes(b"two")
    module = Plan.from_bytes(given.to_bytes()).config.modules[0]
    assert isinstance(module, Module)
    assert module.data == b"one"


def test_plan_with_a_missing_module_is_refused() -> None:
    with pytest.raises(ImageError, match="/nowhere"):
        plan(config=MachineConfig(modules=("/nowhere",)))


def test_key_is_a_sha256_of_what_counts() -> None:
    image = dataclasses.replace(assemble(SOURCE), lines=())
    assert plan(target=Target("other name", image)).key() == plan().key()
    assert len(plan().key()) == 64


@pytest.mark.parametrize(
    "changes",
    [
        {"seed": 1},
        {"strategy": "random"},
        {"parameters": {"depth": 2}},
        {"from_symbol": None},
        {"until_symbol": "spot"},
        {"checks": ()},
        {"limits": Limits(executions=9)},
        {"config": MachineConfig(cores=3, boot="long", serial_input=b"\xff\x00")},
        {"target": Target("guest", assemble("_start: mov eax, 2\nspot: hlt\n"))},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_key_differs_where_the_work_differs(changes: dict[str, Any]) -> None:
    assert plan(**changes).key() != plan().key()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        damaged("format", "other"),
        damaged("target", {"name": "x", "data": "!"}),
        damaged("machine", {}),
        damaged("checks", [1]),
        damaged("limits", {"jobs": 0}),
    ],
)
def test_damaged_plan_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError, match="plan"):
        Plan.from_bytes(data)


def test_plan_of_another_engine_is_refused_and_says_so() -> None:
    versions = json.loads(plan().to_bytes())["versions"] | {"unicorn": "1.0"}
    with pytest.raises(FormatError, match=r"has unicorn version 1\.0; here it is 2\."):
        Plan.from_bytes(damaged("versions", versions))


@pytest.mark.parametrize("name", ["instructions", "executions", "jobs"])
def test_limit_below_one_is_refused(name: str) -> None:
    with pytest.raises(ConfigError, match=f"limit of {name} = 0"):
        Limits(**{name: 0})


def test_result_survives_the_way_to_another_process() -> None:
    result = JobResult(
        executions=3,
        blocked=1,
        found=[{"key": ["x", 1], "summary": "s"}],
        more=[{"prefix": [0, 1]}],
        counts={"a": 5},
        sets={"states": [(1 << 64) - 1, "t"]},
    )
    assert JobResult.from_json(result.to_json()) == result


@pytest.mark.parametrize("text", ["", "[1]", '{"other": 1}', "null"])
def test_damaged_result_is_refused(text: str) -> None:
    with pytest.raises(FormatError, match="result of a job"):
        JobResult.from_json(text)
