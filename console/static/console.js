// Small helps for every page of the console; all pages work without it.
"use strict";

const body = document.body;

function say(text, kind, link) {
  const messages = document.getElementById("messages");
  const line = document.createElement("p");
  line.className = `message ${kind}`;
  line.textContent = text;
  if (link) line.append(" ", link);
  messages.replaceChildren(line);
  messages.scrollIntoView({ block: "nearest" });
}

// A part of a page that could not be fetched: say why, keep what was typed.
body.addEventListener("htmx:responseError", (event) => {
  const answer = new DOMParser().parseFromString(event.detail.xhr.responseText, "text/html");
  const line = answer.querySelector(".message");
  say(line ? line.firstChild.textContent.trim() : body.dataset.offline, "bad", line?.querySelector("a"));
});
body.addEventListener("htmx:sendError", () => say(body.dataset.offline, "bad"));

// Forms that are marked `data-guard` warn before their text is lost.
const changed = new Set();
document.querySelectorAll("form[data-guard]").forEach((form) => {
  if (form.dataset.guard === "changed") changed.add(form);
  form.addEventListener("input", () => changed.add(form));
  form.addEventListener("submit", () => changed.clear());
});
window.addEventListener("beforeunload", (event) => {
  if (changed.size) event.preventDefault();
});

// Buttons that cannot be undone ask first.
document.addEventListener("submit", (event) => {
  const question = event.submitter?.dataset.confirm || event.target.dataset.confirm;
  if (question && !window.confirm(question)) event.preventDefault();
});

// Filters that are marked `data-auto` apply as soon as they change.
document.querySelectorAll("form[data-auto] select").forEach((select) => {
  select.addEventListener("change", () => select.form.requestSubmit());
});

// The list of what is wrong with a form is where the eyes and the screen reader should be.
document.querySelector("[data-focus]")?.focus();

// After an edit conflict: put the other person's text into the field.
document.querySelectorAll("[data-take]").forEach((button) => {
  button.addEventListener("click", () => {
    const field = document.getElementById(button.dataset.take);
    field.value = button.parentElement.querySelector("pre").textContent;
    field.dispatchEvent(new Event("input", { bubbles: true }));
    field.focus();
  });
});
