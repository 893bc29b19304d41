"""A wheel works where there is no checkout."""

import json
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


_NO_SOURCE = shutil.ignore_patterns(".*", "build", "dist", "*.egg-info", "__pycache__")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    source = tmp_path_factory.mktemp("source") / "tree"
    target = tmp_path_factory.mktemp("wheel")
    shutil.copytree(ROOT, source, ignore=_NO_SOURCE)
    pip("wheel", "--no-deps", "--wheel-dir", target, source)
    return next(target.glob("*.whl"))


@pytest.fixture(scope="module")
def packages(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("packages")
    pip("install", "--no-deps", "--target", target, wheel)
    return target


def pip(command: str, *arguments: str | Path) -> None:
    subprocess.run([sys.executable, "-m", "pip", command, "--quiet", *arguments], check=True)


def run_outside(packages: Path, tmp_path: Path, *arguments: str) -> bytes:
    finished = subprocess.run(
        [sys.executable, *arguments],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(packages)},
        capture_output=True,
        check=True,
    )
    return finished.stdout


def test_wheel_contains_every_guest_source(wheel: Path) -> None:
    packed = zipfile.ZipFile(wheel).namelist()
    sources = [path for path in (ROOT / "guest").rglob("*") if path.suffix in {".asm", ".inc"}]
    wanted = {f"uniSMP/_guest/{path.relative_to(ROOT / 'guest').as_posix()}" for path in sources}
    assert wanted - set(packed) == set()


def test_wheel_contains_the_page_of_a_trace(wheel: Path) -> None:
    packed = zipfile.ZipFile(wheel).namelist()
    page = [path for path in (ROOT / "uniSMP/trace/page").iterdir() if path.is_file()]
    assert len(page) > 10
    assert {path.relative_to(ROOT).as_posix() for path in page} - set(packed) == set()


def test_wheel_outside_the_checkout_runs_pmm_smp(packages: Path, tmp_path: Path) -> None:
    arguments = ("-m", "uniSMP", "run", "pmm_smp", "--cores", "2", "--json")
    assert json.loads(run_outside(packages, tmp_path, *arguments))["outcome"] == "FINISHED"


def test_wheel_is_the_package_that_was_run(packages: Path, tmp_path: Path) -> None:
    found = run_outside(packages, tmp_path, "-c", "import uniSMP; print(uniSMP.__file__)")
    assert found.decode().startswith(str(packages))
