"""What the documentation says is so."""

import doctest
import importlib
import pkgutil
import re
from pathlib import Path

import pytest

import uniSMP

ROOT = Path(__file__).parents[2]
_NAMED_TEST = re.compile(r"(tests/[\w/]+\.py)::(\w+)")
_LINK = re.compile(r"\]\(([^)#]+)\)")


def modules() -> list[str]:
    found = pkgutil.walk_packages(uniSMP.__path__, "uniSMP.")
    return [each.name for each in found if not each.name.endswith("__main__")]


def named_tests() -> list[tuple[str, str]]:
    pages = [ROOT / "docs/claims.md", ROOT / "docs/engine.md"]
    return sorted({found for page in pages for found in _NAMED_TEST.findall(page.read_text())})


@pytest.mark.parametrize("name", modules())
def test_example_works(name: str) -> None:
    result = doctest.testmod(importlib.import_module(name))
    assert result.failed == 0


def test_readme_example_works() -> None:
    result = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert (result.failed, result.attempted > 0) == (0, True)


@pytest.mark.parametrize(("file", "name"), named_tests())
def test_test_named_by_the_documentation_exists(file: str, name: str) -> None:
    assert f"def {name}(" in (ROOT / file).read_text()


@pytest.mark.parametrize("page", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("docs/**/*.md")))
def test_links_of_a_page_lead_somewhere(page: Path) -> None:
    links = [link for link in _LINK.findall(page.read_text()) if "://" not in link]
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_public_names_are_sorted_and_exist() -> None:
    assert sorted(uniSMP.__all__) == uniSMP.__all__
    assert all(hasattr(uniSMP, name) for name in uniSMP.__all__)
