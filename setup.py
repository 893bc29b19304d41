"""What pyproject.toml cannot say: a wheel carries the guest sources inside the package."""

import shutil
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py

_GUEST = Path("guest")
_SUFFIXES = (".asm", ".inc", ".md")


class BuildWithGuest(build_py):
    """Copies `guest/` to `uniSMP/_guest`; an editable install reads it where it is."""

    def run(self) -> None:
        """Build the package, then add the guest sources."""
        super().run()
        if not self.editable_mode:
            for source, target in self._guest_files():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:  # noqa: FBT001, FBT002 - the signature of setuptools
        """Return the paths of all files built."""
        outputs = super().get_outputs(include_bytecode)
        return [*outputs, *(str(target) for _, target in self._guest_files())]

    def _guest_files(self) -> list[tuple[Path, Path]]:
        sources = sorted(path for path in _GUEST.rglob("*") if path.suffix in _SUFFIXES)
        root = Path(self.build_lib) / "uniSMP" / "_guest"
        return [(source, root / source.relative_to(_GUEST)) for source in sources]


setup(cmdclass={"build_py": BuildWithGuest})
