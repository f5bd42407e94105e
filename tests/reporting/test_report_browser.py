"""The page in a browser, opened from disk without a network: sorted, zoomed, slid, followed."""

from __future__ import annotations

import itertools
import json
import time

import pytest

from gan_lab.reporting import Asked, Found, Run, gather, read_runs, reproduction
from gan_lab.reporting.report.page import write_page
from gan_lab.reporting.thesis.reproduction.items import BESIDE, ITEMS
from helpers.browser import PROGRAM, browser
from helpers.gan_runs import ROOT
from helpers.made_up import SMALL_FID, record, run_dirs

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(PROGRAM is None, reason="there is no chromium"),
]
EVIL = '<img src=x onerror="document.title = 1">'


def picture(level):
    import io

    from PIL import Image

    file = io.BytesIO()
    Image.new("L", (8, 8), level).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    """(browser, the page of a sweep with curves, samples, a diverged run and hostile texts)."""
    folder = tmp_path_factory.mktemp("browser")
    contents = [
        record(loss, 1, seed, fid=value + seed / 9, history={SMALL_FID: curve(value)})
        for loss, value in (("exp", 3.0), ("hinge", 10.0), ("sqrt", 7.0))
        for seed in (0, 1, 2)
    ]
    contents.append(record("exp", 1, 3, status="diverged", reason=EVIL, history={SMALL_FID: []}))
    runs = run_dirs(folder / EVIL.replace("/", ""), *contents)
    for run in runs.iterdir():
        (run / "samples").mkdir()
        for step in (100, 200, 300):
            (run / "samples" / f"step_{step}.png").write_bytes(picture(step // 2))
            (run / "samples" / f"classes_{step}.png").write_bytes(picture(step // 3))
    report = gather(read_runs([runs]), Asked(title=runs.name, baseline={"loss": "exp"}))
    page = write_page(report, folder / "page.html")
    with browser(folder) as shown:
        yield shown, page


def curve(value):
    return [[step, value * (1 + 100 / step)] for step in range(100, 1100, 100)]


@pytest.fixture
def shown(opened):
    here, page = opened
    here.requests.clear()
    here.errors.clear()
    here.open(page)
    return here


def column(table, place):
    return (
        f"[...document.querySelectorAll('{table} tbody tr')].map((row) => row.cells[{place}]"
        ".firstChild.textContent.trim())"
    )


def test_nothing_is_asked_for_and_nothing_goes_wrong(shown, opened):
    addresses = [address for address in shown.requests if not address.startswith("data:")]
    assert addresses == [opened[1].as_uri()]
    assert shown.errors == []
    assert shown.run("document.title").startswith("<img")
    assert shown.run("document.querySelectorAll('img[onerror]').length") == 0


def test_a_column_sorts_up_and_down_by_its_numbers(shown):
    head = "#tables table thead th:nth-child(2)"
    names = column("#tables table", 0)
    assert shown.run(names)[:3] == ["exp", "hinge", "sqrt"]
    shown.run(f"document.querySelector('{head} button').click()")
    assert shown.run(names)[:3] == ["exp", "sqrt", "hinge"]  # 3, 7, 10: not as texts
    assert shown.run(f"document.querySelector('{head}').getAttribute('aria-sort')") == "ascending"
    shown.run(f"document.querySelector('{head} button').click()")
    assert shown.run(names)[:3] == ["hinge", "sqrt", "exp"]


def test_a_number_leads_to_its_record(shown):
    link = "document.querySelector('#tables .runs a')"
    target = shown.run(f"{link}.hash")
    assert shown.run(f"document.querySelector('{target}').open") is False
    shown.run(f"{link}.click()")
    shown.until(f"document.querySelector('{target}').open")
    assert "seed 0" in shown.run(f"document.querySelector('{target} summary').textContent")
    shown.until(f"Math.abs(document.querySelector('{target}').getBoundingClientRect().top) < 800")


def test_a_drag_zooms_a_double_click_goes_back_and_hovering_shows_numbers(shown):
    chart = "document.querySelector('.chart')"
    shown.run(f"{chart}.scrollIntoView({{block: 'center', behavior: 'instant'}})")
    scale = f"[{chart}.plot.scales.x.min, {chart}.plot.scales.x.max]"
    whole = shown.run(scale)
    box = json.loads(
        shown.run(f"JSON.stringify({chart}.querySelector('.u-over').getBoundingClientRect())")
    )
    y = box["y"] + 60
    left, right = (box["x"] + share * box["width"] for share in (0.25, 0.5))
    shown.mouse("mouseMoved", left, y)
    shown.mouse("mousePressed", left, y, 1)
    for x in (left + 20, right - 20, right):
        shown.mouse("mouseMoved", x, y, 1)
    shown.mouse("mouseReleased", right, y, 1)
    low, high = shown.run(scale)
    assert whole == [100, 1000]
    assert (low, high) == pytest.approx((325, 550), abs=5)
    shown.mouse("mouseMoved", right - 30, y)
    shown.until(f"{chart}.querySelector('output').textContent !== ''")
    for clicks in (1, 2):
        shown.mouse("mousePressed", left, y, clicks)
        shown.mouse("mouseReleased", left, y, clicks)
    shown.until(f"{chart}.plot.scales.x.max === 1000")


def test_the_legend_hides_a_line_and_a_choice_shows_another_curve(shown):
    chart = "document.querySelector('.chart')"
    shown.run(f"{chart}.querySelector('.legend button').click()")
    assert shown.run(f"{chart}.querySelector('.legend button').ariaPressed") == "false"
    assert shown.run(f"{chart}.plot.series[1].show") is False
    curves = shown.run(f"[...{chart}.querySelectorAll('select option')].map((one) => one.value)")
    assert curves[0] == SMALL_FID


@pytest.mark.parametrize("gallery", [0, 1])
def test_the_slider_shows_the_samples_of_its_step(shown, gallery):
    place = f"document.querySelectorAll('.gallery')[{gallery}]"
    last = shown.run(f"{place}.querySelector('img').src")
    shown.run(f"""{{ const slider = {place}.querySelector('input');
        slider.value = 0; slider.dispatchEvent(new Event('input')); }}""")
    assert shown.run(f"{place}.querySelector('img').src") != last
    assert shown.run(f"{place}.querySelector('img').alt").endswith("after 100 steps")
    assert shown.run(f"{place}.querySelector('output').textContent") == "100"
    assert shown.run(f"{place}.querySelector('img').naturalWidth") == 8


def test_the_filter_leaves_the_runs_with_its_words(shown):
    shown.run("""{ const box = document.getElementById('filter');
        box.value = 'hinge, seed 1'; box.dispatchEvent(new Event('input')); }""")
    assert shown.run("document.querySelectorAll('.run:not([hidden])').length") == 1
    assert (
        shown.run("document.querySelectorAll('#runs .sortable tbody tr:not([hidden])').length") == 1
    )


def test_a_page_without_room_for_any_grid_says_so_and_does_the_rest(opened, tmp_path):
    here, _ = opened
    runs = run_dirs(tmp_path / "runs", record())
    (samples,) = (run / "samples" for run in runs.iterdir())
    samples.mkdir()
    (samples / "step_100.png").write_bytes(picture(50))
    page = write_page(gather(read_runs([runs]), Asked(megabytes=1e-6)), tmp_path / "page.html")
    here.errors.clear()
    here.open(page)
    assert here.errors == []
    assert here.run("document.querySelectorAll('.gallery img').length") == 0
    assert "leave no room" in here.run("document.querySelector('.gallery').innerText")
    tools = "getComputedStyle(document.querySelector('.gallery .tools')).display"
    assert here.run(tools) == "none"


@pytest.mark.parametrize(("width", "dark"), [(1280, False), (390, False), (1280, True)])
def test_nothing_is_wider_than_the_screen(opened, tmp_path, width, dark):
    here, page = opened
    here.open(page, width, dark=dark)
    assert here.run("document.documentElement.scrollWidth") <= width
    paper = here.run("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(20, 23, 27)") == dark
    here.screenshot(tmp_path / "page.png")
    assert (tmp_path / "page.png").stat().st_size > 20_000


def test_keyboard_reaches_tables_and_headings_are_in_order(shown):
    assert shown.run("document.querySelectorAll('h1').length") == 1
    levels = shown.run("[...document.querySelectorAll('h1, h2, h3, h4')].map((h) => +h.tagName[1])")
    assert all(after <= before + 1 for before, after in itertools.pairwise(levels))
    assert shown.run("[...document.images].every((image) => image.alt)")
    assert (
        shown.run("document.querySelectorAll('table:not(:has(thead th[scope=col]))').length") == 0
    )


def test_three_hundred_cells_open(opened, tmp_path):
    """The seconds and the size are printed: a limit would depend on the machine."""
    here, _ = opened
    contents = [
        record("exp", weight / 100, seed, history={SMALL_FID: curve(3.0)})
        for weight in range(1, 101)
        for seed in range(3)
    ]
    page = write_page(gather(Found(tuple(map(Run, contents))), Asked()), tmp_path / "huge.html")
    begun = time.monotonic()
    here.open(page)
    print(f"\n300 cells: {page.stat().st_size:,} bytes, {time.monotonic() - begun:.2f} s")
    assert here.run("document.querySelectorAll('.run').length") == 300
    assert here.errors == []


def test_the_page_of_the_thesis_opens_and_its_links_lead_somewhere(opened, tmp_path):
    here, _ = opened
    page = write_page(reproduction(ROOT / "results"), tmp_path / "thesis.html")
    here.requests.clear()
    here.open(page)
    assert here.errors == []
    assert [one for one in here.requests if not one.startswith("data:")] == [page.as_uri()]
    lost = """[...document.querySelectorAll('a[href^="#"]')]
        .filter((link) => !document.getElementById(link.hash.slice(1))).length"""
    assert here.run(lost) == 0
    assert len(ITEMS) == 72
    assert here.run("document.querySelectorAll('.entry').length") == len(ITEMS) + len(BESIDE)
    here.run("""{ const box = document.getElementById('filter');
        box.value = 'am_gan, seed 1'; box.dispatchEvent(new Event('input')); }""")
    left, every = (
        f"document.querySelectorAll('.run{one}').length" for one in (":not([hidden])", "")
    )
    assert 0 < here.run(left) < here.run(every)
    assert here.errors == []
    here.open(page, 390)
    assert here.run("document.documentElement.scrollWidth") <= 390
