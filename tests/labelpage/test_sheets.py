"""Sheets of similar images in a real browser: by keyboard alone, by mouse, and by touch on a small phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from tests.support.pages import Page, serve


def sheet_shows(tab: Tab, number: int, images: int) -> None:
    """Wait until all images of a sheet are on the screen."""
    expect(tab.locator("#count")).to_contain_text(f"Sheet {number} of ")
    expect(tab.locator("#sheet img[src]")).to_have_count(images)
    tab.wait_for_function("() => shown")


@pytest.fixture
def sheets(tmp_path: Path, chromium: Browser) -> Iterator[tuple[Page, Tab]]:
    """Two sheets, of six and three images, and three single ones; no class yet."""
    with serve(tmp_path, [], n=12, clusters=["1"] * 6 + ["2"] * 3) as page:
        tab = chromium.new_page(viewport={"width": 1000, "height": 700})
        complaints: list[str] = []
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.goto(page.url)
        sheet_shows(tab, 1, 6)
        yield page, tab
        tab.context.close()
        assert complaints == []


def test_a_sheet_by_keyboard_alone_and_the_first_class_is_asked_for_twice(sheets: tuple[Page, Tab]) -> None:
    page, tab = sheets
    expect(tab.get_by_role("heading", name="Take out what does not belong")).to_be_visible()
    tab.keyboard.press("ArrowRight")
    tab.keyboard.press("Space")
    expect(tab.get_by_role("button", name="Image 2")).to_have_attribute("aria-pressed", "true")
    tab.keyboard.press("+")
    tab.keyboard.type("us")  # in a name, keys are letters
    tab.keyboard.press("Enter")
    expect(tab.locator("#doubt")).to_have_text("“us” is no class yet. Name it once more to make it one.")
    assert page.journal.acts == []
    tab.keyboard.press("Enter")
    sheet_shows(tab, 2, 3)
    expect(tab.get_by_role("status").first).to_contain_text("Labeled us, all but 1: one by one, behind the others")
    tab.keyboard.press("1")
    shows_single(tab, 9)
    tab.keyboard.press("u")
    sheet_shows(tab, 2, 3)
    tab.keyboard.press("-")
    shows_single(tab, 6)
    acts = page.journal.standing()
    assert [(act.do, act.label, act.new, len(act.images)) for act in acts] == [
        ("sheet", "us", True, 5),
        ("apart", "", False, 0),
    ]
    assert page.queue[1] not in acts[0].images


def shows_single(tab: Tab, place: int) -> None:
    expect(tab.locator(f'#image[alt="Image {place} of 12"]:not(.waiting)')).to_be_visible()


def test_a_sheet_by_mouse_and_a_typing_error_makes_no_class(sheets: tuple[Page, Tab]) -> None:
    page, tab = sheets
    for name in ("Image 1", "Image 6", "Image 6"):  # the second click puts it back
        tab.get_by_role("button", name=name).click()
    tab.get_by_role("textbox", name="Name of the class").fill("border collie")
    tab.get_by_role("button", name="Name it").click()
    expect(tab.locator("#doubt")).to_be_visible()
    tab.get_by_role("button", name="Name it").click()
    sheet_shows(tab, 2, 3)
    tab.get_by_role("button", name="New class").click()
    tab.get_by_role("textbox", name="Name of the class").fill("border coly")
    tab.get_by_role("button", name="Name it").click()
    tab.locator("#doubt").get_by_role("button", name="border collie").click()
    shows_single(tab, 9)
    assert [(act.label, act.new, len(act.images)) for act in page.journal.standing()] == [
        ("border collie", True, 5),
        ("border collie", False, 3),
    ]


def test_on_a_phone_a_sheet_fits_and_can_be_touched(tmp_path: Path, chromium: Browser) -> None:
    with serve(tmp_path, ["cat", "dog"], n=26, clusters=["1"] * 24) as page:
        context = chromium.new_context(viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
        tab = context.new_page()
        tab.goto(page.url)
        sheet_shows(tab, 1, 24)
        assert tab.evaluate("document.documentElement.scrollWidth") == 360
        assert tab.evaluate("document.documentElement.scrollHeight") == 640
        for button in tab.get_by_role("button").all():
            box = button.bounding_box()
            assert box is not None
            assert min(box["height"], box["width"]) >= 44
            expect(button).to_be_in_viewport(ratio=1)
        tab.get_by_role("button", name="Image 24").tap()
        tab.get_by_role("button", name="dog").tap()
        shows_again = tab.locator('#image[alt="Image 24 of 26"]:not(.waiting)')
        expect(shows_again).to_be_visible()
        context.close()
        assert [(act.label, len(act.images)) for act in page.journal.standing()] == [("dog", 23)]
