"""The page in a real browser: by keyboard alone, by touch on a small phone, and when things go wrong."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect
from playwright.sync_api import Page as Tab

from ssgan.config import FolderSource
from ssgan.data.originals import originals
from tests.support.pages import Page, serve

ALL_THERE = "() => Promise.all(asked.values()).then(() => asked.size === 3)"  # the server has answered for three images
CLASSES = ["cat", "dog", "border collie", *(f"class {i}" for i in range(4, 12))]


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with serve(tmp_path, CLASSES, n=5) as one:
        yield one


@pytest.fixture
def tab(page: Page, chromium: Browser) -> Iterator[Tab]:
    """The page in a window of its own; anything that the browser complains about fails the test."""
    context = chromium.new_context(viewport={"width": 1000, "height": 700})
    one, complaints = context.new_page(), []
    one.on("console", lambda message: complaints.append(message.text) if message.type in ("error", "warning") else None)
    one.on("pageerror", lambda error: complaints.append(str(error)))
    one.goto(page.url)
    shows(one, 1)
    yield one
    context.close()
    assert complaints == []


def shows(tab: Tab, number: int) -> None:
    """Wait until an image is on the screen."""
    expect(tab.locator(f'#image[alt="Image {number} of 5"]:not(.waiting)')).to_be_visible()


def labels(page: Page) -> list[tuple[str, str]]:
    return [(act.do, act.label) for act in page.journal.standing()]


def test_by_keyboard_alone(page: Page, tab: Tab) -> None:
    tab.keyboard.press("1")
    shows(tab, 2)
    expect(tab.get_by_role("status")).to_have_text("Labeled cat")
    assert labels(page) == [("label", "cat")]  # on disk before the page moves on
    tab.keyboard.press("b")
    shows(tab, 3)
    tab.keyboard.press("u")
    shows(tab, 2)
    tab.keyboard.press("s")
    shows(tab, 3)
    tab.keyboard.press("Backspace")
    shows(tab, 2)
    tab.keyboard.press("3")
    shows(tab, 3)
    for ignored in ("Control+1", "0", "z", "F1"):
        tab.keyboard.press(ignored)
    tab.keyboard.press("s")
    shows(tab, 4)
    expect(tab.locator("#count")).to_have_text("4 of 5 · 1 skipped")
    tab.keyboard.press("2")
    shows(tab, 5)
    tab.keyboard.press("2")
    expect(tab.get_by_role("heading", name="End of the queue")).to_be_focused()
    expect(tab.locator("#end-words")).to_contain_text("4 of 5 labeled, 1 skipped")
    assert labels(page) == [("label", "cat"), ("label", "border collie"), ("skip", ""), ("label", "dog"), ("label", "dog")]
    tab.keyboard.press("1")
    tab.keyboard.press("u")
    shows(tab, 5)
    assert len(labels(page)) == 4


def test_none_of_these_takes_a_note_whose_letters_are_no_keys(page: Page, tab: Tab) -> None:
    tab.keyboard.press(".")
    expect(tab.locator("#why")).to_be_focused()
    tab.keyboard.type("1 fox, not sure")
    tab.keyboard.press("Enter")
    shows(tab, 2)
    expect(tab.locator("#aside")).to_be_hidden()
    expect(tab.locator("#count")).to_have_text("2 of 5 · 1 without a class")
    tab.get_by_role("button", name="No class").click()
    tab.get_by_role("button", name="Unusable").click()
    shows(tab, 3)
    tab.keyboard.press(".")
    tab.keyboard.press("Escape")
    tab.keyboard.press("1")
    shows(tab, 4)
    assert labels(page) == [("aside", "none of these: 1 fox, not sure"), ("aside", "unusable"), ("label", "cat")]


def test_with_tab_and_enter_the_focus_is_always_to_be_seen(page: Page, tab: Tab) -> None:
    reached = []
    for _ in range(len(CLASSES) + 1):  # undo cannot be reached: there is nothing to undo
        tab.keyboard.press("Tab")
        focus = tab.locator(":focus")
        reached.append(focus.inner_text().split("\n")[0])
        style = focus.evaluate("e => [getComputedStyle(e).outlineStyle, parseFloat(getComputedStyle(e).outlineWidth)]")
        assert style[0] == "solid"
        assert style[1] >= 2
    assert reached == [*CLASSES, "Skip"]
    tab.get_by_role("button", name="dog").focus()
    tab.keyboard.press("Enter")
    shows(tab, 2)
    tab.keyboard.press("Space")
    shows(tab, 3)
    assert labels(page) == [("label", "dog")] * 2


def test_what_a_screen_reader_is_told(tab: Tab) -> None:
    expect(tab.get_by_role("progressbar", name="Progress through the queue")).to_be_visible()
    expect(tab.get_by_role("group", name="Classes").get_by_role("button")).to_have_count(len(CLASSES))
    expect(tab.get_by_role("button", name="cat")).to_have_attribute("aria-keyshortcuts", "1")
    expect(tab.get_by_role("button", name="Undo")).to_be_disabled()
    expect(tab.get_by_role("img", name="Image 1 of 5")).to_be_visible()
    assert tab.locator("html").get_attribute("lang") == "en"


def test_a_key_that_is_held_labels_one_image(page: Page, tab: Tab) -> None:
    for _ in range(4):
        tab.keyboard.down("1")  # the first one is a press, the others are what a held key sends
    shows(tab, 2)
    tab.keyboard.up("1")
    tab.keyboard.press("u")
    shows(tab, 1)
    assert [act.do for act in page.journal.acts] == ["label", "undo"]


def test_on_a_phone_everything_fits_and_can_be_touched(page: Page, chromium: Browser) -> None:
    context = chromium.new_context(viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    tab = context.new_page()
    tab.goto(page.url)
    shows(tab, 1)
    assert tab.evaluate("document.documentElement.scrollWidth") == 360
    assert tab.evaluate("document.documentElement.scrollHeight") == 640
    for button in tab.get_by_role("button").all():
        box = button.bounding_box()
        assert box is not None
        assert box["height"] >= 44
        assert box["width"] >= 44
    for inside in ("#image", "#undo", "#skip"):
        expect(tab.locator(inside)).to_be_in_viewport(ratio=1)
    stage = tab.locator("#stage").bounding_box()
    assert stage is not None
    assert stage["height"] > 200
    tab.get_by_role("button", name="border collie").tap()
    shows(tab, 2)
    tab.get_by_role("button", name="class 11").tap()  # below the fold of the list
    shows(tab, 3)
    tab.get_by_role("button", name="Undo").tap()
    shows(tab, 2)
    context.close()
    assert labels(page) == [("label", "border collie")]


def test_what_is_only_a_small_copy_is_said_as_long_as_it_is_on_the_screen(tab: Tab) -> None:
    expect(tab.locator("#note")).to_be_hidden()
    for number in range(2, 6):
        tab.keyboard.press("1")
        shows(tab, number)
    expect(tab.locator("#note")).to_have_text(
        "Only the small copy that ingest stored, 32 × 32 pixels. The original: it was listed, but is gone"
    )
    expect(tab.locator("#note")).to_be_in_viewport(ratio=1)
    tab.keyboard.press("u")
    shows(tab, 4)
    expect(tab.locator("#note")).to_be_hidden()


def test_each_original_is_asked_for_once_and_before_it_is_due(tmp_path: Path, chromium: Browser) -> None:
    asked, raw = [], originals(FolderSource(path=str(tmp_path / "raw")), 1 << 20)

    def original(path: str) -> bytes:
        asked.append(path)
        return raw(path)

    with serve(tmp_path, CLASSES, n=5, original=original) as page:
        tab = chromium.new_page()
        tab.goto(page.url)
        shows(tab, 1)
        tab.wait_for_function(ALL_THERE)
        assert asked == ["0.png", "1.png", "2.png"]
        for number in range(2, 4):
            tab.keyboard.press("1")
            shows(tab, number)
        tab.wait_for_function(ALL_THERE)
        assert asked == ["0.png", "1.png", "2.png", "3.png", "4.png"]
        tab.context.close()


def test_a_server_that_is_gone_is_said_and_nothing_moves(page: Page, chromium: Browser) -> None:
    tab = chromium.new_page()
    tab.goto(page.url)
    shows(tab, 1)
    tab.context.set_offline(True)
    tab.keyboard.press("1")
    expect(tab.get_by_role("alert")).to_contain_text("Not saved: ssgan label does not answer. Start it again")
    shows(tab, 1)
    tab.context.set_offline(False)
    tab.keyboard.press("1")
    shows(tab, 2)
    expect(tab.get_by_role("alert")).to_be_hidden()
    tab.context.close()


def test_two_pages_do_not_label_the_same_image_twice(page: Page, tab: Tab, chromium: Browser) -> None:
    other = chromium.new_page()
    other.goto(page.url)
    shows(other, 1)
    tab.keyboard.press("1")
    shows(tab, 2)
    other.keyboard.press("2")
    shows(other, 2)
    expect(other.get_by_role("alert")).to_contain_text("another page has moved on")
    other.context.close()
    assert labels(page) == [("label", "cat")]


def test_a_page_elsewhere_can_neither_label_nor_read(page: Page, chromium: Browser) -> None:
    """Even one that learned the address: the browser sends its origin, and the server refuses."""
    tab = chromium.new_page()
    tab.route("http://elsewhere.example/", lambda route: route.fulfill(body="<p>foreign</p>", content_type="text/html"))
    tab.goto("http://elsewhere.example/")
    tries = """async ([url, image]) => {
      const body = JSON.stringify({ do: "label", image, label: "cat" });
      const said = [];
      for (const options of [
        { method: "POST", headers: { "Content-Type": "application/json" }, body },
        { method: "POST", mode: "no-cors", body },
        {},
      ]) said.push(await fetch(url + (options.body ? "act" : "state"), options).then((r) => r.type, () => "refused"));
      return said;
    }"""
    assert tab.evaluate(tries, [page.url, page.queue[0]]) in (["refused", "opaque", "refused"], ["refused"] * 3)
    tab.context.close()
    assert page.journal.acts == []
