// Builds the nodes of the conversation. Texts go in as text nodes, never as HTML.

import { label, language, say, scriptOf, t, tag } from "/static/i18n.js";
import { link, render, safeUrl } from "/static/markdown.js";

const SVG = "http://www.w3.org/2000/svg";
const THUMB =
  "M7.500 20.500H5a1.500 1.500 0 0 1-1.500-1.500v-7A1.500 1.500 0 0 1 5 10.500h2.500m0 10v-10m0 10h9.200a2 2 0 0 0 2-1.600l1.300-6a2 2 0 0 0-2-2.400h-4.500l.7-3.800a2.100 2.100 0 0 0-4-1.300L7.500 10.500";

export function make(name, className, ...children) {
  const element = document.createElement(name);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

function icon(path) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const shape = document.createElementNS(SVG, "path");
  shape.setAttribute("d", path);
  svg.append(shape);
  return svg;
}

export function button(className, text, press) {
  const element = make("button", className, text);
  element.type = "button";
  element.addEventListener("click", press);
  return element;
}

export function citizenMessage(text) {
  const body = make("div", "bubble", text);
  body.lang = tag(scriptOf(text) ?? language());
  const state = make("span", "state");
  return make("article", "message citizen", say(make("span", "hidden"), "you"), body, state);
}

export function setState(article, key, detail = "") {
  const state = article.querySelector(".state");
  article.classList.toggle("waiting", key === "waiting");
  article.classList.toggle("failed", key === "failed");
  state.replaceChildren();
  if (key) state.append(say(make("span"), key), detail && `${language() === "zh" ? "：" : ": "}${detail}`);
}

function citations(items) {
  const list = make("ol", "sources-list");
  for (const { title, url } of items) {
    const entry = url ? link(url, title) : document.createTextNode(title);
    const item = make("li", "", entry);
    if (entry.tagName === "A") entry.append(say(make("span", "hidden"), "newTab"));
    list.append(item);
  }
  return make("div", "sources", say(make("span", "sources-title"), "sources"), list);
}

function picture(address) {
  const href = safeUrl(address);
  if (!href) return "";
  const image = make("img", "picture");
  image.src = href;
  image.alt = t("image");
  image.loading = "lazy";
  return image;
}

export function choices(buttons, press, key = "choices") {
  const group = make("div", "choices");
  group.setAttribute("role", "group");
  label(group, key);
  for (const { title, payload } of buttons) {
    const choice = button("choice", title, () => press(payload, title));
    choice.lang = tag(scriptOf(title) ?? language());
    group.append(choice);
  }
  return group;
}

// `opening` names the words that a screen reader hears first.
export function assistantMessage(reply, name, press, quote, opening = "bot") {
  const body = make("div", "bubble", render(reply.text));
  body.lang = tag(scriptOf(reply.text) ?? language());
  if (quote) body.prepend(make("p", "quote", say(make("span"), "inReply"), make("q", "", quote)));
  if (reply.image) body.append(picture(reply.image));
  if (reply.citations?.length) body.append(citations(reply.citations));
  const article = make("article", `message assistant ${reply.source}`, say(make("span", "hidden"), opening, name), body);
  if (reply.buttons?.length) article.append(choices(reply.buttons, press));
  return article;
}

export function noteLine(key) {
  return make("p", "note", say(make("span"), key));
}

// Thumbs under an answer; `rate(rating, comment)` returns a promise.
export function feedback(rate, limit, given) {
  const status = make("span", "rated");
  status.setAttribute("role", "status");
  const group = make("div", "feedback");
  group.setAttribute("role", "group");
  label(group, "rate");
  const thumbs = {};
  const mark = (rating) => {
    for (const [name, thumb] of Object.entries(thumbs)) thumb.setAttribute("aria-pressed", String(name === rating));
  };
  const press = async (rating) => {
    try {
      await rate(rating);
      mark(rating);
      say(status, "thanks");
      group.querySelector(".comment")?.remove();
      if (rating === "down") group.append(commentForm(rate, limit, status, thumbs.down));
      group.querySelector(".comment textarea")?.focus();
    } catch {
      say(status, "problem");
    }
  };
  for (const rating of ["up", "down"]) {
    thumbs[rating] = button(`thumb ${rating}`, icon(THUMB), () => press(rating));
    label(thumbs[rating], rating);
    group.append(thumbs[rating]);
  }
  group.append(status);
  mark(given);
  return group;
}

function commentForm(rate, limit, status, origin) {
  const field = make("textarea", "comment-text");
  field.rows = 2;
  field.maxLength = limit;
  const caption = make("label", "comment-label", say(make("span"), "comment"), field);
  const submit = say(make("button", "secondary"), "commentSend");
  submit.type = "submit";
  const leave = () => {
    form.remove();
    origin.focus();
  };
  const skip = say(button("quiet", "", leave), "commentSkip");
  const form = make("form", "comment", caption, make("div", "comment-actions", submit, skip));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (!field.value.trim()) return leave();
    try {
      await rate("down", field.value);
      say(status, "commentThanks");
      leave();
    } catch {
      say(status, "problem");
    }
  });
  return form;
}
