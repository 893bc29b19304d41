"""The page of a trace in a real browser: it draws, zooms, finds, and tells stories."""

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from uniSMP import Image
from uniSMP.machine.config import MachineConfig
from uniSMP.machine.machine import Machine
from uniSMP.schedule.round_robin import RoundRobin
from uniSMP.trace.html_page import make_page
from uniSMP.trace.reader import Trace
from uniSMP.trace.schema import Level
from uniSMP.trace.selection import Selection
from uniSMP.trace.writer import TraceWriter

MANY = 100_000
MOST_WORK = 30_000
NASTY = "</script><img src=x onerror=console.error(1)>"
STORY = "[...document.querySelectorAll('.story button span:first-child')].map(e => e.textContent)"
HANDLER = """(() => {
    const { model, items, view, lanes } = unismp;
    const handler = model.handlers.event.findIndex(e => model.at(e, 'step') > 30000);
    const [begin, end] = items.stretch({ what: 'handler', ref: handler }, view.axis);
    view.show(begin - 200, end + 200);
    const [top, height] = items.place({ what: 'handler', ref: handler });
    const box = document.getElementById('canvas').getBoundingClientRect();
    return [box.left + view.x((begin + end) / 2), box.top + top + height / 2];
})()"""
COLORS = """(() => {
    const { canvas, context } = unismp.painter;
    const image = context.getImageData(0, 0, canvas.width, canvas.height);
    return new Set(new Uint32Array(image.data.buffer)).size;
})()"""


@pytest.fixture(scope="session")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pages")


