"""The dashboard in a real browser: that it renders, follows what happens, can be used by everybody."""

import base64
import re

import pytest
from selenium.common.exceptions import StaleElementReferenceException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from clients import ask, sdk

SECTIONS = ["state", "totals", "prefixes", "live", "servers", "first-tokens", "memory", "requests", "breaks"]
SIZES = {"phone": (360, 740), "laptop": (1280, 800), "4k": (3840, 2160)}


def rows(browser):
    return len(browser.find_elements(By.CSS_SELECTOR, "#requests tbody tr"))


def picture(browser):
    """The whole page, as PNG."""
    taken = browser.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
    return base64.b64decode(taken["data"])


def complaints(browser):
    """What the browser had to say: errors of scripts, of the content policy, of what was not found."""
    return [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", SIZES)
def test_renders_at_every_size(open_restarted, axe, screenshots, size, dark):
    width, height = SIZES[size]
    browser = open_restarted(width=width, height=height, dark=dark)
    assert [part.get_attribute("id") for part in browser.find_elements(By.TAG_NAME, "section")] == SECTIONS
    assert len(browser.find_elements(By.CSS_SELECTOR, ".chart title")) == 5
    overflow = browser.execute_script(
        "return document.documentElement.scrollWidth - document.documentElement.clientWidth")
    assert overflow == 0, "the page cannot be read without scrolling sideways"
    browser.execute_script(axe)
    found = browser.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    serious = [(violation["id"], [node["html"][:200] for node in violation["nodes"]])
               for violation in found["violations"] if violation["impact"] in ("serious", "critical")]
    assert not serious
    assert not complaints(browser)
    if screenshots:
        name = f"dashboard-{size}-{'dark' if dark else 'light'}.png"
        (screenshots / name).write_bytes(picture(browser))


def place(words):
    """Of a stretch, by its figures: the tokens in front of it, and its own."""
    count, begin = re.match(r"([\d,]+) tokens?[a-z ]*?(?: behind ([\d,]+))?[,;]", words).groups()
    return (int(begin.replace(",", "")) if begin else 0), int(count.replace(",", ""))


def stretches(browser):
    return browser.find_elements(By.CSS_SELECTOR, ".stretch")


def label(browser):
    """Of the stretch that has the focus."""
    return browser.switch_to.active_element.get_attribute("aria-label")


def figures(browser):
    return browser.find_element(By.CSS_SELECTOR, "#prefixes .figures").text


def go_to_the_prefixes(browser):
    for _ in range(20):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        if browser.switch_to.active_element.get_attribute("data-path"):
            return
    raise AssertionError("the keyboard does not reach the picture of the prefixes")


@pytest.mark.parametrize("size", SIZES)
def test_the_picture_of_the_prefixes_is_to_scale(open_restarted, size):
    """As wide as there are tokens, behind what stands in front, as high as there are prefixes."""
    width, height = SIZES[size]
    browser = open_restarted(width=width, height=height)
    drawn = {part.get_attribute("data-path"):
             (part.find_element(By.CSS_SELECTOR, ".frame").rect, part.get_attribute("aria-label"))
             for part in stretches(browser)}
    first, _ = drawn["0"]
    assert any("shared by 3 prefixes; 1 conversation: monday-1" in words for _, words in drawn.values())
    for tier in ("in the pool", ", on the disk;"):
        assert any(tier in words for _, words in drawn.values()), tier
    whole = max(rect["x"] + rect["width"] for rect, _ in drawn.values()) - first["x"]
    longest = max(begin + count for begin, count in (place(words) for _, words in drawn.values()))
    for path, (rect, words) in drawn.items():
        begin, count = place(words)
        assert abs(rect["x"] - first["x"] - whole * begin / longest) < 3, (path, words)
        assert abs(rect["width"] - whole * count / longest) < 3, (path, words)
        leaves = [other for other in drawn if other.startswith(path + ".") or other == path]
        leaves = [leaf for leaf in leaves if not any(o.startswith(leaf + ".") for o in drawn)]
        assert abs(rect["height"] - 22 * len(leaves)) < 3, (path, words)


def test_the_keyboard_walks_through_the_prefixes(open_dashboard, daemon):
    browser = open_dashboard()
    go_to_the_prefixes(browser)
    assert label(browser) == figures(browser) and "shared by 3 prefixes" in label(browser)
    first = label(browser)
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    second = label(browser)
    assert second != first and " behind " in second and figures(browser) == second
    browser.switch_to.active_element.send_keys(Keys.ARROW_DOWN)
    assert label(browser) not in (first, second)
    browser.switch_to.active_element.send_keys(Keys.ARROW_UP)
    assert label(browser) == second
    before = len(stretches(browser))
    with sdk(daemon) as client:
        client.messages.create(**ask("Something else", system="Be quiet. " * 100))
    WebDriverWait(browser, 20).until(lambda _: len(stretches(browser)) > before)
    assert label(browser) == figures(browser) == second, "a newer picture keeps the focus"
    browser.switch_to.active_element.send_keys(Keys.ARROW_LEFT)
    assert "shared by 3 prefixes" in label(browser)
    browser.switch_to.active_element.send_keys(Keys.TAB)
    assert not browser.switch_to.active_element.get_attribute("data-path"), "one stop for all of it"


def is_open(browser):
    return browser.execute_script("return document.querySelector('#prefixes details').open")


def once_found(browser, selector, do):
    """Does something with the element, however often the page is renewed in between."""
    WebDriverWait(browser, 20, ignored_exceptions=[StaleElementReferenceException]).until(
        lambda _: do(browser.find_element(By.CSS_SELECTOR, selector)) or True)


def hold(element):
    """Presses the mouse on it."""
    element.parent.execute_script("arguments[0].scrollIntoView({ block: 'center' })", element)
    ActionChains(element.parent).click_and_hold(element).perform()


def ask_something_else(browser, daemon):
    """Its prefix comes to the page's picture; returns how many there were before."""
    before = len(stretches(browser))
    with sdk(daemon) as client:
        client.messages.create(**ask("Something else", system="Be quiet. " * 100))
    return before


def test_the_list_of_prefixes_stays_open(open_dashboard, daemon):
    browser = open_dashboard()
    assert not is_open(browser)
    once_found(browser, "#prefixes summary", lambda summary: summary.click())
    assert "shared by 3 prefixes" in browser.execute_script(
        "return document.querySelector('#prefixes details li').innerText")
    before = ask_something_else(browser, daemon)
    WebDriverWait(browser, 20).until(lambda _: len(stretches(browser)) > before)
    assert is_open(browser)


def test_a_click_counts_whatever_arrives_between_press_and_release(open_dashboard, daemon):
    browser = open_dashboard()
    browser.execute_script("""
        // What the page is sent is sent here too, and later.
        window.sent = 0;
        new EventSource("/ui/events").addEventListener("section", (event) => {
          const page = new DOMParser().parseFromString(JSON.parse(event.data).html, "text/html");
          window.sent = Math.max(window.sent, page.querySelectorAll(".stretch").length);
        })""")
    once_found(browser, "#prefixes summary", hold)
    before = ask_something_else(browser, daemon)
    WebDriverWait(browser, 20).until(lambda _: browser.execute_script("return window.sent") > before)
    assert len(stretches(browser)) == before
    ActionChains(browser).release().perform()
    WebDriverWait(browser, 20).until(lambda _: len(stretches(browser)) > before)
    assert is_open(browser)


def test_says_which_backend_answers(open_dashboard, daemon):
    row = open_dashboard().find_element(By.CSS_SELECTOR, "#servers tbody tr").text
    assert row.startswith("local here answers 0")


def test_the_token_does_not_stay_in_the_address(open_dashboard, daemon):
    browser = open_dashboard()
    assert browser.current_url == f"{daemon.base_url}/ui"
    assert daemon.token not in browser.page_source
    assert daemon.token not in str(browser.get_cookies())


def test_a_wrong_token_is_said_to_be_wrong(open_browser, daemon):
    browser = open_browser()
    browser.get(f"{daemon.base_url}/ui")
    field = browser.find_element(By.ID, "token")
    field.send_keys("wrong", Keys.ENTER)
    browser.implicitly_wait(20)
    assert "not the token" in browser.find_element(By.CSS_SELECTOR, "form .bad").text
    browser.find_element(By.ID, "token").send_keys(daemon.token, Keys.ENTER)
    assert browser.find_element(By.ID, "requests")


def test_follows_what_happens_and_comes_back(open_dashboard, daemon):
    browser = open_dashboard()
    before = rows(browser)
    with sdk(daemon) as client:
        client.messages.create(**ask("Something new"))
    WebDriverWait(browser, 20).until(lambda _: rows(browser) == before + 1)
    assert browser.find_element(By.ID, "freshness").text == "Live."
    daemon.kill()
    WebDriverWait(browser, 20).until(
        lambda _: "does not answer" in browser.find_element(By.ID, "freshness").text)


def test_the_keyboard_reaches_what_scrolls_and_keeps_it(open_dashboard, daemon):
    browser = open_dashboard(width=360, height=740)
    reached = None
    for _ in range(20):
        browser.switch_to.active_element.send_keys(Keys.TAB)
        reached = browser.switch_to.active_element.get_attribute("aria-labelledby")
        if reached == "requests-heading":
            break
    assert reached == "requests-heading"
    browser.switch_to.active_element.send_keys(Keys.ARROW_RIGHT)
    scrolled = "return document.querySelector('#requests .scroll').scrollLeft"
    WebDriverWait(browser, 20).until(lambda _: browser.execute_script(scrolled) > 0)
    before = rows(browser)
    with sdk(daemon) as client:
        client.messages.create(**ask("Something new"))
    WebDriverWait(browser, 20).until(lambda _: rows(browser) == before + 1)
    assert browser.switch_to.active_element.get_attribute("aria-labelledby") == "requests-heading"
    assert browser.execute_script(scrolled) > 0


def test_works_without_scripts(open_browser, daemon):
    browser = open_browser(scripts=False)
    browser.get(f"{daemon.base_url}/ui")
    browser.find_element(By.ID, "token").send_keys(daemon.token, Keys.ENTER)
    WebDriverWait(browser, 20).until(lambda _: browser.find_elements(By.ID, "requests"))
    assert "shared by 3 prefixes" in browser.find_element(By.CSS_SELECTOR, "#prefixes details li").text
    before = rows(browser)
    with sdk(daemon) as client:
        client.messages.create(**ask("Something new"))
    WebDriverWait(browser, 20).until(lambda _: rows(browser) == before + 1)
