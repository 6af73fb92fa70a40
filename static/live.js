// Keeps the part of a page that says data-live up to date: its value is the address of the events, and data-seen the number of
// the change that it shows. Without this script the page works all the same; one loads it anew.
"use strict";
(() => {
  const RETRY = 10_000; // Behind a refusal a browser does not try again by itself.
  const AGES = 60_000; // "5 minutes ago" is not true for ever.
  const AIM = 500;
  const status = document.querySelector("[data-live-status]");
  let part = document.querySelector("[data-live]");
  let events, retry, later, fetching, again, composing;
  if (!part || !window.EventSource) return;

  function say(text) {
    if (status && status.textContent !== text) status.textContent = text;
  }

  // What is typed, opened and focused stands at the same ids again.
  function keep(fresh) {
    for (const old of part.querySelectorAll("details[open][id]")) {
      const details = fresh.querySelector("#" + CSS.escape(old.id));
      if (details) details.open = true;
    }
    for (const old of part.querySelectorAll("input[id], textarea[id]")) {
      const field = fresh.querySelector("#" + CSS.escape(old.id));
      if (field && old.value !== old.defaultValue) field.value = old.value;
    }
  }

  function focusAgain(old) {
    const next = old && old.id && document.getElementById(old.id);
    if (!next) return;
    next.focus({ preventScroll: true });
    if (next.setSelectionRange && typeof old.selectionStart === "number") next.setSelectionRange(old.selectionStart, old.selectionEnd);
  }

  function show(fresh) {
    const focused = part.contains(document.activeElement) ? document.activeElement : null;
    keep(fresh);
    part.replaceWith(document.adoptNode(fresh));
    part = fresh;
    focusAgain(focused);
  }

  // Nobody is to press the button of another row than the one that they point at.
  function isAimedAt() {
    return window.matchMedia("(hover: hover)").matches && part.querySelector(".actions:hover");
  }

  async function refresh() {
    clearTimeout(later);
    if (isAimedAt()) {
      say("changes wait while you point at a button");
      later = setTimeout(refresh, AIM);
      return;
    }
    if (fetching || composing) {
      again = true;
      return;
    }
    fetching = true;
    if (events && events.readyState === EventSource.OPEN) say("live");
    again = false;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html" }, cache: "no-store", redirect: "error" });
      if (!answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      const fresh = page.querySelector("[data-live]");
      if (composing) again = true;
      else if (fresh) show(fresh);
    } catch {
      // The next change, or the next minute, tries again.
    } finally {
      fetching = false;
      if (again && !composing) refresh();
    }
  }

  function close() {
    clearTimeout(retry);
    if (events) events.close();
    events = undefined;
  }

  function open() {
    close();
    if (document.hidden) return;
    events = new EventSource(part.dataset.live);
    events.onopen = () => say("live");
    events.addEventListener("changed", (event) => {
      if (event.data !== part.dataset.seen) refresh();
    });
    events.onerror = () => {
      say("reconnecting");
      if (events && events.readyState === EventSource.CLOSED) retry = setTimeout(open, RETRY);
    };
  }

  document.addEventListener("compositionstart", () => (composing = true));
  document.addEventListener("compositionend", () => {
    composing = false;
    if (again) refresh();
  });
  // A page that nobody looks at takes no connection from those that somebody does.
  document.addEventListener("visibilitychange", () => (document.hidden ? close() : open()));
  window.addEventListener("pagehide", close);
  window.addEventListener("pageshow", (event) => event.persisted && open());
  setInterval(() => document.hidden || refresh(), AGES);
  open();
})();
