"""A terminal's screen as a picture: what tmux captures with its colours, as HTML, as Chromium shows it."""

import html
import re

from selenium import webdriver
from selenium.webdriver.common.by import By

BACKGROUND, FOREGROUND = "#1d1f21", "#e6e6e6"
COLOURS = ["#2e3436", "#e06c75", "#98c379", "#e5c07b", "#61afef", "#c678dd", "#56b6c2", "#d0d0d0",
           "#7f848e", "#ef8a92", "#b5e890", "#f4d798", "#8cc8ff", "#dd9cf0", "#7fd5e0", "#ffffff"]
PAGE = """<!doctype html><meta charset="utf-8"><body style="margin:0">
<pre style="margin:0;padding:14px 18px;display:inline-block;background:{background};color:{foreground};
font:16px/20px 'DejaVu Sans Mono',monospace">{text}</pre>"""


def colour(number):
    """Of the 256: 16 named ones, a cube of 6 x 6 x 6, and 24 greys."""
    if number < 16:
        return COLOURS[number]
    if number >= 232:
        return "#" + f"{8 + 10 * (number - 232):02x}" * 3
    levels = (0, 95, 135, 175, 215, 255)
    number -= 16
    return "#" + "".join(f"{levels[number // part % 6]:02x}" for part in (36, 6, 1))


class Style:
    """What the escape sequences so far (ECMA-48's SGR) have set."""

    def __init__(self):
        self.reset()

    def reset(self):
        self.bold = self.dim = self.inverted = False
        self.front = self.back = None

    def take(self, parameters):
        codes = [int(code or 0) for code in parameters.split(";")]
        while codes:
            code = codes.pop(0)
            if code == 0:
                self.reset()
            elif code == 1:
                self.bold = True
            elif code == 2:
                self.dim = True
            elif code == 22:
                self.bold = self.dim = False
            elif code in (7, 27):
                self.inverted = code == 7
            elif code in (38, 48):
                self._set(code - 8, self._long(codes))
            elif code in (39, 49):
                self._set(code - 9, None)
            elif 30 <= code <= 37 or 40 <= code <= 47:
                self._set(code // 10 * 10, colour(code % 10))
            elif 90 <= code <= 97 or 100 <= code <= 107:
                self._set(30 if code < 100 else 40, colour(8 + code % 10))

    @staticmethod
    def _long(codes):
        if codes.pop(0) == 5:
            return colour(codes.pop(0))
        return "#" + "".join(f"{codes.pop(0):02x}" for _ in range(3))

    def _set(self, which, value):
        if which == 30:
            self.front = value
        else:
            self.back = value

    def css(self):
        front, back = self.front or FOREGROUND, self.back or BACKGROUND
        if self.inverted:
            front, back = back, front
        return (f"color:{front};background:{back};opacity:{0.6 if self.dim else 1};"
                f"font-weight:{'bold' if self.bold else 'normal'}")


def as_html(captured):
    style, parts = Style(), []
    for text in re.split(r"(\x1b\[[0-9;]*m)", captured.rstrip("\n")):
        if text.startswith("\x1b["):
            style.take(text[2:-1])
        elif text:
            parts.append(f'<span style="{style.css()}">{html.escape(text)}</span>')
    return PAGE.format(background=BACKGROUND, foreground=FOREGROUND, text="".join(parts))


def take_picture(captured, path, folder):
    """Writes a PNG. `folder`: for what the browser needs meanwhile."""
    page = folder / "terminal.html"
    page.write_text(as_html(captured), encoding="utf-8")
    options = webdriver.ChromeOptions()
    options.binary_location = "/usr/bin/chromium"
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
                     "--window-size=2400,1600", f"--user-data-dir={folder}/browser"):
        options.add_argument(argument)
    browser = webdriver.Chrome(options=options,
                               service=webdriver.ChromeService("/usr/bin/chromedriver"))
    try:
        browser.get(page.as_uri())
        browser.find_element(By.TAG_NAME, "pre").screenshot(str(path))
    finally:
        browser.quit()
