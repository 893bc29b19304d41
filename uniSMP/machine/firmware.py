"""What a PC's firmware leaves behind, and the little of it that stays: the reset ROM.

The ROM stands at 0xF0000 and once more below 4 GiB, where a core begins after a reset or an INIT of
core 0. It goes on through the warm-reset vector when the guest asked for that in the CMOS shutdown
byte, and resets the machine otherwise.

Source: IBM PC/AT Technical Reference (BIOS data area, CMOS shutdown byte); Intel MultiProcessor
Specification 1.4, section B.4 and appendix A (warm reset).

Not modelled: BIOS services, option ROMs, ACPI and MP tables.
"""

from uniSMP.memory.ram import Ram

ROM_BYTES = 0x10000
ROM_LOW = 0xF0000
ROM_HIGH = 0xFFFF_0000
_EBDA_SEGMENT = 0x9FC0
_BASE_MEMORY_KIB = 639
_COM1_PORT = 0x3F8
_START_OFFSET = 0xFFC0
_RESET_OFFSET = 0xFFF0

WARM_RESET_SOURCE = """
.code16
    cli
    mov al, 0x0F
    out 0x70, al
    in al, 0x71
    cmp al, 0x05
    je warm
    cmp al, 0x0A
    je warm
    mov dx, 0xCF9
    mov al, 6
    out dx, al
stop:
    hlt
    jmp stop
warm:
    xor ax, ax
    mov ds, ax
    .byte 0xFF, 0x2E, 0x67, 0x04
"""
"""The ROM's code; the last line is JMP FAR [0x0467], which Keystone cannot write."""
WARM_RESET_CODE = bytes.fromhex(
    "FA B0 0F E6 70 E4 71 3C 05 74 0D 3C 0A 74 09 BA F9 0C B0 06 EE F4 EB FD31 C0 8E D8 FF 2E 67 04"
)
"""`WARM_RESET_SOURCE` assembled (a test compares them): a machine starts without Keystone."""
_RESET_JUMP = bytes.fromhex("EA C0 FF 00 F0")
"""JMP FAR F000:FFC0."""


def install(ram: Ram) -> None:
    """Fill the ROM and the BIOS data area as they are when a loader starts a guest."""
    rom = bytearray(b"\xff" * ROM_BYTES)
    rom[_START_OFFSET : _START_OFFSET + len(WARM_RESET_CODE)] = WARM_RESET_CODE
    rom[_RESET_OFFSET : _RESET_OFFSET + len(_RESET_JUMP)] = _RESET_JUMP
    ram.write(ROM_LOW, bytes(rom))
    ram.write(0x400, _COM1_PORT.to_bytes(2, "little"))
    ram.write(0x40E, _EBDA_SEGMENT.to_bytes(2, "little"))
    ram.write(0x413, _BASE_MEMORY_KIB.to_bytes(2, "little"))
    ram.write(_EBDA_SEGMENT << 4, b"\x01")  # the EBDA's own size in KiB
