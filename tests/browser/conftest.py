"""A real Chromium, driven through its own driver, on the dashboard of a daemon that has worked."""

import functools
import os
import pathlib
import sys

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "api"))
from clients import ask, sdk  # noqa: E402
from daemon import Daemon, wait_for  # noqa: E402
from scripts import SCRIPTS  # noqa: E402


@pytest.fixture(scope="session")
def scripted_model(demo_models):
    return demo_models.scripted(SCRIPTS)


def say(daemon, words, session, system="Be brief. " * 300):
    with sdk(daemon) as client:
        client.messages.create(**ask(words, system=system),
                               extra_headers={"x-claude-code-session-id": session})


def converse(daemon):
    """Cold and warm questions, and one that shares only a part, in three sessions."""
    for words, session in (("Good morning", "monday-1"), ("Good evening", "tuesday-2")):
        say(daemon, words, session)
        say(daemon, words, session)
    say(daemon, "Another", "wednesday-3", "Be brief. " * 150 + "Be long. " * 150)


@pytest.fixture
def daemon(start_daemon, scripted_model):
    daemon = start_daemon(scripted_model, "--ctx", 8192)
    converse(daemon)
    wait_for(lambda: stretches(daemon), "the engine has shown its prefixes")
    return daemon


def stretches(daemon):
    """None while the engine has not shown them yet: on a busy machine the page does not wait for it."""
    prefixes = daemon.request("GET", "/ui/state").json()["prefixes"]
    return prefixes and prefixes["stretches"]


def most_is_on_the_disk(daemon):
    known = stretches(daemon) or []
    return known and sum(one["disk_tokens"] for one in known) > 0.9 * sum(one["tokens"] for one in known)


@pytest.fixture(scope="session")
def restarted(program, scripted_model, tmp_path_factory):
    """A daemon in its second life, for tests that only look: one session has gone on since, and brought back
    from the disk what it shares with the others."""
    home = tmp_path_factory.mktemp("restarted")
    first = Daemon(program, home, scripted_model, ["--ctx", 8192])
    converse(first)
    wait_for(lambda: most_is_on_the_disk(first), "what was computed is on the disk")
    first.stop()
    second = Daemon(program, home, scripted_model, ["--ctx", 8192])
    say(second, "Good morning", "monday-1")
    for words in ("THINK", "THINK", "Good night"):
        say(second, words, "thursday-4", "Be quick. " * 120)
    say(second, "Good night", "monday-1")
    wait_for(lambda: stretches(second), "the engine has shown its prefixes")
    yield second
    second.stop()


@pytest.fixture
def open_browser(tmp_path):
    """open_browser(width, height, dark=False, scripts=True): a browser of its own."""
    opened = []

    def open_one(width=1280, height=800, dark=False, scripts=True):
        options = webdriver.ChromeOptions()
        options.binary_location = "/usr/bin/chromium"
        for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                         f"--window-size={width},{height}", f"--user-data-dir={tmp_path}/{len(opened)}",
                         "--hide-scrollbars"):
            options.add_argument(argument)
        if not scripts:
            options.add_experimental_option(
                "prefs", {"profile.managed_default_content_settings.javascript": 2})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
        browser = webdriver.Chrome(options=options,
                                   service=webdriver.ChromeService("/usr/bin/chromedriver"))
        opened.append(browser)
        browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", {
            "width": width, "height": height, "deviceScaleFactor": 1, "mobile": False})
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [
            {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}]})
        return browser

    yield open_one
    for browser in opened:
        browser.quit()


def enter(open_browser, daemon, **how):
    browser = open_browser(**how)
    browser.implicitly_wait(20)
    browser.get(f"{daemon.base_url}/ui#token={daemon.token}")
    browser.find_element(By.ID, "requests")
    browser.implicitly_wait(0)
    return browser


@pytest.fixture
def open_dashboard(open_browser, daemon):
    """The dashboard, entered as `anyclaude ui` enters it."""
    return functools.partial(enter, open_browser, daemon)


@pytest.fixture
def open_restarted(open_browser, restarted):
    """The same of the daemon that has been restarted."""
    return functools.partial(enter, open_browser, restarted)


@pytest.fixture(scope="session")
def axe():
    """axe-core's source."""
    folder = os.environ.get("ANYCLAUDE_AXE")
    if not folder:
        pytest.skip("axe-core is not here: the npm registry could not be reached")
    return (pathlib.Path(folder) / "node_modules/axe-core/axe.min.js").read_text()


@pytest.fixture
def screenshots():
    """Where pictures are kept, when somebody wants them."""
    folder = os.environ.get("ANYCLAUDE_SCREENSHOTS")
    return pathlib.Path(folder) if folder else None
