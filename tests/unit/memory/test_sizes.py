import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from uniSMP.errors import ConfigError
from uniSMP.memory.sizes import check_ram_size, format_size, parse_size


@pytest.mark.parametrize(
    ("text", "size_bytes"),
    [
        ("65536", 65536),
        ("64M", 64 << 20),
        ("1G", 1 << 30),
        ("1g", 1 << 30),
        ("4096K", 4 << 20),
        ("16MiB", 16 << 20),
        ("16mb", 16 << 20),
        ("2 GiB", 2 << 30),
        ("1T", 1 << 40),
        ("100B", 100),
        ("0x10000", 0x10000),
        ("0X1f", 0x1F),
        ("0x10M", 16 << 20),
        ("0x1b", 0x1B),
        ("  8K\n", 8192),
        ("007", 7),
    ],
)
def test_size_well_written_is_understood(text: str, size_bytes: int) -> None:
    assert parse_size(text) == size_bytes


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "M",
        "0x",
        "-1",
        "+1",
        "-64M",
        "1.5G",
        "1e6",
        "64X",
        "64MM",
        "64Mi",
        "64iB",
        "64  M",
        "64M 2",
        "6 4M",
        "1_000",
        "0b11",
        "ten",
        "٣M",
        "6\n4",
        "9" * 5000,
    ],
)
def test_size_badly_written_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(ConfigError, match="is not a size") as caught:
        parse_size(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("text", ["0", "0M", "0x0", "000"])
def test_size_of_zero_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="is zero"):
        parse_size(text)


@pytest.mark.parametrize(
    ("size_bytes", "text"),
    [
        (0, "0"),
        (1, "1"),
        (1023, "1023"),
        (1024, "1K"),
        (65537, "65537"),
        (64 << 20, "64M"),
        (1536 << 10, "1536K"),
        (3 << 30, "3G"),
        (1 << 40, "1T"),
    ],
)
def test_format_uses_the_largest_unit_that_divides(size_bytes: int, text: str) -> None:
    assert format_size(size_bytes) == text


@settings(derandomize=True, deadline=None)
@given(st.integers(1, 1 << 60))
def test_format_is_read_back_as_the_same_size(size_bytes: int) -> None:
    assert parse_size(format_size(size_bytes)) == size_bytes


@settings(derandomize=True, deadline=None)
@given(st.text())
def test_size_of_any_text_is_positive_or_refused(text: str) -> None:
    try:
        size_bytes = parse_size(text)
    except ConfigError:
        size_bytes = 1
    assert size_bytes > 0


@pytest.mark.parametrize("size_bytes", [1 << 20, (1 << 20) + 4096, 64 << 20, 3 << 30])
def test_ram_size_allowed_is_returned(size_bytes: int) -> None:
    assert check_ram_size(size_bytes) == size_bytes


@pytest.mark.parametrize("size_bytes", [-4096, 0, 4096, (1 << 20) - 4096, (3 << 30) + 4096])
def test_ram_size_out_of_range_is_refused(size_bytes: int) -> None:
    with pytest.raises(ConfigError, match="out of range: choose 1M to 3G"):
        check_ram_size(size_bytes)


@pytest.mark.parametrize("size_bytes", [(1 << 20) + 1, (64 << 20) - 1])
def test_ram_size_of_broken_pages_is_refused(size_bytes: int) -> None:
    with pytest.raises(ConfigError, match="no multiple of a page"):
        check_ram_size(size_bytes)
