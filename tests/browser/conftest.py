"""A real Chromium, driven through its own driver, on the dashboard of a daemon that has worked."""

import os
import pathlib
import sys

import pytest
from selenium import webdriver
from selenium.webdriver.common.by import By

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent / "api"))
from clients import ask, sdk  # noqa: E402
from scripts import SCRIPTS  # noqa: E402


@pytest.fixture(scope="session")
def scripted_model(demo_models):
    return demo_models.scripted(SCRIPTS)


@pytest.fixture
def daemon(start_daemon, scripted_model):
    """It has answered cold and warm questions, and one that shares only a part."""
    daemon = start_daemon(scripted_model, "--ctx", 8192)
    with sdk(daemon) as client:
        for words in ("Good morning", "Good morning", "Good evening", "Good evening"):
            client.messages.create(**ask(words, system="Be brief. " * 300))
        client.messages.create(**ask("Another", system="Be brief. " * 150 + "Be long. " * 150))
    return daemon


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


@pytest.fixture
def open_dashboard(open_browser, daemon):
    """The dashboard, entered as `anyclaude ui` enters it."""

    def open_one(**how):
        browser = open_browser(**how)
        browser.implicitly_wait(20)
        browser.get(f"{daemon.base_url}/ui#token={daemon.token}")
        browser.find_element(By.ID, "requests")
        browser.implicitly_wait(0)
        return browser

    return open_one


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
