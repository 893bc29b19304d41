"""Page tables in a small memory, for tests of checks."""

ROOT, POINTERS, DIRECTORY, TABLE, SPARE = 0x1000, 0x2000, 0x3000, 0x4000, 0x5000
ENTRIES = {
    ROOT: POINTERS | 3,
    POINTERS: DIRECTORY | 3,
    DIRECTORY: TABLE | 3,
    DIRECTORY + 8: 0x400083,  # 2 MiB at linear 2 MiB
    TABLE + 8: 0xA003,  # linear 0x1000
    TABLE + 16: 0xB003,  # linear 0x2000
    SPARE + 8: 0xC003,
}


def memory(code: bytes = b"") -> bytes:
    """Return RAM with the tables, and code at 0x100."""
    raw = bytearray(1 << 16)
    for address, entry in ENTRIES.items():
        raw[address : address + 8] = entry.to_bytes(8, "little")
    raw[0x100 : 0x100 + len(code)] = code
    return bytes(raw)
