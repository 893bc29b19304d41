"""Where the guest sources are found."""

from pathlib import Path

import pytest

from uniSMP.assembler import library
from uniSMP.errors import AssemblyError


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(library, "_PACKAGE", tmp_path / "uniSMP")
    return tmp_path / "uniSMP"


def programs_in(folder: Path, **sources: str) -> None:
    (folder / "programs").mkdir(parents=True)
    for name, source in sources.items():
        (folder / "programs" / f"{name}.asm").write_text(source)


def test_guest_root_checkout_is_beside_the_package(package: Path) -> None:
    programs_in(package.parent / "guest")
    programs_in(package / "_guest")
    assert library.guest_root() == package.parent / "guest"


def test_guest_root_installed_is_in_the_package(package: Path) -> None:
    programs_in(package / "_guest")
    assert library.guest_root() == package / "_guest"


def test_guest_root_missing_raises(package: Path) -> None:
    with pytest.raises(AssemblyError, match=f"no guest sources beside or in {package}"):
        library.guest_root()


def test_programs_are_sorted_and_only_asm(package: Path) -> None:
    programs_in(package / "_guest", zeta="nop", alpha="nop")
    (package / "_guest" / "programs" / "notes.md").write_text("no program")
    assert library.programs() == ("alpha", "zeta")


def test_program_path_known_name_gives_file(package: Path) -> None:
    programs_in(package / "_guest", alpha="nop")
    assert library.program_path("alpha") == package / "_guest" / "programs" / "alpha.asm"


def test_program_path_unknown_name_lists_programs(package: Path) -> None:
    programs_in(package / "_guest", alpha="nop", beta="nop")
    with pytest.raises(AssemblyError, match="no program `gamma`; there are: alpha, beta"):
        library.program_path("gamma")


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("; Does it.\nnop", "Does it."),
        ("\n# Does it.\n", "Does it."),
        ("// Does it.", "Does it."),
        ("nop ; not this", ""),
        ("", ""),
    ],
)
def test_program_description_is_the_first_comment(
    package: Path, source: str, expected: str
) -> None:
    programs_in(package / "_guest", alpha=source)
    assert library.program_description("alpha") == expected


def test_display_name_in_library_is_relative(package: Path) -> None:
    programs_in(package / "_guest", alpha="nop")
    assert library.display_name(library.program_path("alpha")) == "programs/alpha.asm"


def test_display_name_elsewhere_is_as_given(package: Path) -> None:
    programs_in(package / "_guest")
    assert library.display_name(Path("other/a.asm")) == "other/a.asm"
