"""The interface between a core and its machine."""

from uniSMP.core.platform import Platform
from uniSMP.machine.core_platform import CorePlatform


def test_platform_of_the_machine_has_every_member() -> None:
    wanted = {name for name in vars(Platform) if not name.startswith("_")}
    offered = {*dir(CorePlatform), "has_attention"}
    assert wanted <= offered
