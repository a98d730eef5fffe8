// What stands above the conversation: warnings and notices that hold now. Texts go in as text nodes, never as HTML.

import { language, t, tag } from "/static/i18n.js";
import { make } from "/static/view.js";

const EVERY_MS = 60_000;
let current = [];

function textsOf(notice) {
  const chosen = language();
  const spoken = notice.texts[chosen] ? chosen : Object.keys(notice.texts)[0];
  return { spoken, ...notice.texts[spoken] };
}

function card(notice, open) {
  const { spoken, title, text, instruction, area, source } = textsOf(notice);
  const details = make("details", `alert ${notice.kind} ${notice.severity.toLowerCase()}`, make("summary", "", title));
  details.lang = tag(spoken);
  details.dataset.id = notice.id;
  details.open = open;
  if (area) details.append(make("p", "alert-area", area));
  if (text) details.append(make("p", "alert-text", text));
  if (instruction) details.append(make("p", "alert-instruction", instruction));
  if (source) details.append(make("p", "alert-source", source));
  return details;
}

export function showAlerts() {
  const box = document.getElementById("alerts");
  const opened = new Set([...box.querySelectorAll("details[open]")].map((entry) => entry.dataset.id));
  box.setAttribute("aria-label", t("alerts"));
  box.replaceChildren(...current.map((notice) => card(notice, opened.has(String(notice.id)))));
  box.hidden = current.length === 0;
}

async function load() {
  try {
    const response = await fetch("/api/v1/notices");
    if (!response.ok) return;
    const { notices } = await response.json();
    if (JSON.stringify(notices) === JSON.stringify(current)) return;
    current = notices;
    showAlerts();
  } catch {
    // Offline: what is shown stays, and the next try comes by itself.
  }
}

export function watchAlerts() {
  load();
  setInterval(() => {
    if (document.visibilityState === "visible") load();
  }, EVERY_MS);
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") load();
  });
}
