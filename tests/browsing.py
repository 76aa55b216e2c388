"""What a page looks like in headless Chromium."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from html import escape, unescape

import pytest

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
QUIET = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--hide-scrollbars",
)  # fmt: skip
# Of a window without a frame around its page.
LEAST_WIDTH = 500
NO_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy"[^>]*>')
# The page's own policy with scripts, for what is put into it; whatever else it asks for is told.
WATCH = """<script>
window.refused = [];
document.addEventListener("securitypolicyviolation", event => refused.push(event.blockedURI));
</script>
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'nonce-probe'">
"""
PROBE = """<script nonce="probe">
window.addEventListener("load", () => {
  const all = name => [...document.querySelectorAll(name)];
  const root = document.documentElement, style = getComputedStyle(document.body);
  const found = {
    title: document.title, lang: root.lang,
    headings: all("h1, h2, h3").map(each => [each.tagName, each.textContent]),
    pictures: all("img").map(each => ({alt: each.alt, natural: each.naturalWidth,
      width: each.getBoundingClientRect().width, complete: each.complete})),
    window: window.innerWidth, overflow: root.scrollWidth - root.clientWidth,
    foreign: all("i, b, script, iframe, img:not([src^='data:'])").length - 2, refused: refused,
    resources: performance.getEntriesByType("resource").map(each => each.name)
      .filter(name => !name.startsWith("data:")),
    bareHeaders: all("th:not([scope])").length, headers: all("th").length,
    bareTables: all("table:not(.facts)").filter(each => !each.caption).length,
    tables: all("table:not(.facts)").map(each => each.caption && each.caption.textContent),
    links: all("nav a").map(each => each.textContent),
    deadLinks: all("a").filter(each => !document.querySelector(each.getAttribute("href"))).length,
    twice: all("[id]").length - new Set(all("[id]").map(each => each.id)).size,
    cells: all("th, td").map(each => each.textContent),
    text: document.body.innerText,
    ink: style.color, paper: style.backgroundColor,
  };
  const shown = document.createElement("pre");
  shown.id = "probe";
  shown.textContent = JSON.stringify(found);
  document.body.append(shown);
});
</script>
"""


def browser():
    """Path of a browser; skips the test where there is none."""
    for name in BROWSERS:
        path = shutil.which(name)
        if path:
            return path
    return pytest.skip(f"needs one of {', '.join(BROWSERS)} on PATH")


def dumped(page, folder, *, width, dark):
    """The DOM after loading, of HTML."""
    file = folder / "page.html"
    file.write_text(page, encoding="utf-8")
    profile = folder / f"profile-{len(list(folder.glob('profile-*')))}"
    profile.mkdir()
    options = [f"--user-data-dir={profile}", f"--window-size={width},900"]
    options += ["--blink-settings=preferredColorScheme=0"] if dark else []
    done = subprocess.run(
        [browser(), *QUIET, *options, "--virtual-time-budget=20000", "--dump-dom", file.as_uri()],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def framed(page, width):
    """Inside a page that holds it in a narrower window than a browser has."""
    return (
        f'<!DOCTYPE html><meta charset="utf-8"><iframe style="width: {width}px; height: 900px; '
        f'border: 0" srcdoc="{escape(page)}"></iframe><script>'
        'document.querySelector("iframe").addEventListener("load", event => document.body.append('
        'document.importNode(event.target.contentDocument.getElementById("probe"), true)));'
        "</script>"
    )


def rendered(page, folder, *, width=1100, dark=False):
    """What a script finds in a copy of the page."""
    watched = NO_POLICY.sub("", page).replace("<head>", "<head>" + WATCH, 1)
    watched = watched.replace("</head>", PROBE + "</head>", 1)
    watched = framed(watched, width) if width < LEAST_WIDTH else watched
    shown = dumped(watched, folder, width=max(width, LEAST_WIDTH), dark=dark)
    found = re.findall(r'<pre id="probe">(.*?)</pre>', shown, re.DOTALL)
    assert found, "the page did not load"
    return json.loads(unescape(found[-1]))