def write_page(trace: Path, path: Path) -> Path:
    with Trace(trace) as opened:
        path.write_text(make_page(opened, Selection()), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def ping_page(program: Callable[[str], Image], pages: Path) -> Path:
    image = program("ipi_ping")
    writer = TraceWriter(pages / "ping", Level.BLOCKS)
    writer.begin({"target": "ipi_ping", "configuration": {"cores": 2}, "filter": {}})
    addresses = [image.symbols[name] for name in image.labels]
    writer.add("symbols", {"address": addresses, "name": image.labels})
    with Machine(MachineConfig(cores=2)) as machine:
        machine.load(image)
        machine.run(RoundRobin(1000), max_instructions=60_000, trace=writer)
    writer.end({"outcome": "FINISHED"})
    return write_page(writer.directory, pages / "ping.html")


@pytest.fixture(scope="session")
def large_page(pages: Path) -> Path:
    """Return a page of many events on four cores: slices, and marks between them."""
    writer = TraceWriter(pages / "large", Level.EVENTS)
    writer.begin({"target": "large", "configuration": {"cores": 4}})
    number = np.arange(MANY)
    kinds = np.array(["slice_begin", "ipi_sent", "timer_fired", "port_read", "slice_end"])
    columns = {
        "step": number * 37,
        "ticks": number * 37,
        "core": number // 5 % 4,
        "kind": kinds[number % 5].tolist(),
        "value": number % 5 * 10,
    }
    writer.add("events", columns)
    writer.end({})
    return write_page(writer.directory, pages / "large.html")


@pytest.fixture(scope="session")
def nasty_page(pages: Path) -> Path:
    writer = TraceWriter(pages / "nasty", Level.EVENTS)
    writer.begin({"target": NASTY, "configuration": {"cores": 1}})
    columns = {"step": [1], "ticks": [1], "kind": ["console"], "detail": [NASTY]}
    writer.add("events", columns)
    writer.end({"outcome": NASTY})
    return write_page(writer.directory, pages / "nasty.html")


def seen(browser: Any) -> list[float]:
    found: list[float] = browser.run("[unismp.view.begin, unismp.view.end]")
    return found


def pixels(png: bytes) -> tuple[int, int]:
    """Return width and height of a PNG."""
    return struct.unpack(">II", png[16:24])  # type: ignore[return-value]


def test_page_opens_without_errors_and_loads_nothing_else(browser: Any, ping_page: Path) -> None:
    browser.open(ping_page)
    browser.run("fetch('https://example.org/').catch(() => null)")
    assert browser.requests == [ping_page.as_uri()]
    assert [text for text in browser.errors if "Content Security Policy" not in text] == []


def test_every_event_of_the_trace_is_in_the_page(
    browser: Any, ping_page: Path, pages: Path
) -> None:
    browser.open(ping_page)
    with Trace(pages / "ping") as trace:
        (row,) = trace.rows("SELECT count(*) AS events, max(step) AS last FROM events")
    assert browser.run("unismp.model.size") == row["events"]
    assert browser.run("unismp.model.bounds.step[1]") == row["last"]


@pytest.mark.parametrize("size", [(1280, 800), (800, 800), (800, 600)])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_picture_is_not_blank(
    browser: Any, ping_page: Path, size: tuple[int, int], scheme: str
) -> None:
    browser.open(ping_page, size, scheme)
    picture = browser.screenshot()
    assert pixels(picture) == size
    assert browser.run(COLORS) > 40
    assert browser.run("document.documentElement.scrollWidth") <= size[0]


def test_dark_is_another_picture_than_light(browser: Any, ping_page: Path) -> None:
    browser.open(ping_page, scheme="light")
    light = browser.run("unismp.painter.colors.paper")
    browser.open(ping_page, scheme="dark")
    assert (light, browser.run("unismp.painter.colors.paper")) == ("#ffffff", "#14181e")


def test_wheel_zooms_about_the_pointer(browser: Any, ping_page: Path) -> None:
    browser.open(ping_page)
    before, place = seen(browser), browser.run("unismp.view.at(400)")
    browser.mouse("mouseWheel", 400, 400, deltaX=0, deltaY=-300)
    browser.settle()
    after = seen(browser)
    assert after[1] - after[0] < 0.7 * (before[1] - before[0])
    assert browser.run("unismp.view.at(400)") == pytest.approx(place, rel=1e-3)


def test_dragging_pans(browser: Any, ping_page: Path) -> None:
    browser.open(ping_page)
    browser.run("unismp.view.zoom(4)")
    before = seen(browser)
    browser.mouse("mousePressed", 500, 400)
    browser.mouse("mouseMoved", 400, 400)
    browser.mouse("mouseReleased", 400, 400)
    browser.settle()
    after = seen(browser)
    assert after[0] > before[0]
    assert after[1] - after[0] == pytest.approx(before[1] - before[0])


def test_keys_zoom_pan_and_fit(browser: Any, ping_page: Path) -> None:
    browser.open(ping_page)
    whole = seen(browser)
    browser.press("+")
    closer = seen(browser)
    browser.press("ArrowRight")
    moved = seen(browser)
    browser.press("0")
    assert closer[1] - closer[0] < whole[1] - whole[0]
    assert moved[0] > closer[0]
    assert seen(browser) == whole


def test_change_of_axis_keeps_the_same_events_in_sight(browser: Any, ping_page: Path) -> None:
    browser.open(ping_page)
    browser.run("unismp.setAxis('step'); unismp.view.show(30000, 31000)")
    browser.press("t")
    low, high = seen(browser)
    ticks = browser.run(
        "unismp.model.events.step.reduce((all, step, i) => "
        "step >= 30000 && step <= 31000 ? [...all, unismp.model.events.ticks[i]] : all, [])"
    )
    assert browser.run("document.getElementById('axis-ticks').ariaPressed") == "true"
    assert low <= ticks[0] < ticks[-1] <= high


def test_click_on_a_handler_tells_its_story(browser: Any, ping_page: Path) -> None:
    browser.open(ping_page)
    browser.click(*browser.run(HANDLER))
    story = browser.run(STORY)
    words = ["ipi sent", "accepted", "delivered", "eoi", "returns (IRET)"]
    assert [word for line, word in zip(story, words, strict=True) if word in line] == words
    assert browser.run("document.querySelectorAll('#panel .code .at').length") == 2
    assert "handler of interrupt" in browser.run("document.getElementById('live').textContent")


def test_pointing_shows_all_columns(browser: Any, ping_page: Path) -> None:
    browser.open(ping_page)
    x, y = browser.run(HANDLER)
    browser.settle()
    browser.mouse("mouseMoved", x, y)
    browser.settle()
    names = browser.run("[...document.querySelectorAll('#tooltip th')].map(e => e.textContent)")
    assert names == ["kind", "core", "step", "time", "vector", "rip", "source", "lasts"]


def test_story_leads_to_its_events(browser: Any, ping_page: Path) -> None:
    browser.open(ping_page)
    browser.click(*browser.run(HANDLER))
    browser.run("document.querySelector('.story button').click()")
    assert browser.run("unismp.model.kind(unismp.items.event(unismp.chosen))") == "ipi_sent"
    assert browser.run("document.querySelector('#panel h2').textContent").startswith("ipi sent")


def test_chosen_lane_stays_in_sight_when_the_panel_takes_room(
    browser: Any, ping_page: Path
) -> None:
    browser.open(ping_page, (800, 600))
    browser.run(HANDLER)
    browser.settle()
    handler = "unismp.model.lanes.at(-1).handlers[0].refs[3]"
    browser.run(f"unismp.choose({{ what: 'handler', ref: {handler} }}, true)")
    browser.settle()
    top = browser.run("unismp.lanes.top(unismp.model.lanes.length - 1)")
    assert 68 <= top < browser.run("unismp.painter.height - 40")


def test_search_finds_a_symbol_and_goes_through_the_matches(browser: Any, ping_page: Path) -> None:
    browser.open(ping_page)
    browser.press("/")
    browser.call("Input.insertText", text="symbol:apic_send_ipi")
    browser.press("Enter")
    label = browser.run("document.getElementById('matches').textContent")
    first = browser.run("[unismp.finder.current, unismp.finder.items.length]")
    browser.run("document.getElementById('next').click()")
    assert label == f"{first[0] + 1}/{first[1]:,}"
    assert browser.run("unismp.finder.current") == first[0] + 1
    assert "apic_send_ipi" in browser.run("document.getElementById('panel').textContent")


@pytest.mark.parametrize(
    ("query", "condition"),
    [
        ("kind:eoi core:1", "kind = 'eoi' AND core = 1"),
        ("vector:80", "vector = 80"),
        ("0x50 ipi_sent", "vector = 80 AND kind = 'ipi_sent'"),
        ("address:0x3fd", "1021 IN (rip, address, cr2)"),
        ("nothing_is_called_so", "false"),
    ],
)
def test_search_finds_what_sql_finds(
    browser: Any, ping_page: Path, pages: Path, query: str, condition: str
) -> None:
    browser.open(ping_page)
    browser.run(f"unismp.search({json.dumps(query)})")
    with Trace(pages / "ping") as trace:
        rows = trace.rows(
            f"WITH e AS (SELECT *, row_number() OVER () - 1 AS i FROM events) "  # noqa: S608
            f"SELECT i FROM e WHERE {condition} ORDER BY i"
        )
    found = browser.run("unismp.finder.items.map(item => item.ref)")
    assert found == [row["i"] for row in rows]


def test_switch_hides_a_kind(browser: Any, ping_page: Path) -> None:
    browser.open(ping_page)
    before = browser.run("unismp.painter.frame.visited")
    browser.run("document.querySelectorAll('#filters input').forEach(box => box.click())")
    browser.settle()
    assert before > 500
    assert browser.run("unismp.painter.frame.visited") < before / 10


def test_every_control_has_a_name(browser: Any, ping_page: Path) -> None:
    browser.open(ping_page)
    tree = browser.call("Accessibility.getFullAXTree")["nodes"]
    roles = ("button", "checkbox", "searchbox", "application")
    controls = [node for node in tree if node.get("role", {}).get("value") in roles]
    assert len(controls) > 15
    assert [node for node in controls if not node["name"]["value"].strip()] == []


def test_help_lists_the_keys(browser: Any, ping_page: Path) -> None:
    browser.open(ping_page)
    browser.press("?")
    assert browser.run("document.getElementById('keys').open")
    assert "zoom" in browser.run("document.getElementById('keys').textContent")


def test_work_of_a_frame_does_not_grow_with_the_events(browser: Any, large_page: Path) -> None:
    browser.open(large_page)
    work = browser.run("""(async () => {
        const work = [], { frame } = unismp.painter;
        for (let i = 0; i < 40; i++) {
            await new Promise(done => { unismp.redraw(); requestAnimationFrame(done); });
            work.push(frame.visited + frame.drawn);
            unismp.view.zoom(1.35);
        }
        return work;
    })()""")
    assert browser.run("unismp.model.size") == MANY
    assert max(work) < MOST_WORK
    assert work[-1] < 1000


def test_text_of_the_guest_stays_text(browser: Any, nasty_page: Path) -> None:
    browser.open(nasty_page)
    assert browser.errors == []
    assert browser.run("document.querySelectorAll('img').length") == 0
    assert browser.run("document.querySelector('#panel pre').textContent") == NASTY
    assert browser.run("document.title") == f"{NASTY} - uniSMP"


def test_damaged_data_are_told(browser: Any, ping_page: Path, tmp_path: Path) -> None:
    page = ping_page.read_text(encoding="utf-8")
    head, tail = page.split('octet-stream">', 1)
    path = tmp_path / "damaged.html"
    path.write_text(f'{head}octet-stream">{tail[400:]}', encoding="utf-8")
    browser.open(path)
    assert "cannot be shown" in browser.run("document.getElementById('state').textContent")
