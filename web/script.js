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

const freshness = document.getElementById("freshness");
if (freshness) {
  const say = (words) => { freshness.textContent = words; };
  const source = new EventSource("/ui/events");
  source.onopen = () => say("Live.");
  source.onerror = () => say("The server does not answer; trying again.");
  source.addEventListener("section", (event) => {
    const { id, html } = JSON.parse(event.data);
    const section = document.getElementById(id);
    // What somebody is in, by the keyboard or with the mouse, keeps its focus and its scrolling.
    const scroll = section.querySelector(".scroll");
    const left = scroll ? scroll.scrollLeft : 0;
    const hadFocus = scroll && scroll === document.activeElement;
    section.innerHTML = html;
    const renewed = section.querySelector(".scroll");
    if (renewed) {
      renewed.scrollLeft = left;
      if (hadFocus) renewed.focus({ preventScroll: true });
    }
  });
}
