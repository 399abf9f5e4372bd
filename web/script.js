// Puts newer sections in the place of older ones. `anyclaude ui` opens the page with the token
// behind "#", which no browser sends or writes into a log.
"use strict";

const login = document.getElementById("login");
const token = new URLSearchParams(location.hash.slice(1)).get("token");
if (login && token) {
  history.replaceState(null, "", location.pathname);
  login.elements.token.value = token;
  login.submit();
}

// In the picture of the prefixes, one stretch is the keyboard's: the last one that was gone to.
const stretch = (path) => document.querySelector(`.stretch[data-path="${path}"]`);

// In a newer picture: where others came in between, its end is still at the same token.
const sameStretch = ({ path, end }) =>
  document.querySelector(`.stretch[data-path="${path}"][data-end="${end}"]`) ||
  document.querySelector(`.stretch[data-path^="${path.split(".")[0]}"][data-end="${end}"]`) ||
  document.querySelector(`.stretch[data-end="${end}"]`) || stretch(path) || stretch("0");

const show = (one) => {
  one.closest("section").querySelector(".figures").textContent = one.getAttribute("aria-label");
};

const enter = (one) => {
  for (const other of document.querySelectorAll('.stretch[tabindex="0"]')) other.setAttribute("tabindex", -1);
  one.setAttribute("tabindex", 0);
  show(one);
};

const beside = (one, step) => {
  const level = one.getAttribute("aria-level");
  const all = [...document.querySelectorAll(`.stretch[aria-level="${level}"]`)];
  return all[all.indexOf(one) + step];
};

const ways = {
  ArrowRight: (one) => stretch(one.dataset.path + ".0"),
  ArrowLeft: (one) => stretch(one.dataset.path.replace(/\.?\d+$/, "")),
  ArrowDown: (one) => beside(one, 1),
  ArrowUp: (one) => beside(one, -1),
  Home: () => stretch("0"),
};

const stretchOf = (event) => event.target.closest && event.target.closest(".stretch");

document.addEventListener("pointerover", (event) => {
  const one = stretchOf(event);
  if (one) show(one);
});
document.addEventListener("focusin", (event) => {
  const one = stretchOf(event);
  if (one) enter(one);
});
document.addEventListener("keydown", (event) => {
  const one = stretchOf(event);
  if (!one || !ways[event.key]) return;
  event.preventDefault();
  const next = ways[event.key](one);
  if (next) next.focus();
});
// Without a script they are open, since the page is loaded anew every few seconds.
for (const details of document.querySelectorAll("details")) details.open = false;

// What somebody is in, by the keyboard or with the mouse, keeps its focus and its scrolling.
const renew = (id, html) => {
  const section = document.getElementById(id);
  const scroll = section.querySelector(".scroll");
  const left = scroll ? scroll.scrollLeft : 0;
  const hadFocus = scroll && scroll === document.activeElement;
  const details = section.querySelector("details");
  const wasOpen = details && details.open;
  const hadSummary = details && details.firstElementChild === document.activeElement;
  const gone = section.contains(document.activeElement) ? document.activeElement.dataset : {};
  section.innerHTML = html;
  if (section.querySelector("details")) {
    section.querySelector("details").open = wasOpen;
    if (hadSummary) section.querySelector("summary").focus({ preventScroll: true });
  }
  const again = gone.path && sameStretch(gone);
  if (again) again.focus({ preventScroll: true });
  const renewed = section.querySelector(".scroll");
  if (renewed) {
    renewed.scrollLeft = left;
    if (hadFocus) renewed.focus({ preventScroll: true });
  }
};

// A click is a press and a release of the same element: what arrives between the two waits.
let pressed = false;
const waiting = new Map();
const release = () => {
  pressed = false;
  setTimeout(() => { // behind the click
    if (pressed) return;
    for (const [id, html] of waiting) renew(id, html);
    waiting.clear();
  });
};
document.addEventListener("pointerdown", () => { pressed = true; });
document.addEventListener("pointerup", release);
document.addEventListener("pointercancel", release);
window.addEventListener("blur", release);

const freshness = document.getElementById("freshness");
if (freshness) {
  const say = (words) => { freshness.textContent = words; };
  const source = new EventSource("/ui/events");
  source.onopen = () => say("Live.");
  source.onerror = () => say("The server does not answer; trying again.");
  source.addEventListener("section", (event) => {
    const { id, html } = JSON.parse(event.data);
    if (pressed) waiting.set(id, html);
    else renew(id, html);
  });
}
