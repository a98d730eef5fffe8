// The chat page: joins the view, the connection and the controls.

import { showAlerts, watchAlerts } from "/static/alerts.js";
import { attachments } from "/static/attach.js";
import { Connection } from "/static/connection.js";
import { NAMES, label, language, say, scriptOf, t, tag, translate, wishFor } from "/static/i18n.js";
import { load, save } from "/static/storage.js";
import { assistantMessage, choices, citizenMessage, feedback, make, noteLine, setState } from "/static/view.js";

const $ = (id) => document.getElementById(id);
const settings = JSON.parse($("settings").textContent);
const embedded = new URLSearchParams(location.search).has("embed");
const line = new Connection();
const log = $("log");
const field = $("text");

// message id → {article, replies: Set of shown indexes, last: the last answer's article, done}
const shown = new Map();
// A button's payload → its title, so that history shows what the citizen pressed.
const titles = new Map();
const typing = new Set();
// Greetings and questions back are nothing to rate.
const UNRATED = new Set(["error", "smalltalk", "clarify"]);

const names = () => ({ name: settings.assistant[language()], city: settings.city[language()] });

function chooseLanguage(chosen) {
  translate(chosen);
  save("language", chosen);
  const { name, city } = names();
  $("city").textContent = city;
  $("assistant").textContent = name;
  document.title = chosen === "zh" ? `${city}${name}` : `${city} ${name}`;
  for (const control of $("languages").children) {
    control.setAttribute("aria-pressed", String(control.lang === tag(chosen)));
  }
  showNotice();
  showAlerts();
  for (const suggestion of log.querySelectorAll(".welcome .choices")) suggestion.replaceWith(suggestions());
  showCount();
  showTyping();
}

// Staff may set a notice at any moment: it comes over the socket, or is asked for where there is none.
const NOTICE_MS = 10_000;
let rounds = 0;

function showNotice() {
  const notice = settings.notice?.[language()] ?? "";
  const box = $("notice");
  box.classList.toggle("urgent", Boolean(settings.notice?.urgent));
  box.setAttribute("role", settings.notice?.urgent ? "alert" : "status");
  box.hidden = !notice;
  if (box.textContent !== notice) box.textContent = notice;
}

async function askForNotice() {
  rounds += 1;
  // Over the socket it comes by itself; asking now and then notices that it has run out.
  if (document.hidden || (line.ready && rounds % 6)) return;
  try {
    const response = await fetch("/api/v1/notice");
    if (!response.ok) return;
    settings.notice = (await response.json()).notice;
    showNotice();
  } catch {
    // Without a network there is no news; the next round asks again.
  }
}

function languageSwitch() {
  for (const code of settings.languages) {
    const control = make("button", "language", NAMES[code]);
    control.type = "button";
    control.lang = tag(code);
    control.addEventListener("click", () => chooseLanguage(code));
    $("languages").append(control);
  }
}

function phones() {
  const numbers = settings.emergency.map((entry) => ({ ...entry, className: "phone" }));
  if (settings.contact) numbers.push({ ...settings.contact, className: "phone contact", short: "contact" });
  for (const { number, zh, en, className, short } of numbers) {
    const name = () => ({ name: language() === "zh" ? zh : en });
    const caption = make("span", "phone-name");
    if (short) say(caption, short);
    else {
      caption.append(make("span", "only-zh", zh), make("span", "only-en", en));
    }
    const anchor = make("a", className, make("strong", "", number), caption);
    anchor.href = `tel:${number}`;
    label(anchor, "call", () => ({ number, ...name() }));
    $("phones").append(make("li", "", anchor));
  }
  document.querySelector(".phones").hidden = numbers.length === 0;
}

function suggestions() {
  const own = settings.suggestions.map((entry) => ({ title: entry[language()], payload: entry[language()] }));
  return choices(own, (text) => submit(text), "suggestions");
}

function welcome() {
  const body = make("div", "bubble", say(make("p", "greeting"), "greeting", names), say(make("p"), "introduction"));
  const article = make("article", "message assistant welcome", body);
  if (settings.suggestions.length) article.append(suggestions());
  log.replaceChildren(article);
}

function scrollTo(article) {
  const instant = matchMedia("(prefers-reduced-motion: reduce)").matches;
  // A long answer is read from its beginning.
  const long = article.offsetHeight > 0.85 * Math.min(log.clientHeight, innerHeight);
  article.scrollIntoView({ block: long ? "start" : "nearest", behavior: instant ? "instant" : "smooth" });
}

function place(article) {
  const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 160;
  log.append(article);
  if (atEnd || article.classList.contains("citizen")) scrollTo(article);
}

function entry(messageId, text) {
  let record = shown.get(messageId);
  if (!record) {
    const visible = titles.get(text) ?? text;
    record = { article: citizenMessage(visible), visible, replies: new Set(), done: false };
    shown.set(messageId, record);
    place(record.article);
  }
  return record;
}

function showReply({ message_id, reply, index }) {
  const record = shown.get(message_id);
  if (!record || record.replies.has(index)) return;
  record.replies.add(index);
  for (const { title, payload } of reply.buttons ?? []) titles.set(payload, title);
  const citizens = log.querySelectorAll(".citizen");
  const quote = citizens[citizens.length - 1] !== record.article && index === 0 ? record.visible : "";
  const press = (payload, title) => submit(payload, title);
  record.last = assistantMessage(reply, names, press, quote && shorten(quote));
  record.source = reply.source;
  stopTyping(message_id);
  place(record.last);
}

const shorten = (text) => (Array.from(text).length > 40 ? `${Array.from(text).slice(0, 40).join("")}…` : text);

// Something said unasked: a notice, or a person at the desk. It answers no message and is not rated.
function showPush({ message_id, replies, language: spoken }) {
  if (shown.has(message_id)) return;
  shown.set(message_id, { article: null, replies: new Set(), done: true });
  for (const reply of replies) {
    for (const { title, payload } of reply.buttons ?? []) titles.set(payload, title);
    const article = assistantMessage(reply, names, (payload, title) => submit(payload, title), "", "news");
    article.classList.add("pushed");
    if (spoken) article.querySelector(".bubble").lang = tag(spoken);
    place(article);
  }
}

function finish(messageId, given, replyLanguage) {
  const record = shown.get(messageId);
  stopTyping(messageId);
  if (!record || record.done) return;
  record.done = true;
  setState(record.article, null);
  if (!record.last) return;
  const body = record.last.querySelector(".bubble");
  if (replyLanguage && record.source !== "error") body.lang = tag(replyLanguage);
  if (UNRATED.has(record.source)) return;
  const rate = (rating, comment) => line.rate(messageId, rating, comment);
  record.last.append(feedback(rate, settings.commentLimit, given));
  if (record.last === log.lastElementChild) scrollTo(record.last);
}

function showTyping() {
  const box = $("typing");
  box.classList.toggle("on", typing.size > 0);
  box.replaceChildren(...(typing.size ? [make("span", "dots", make("i"), make("i"), make("i")), t("typing")] : []));
}

function stopTyping(messageId) {
  typing.delete(messageId);
  showTyping();
}

function submit(text, title, extra) {
  if (title) titles.set(text, title);
  $("problem").textContent = "";
  const item = line.send(text, title ? (scriptOf(title) ?? language()) : extra ? language() : wishFor(text), extra);
  const record = entry(item.message_id, text);
  if (!line.ready) setState(record.article, "waiting");
  else setState(record.article, null);
}

function used() {
  return Array.from(field.value.trim()).length;
}

function showCount() {
  const over = used() - settings.textLimit;
  $("count").textContent = t("count", { used: used(), limit: settings.textLimit });
  $("count").classList.toggle("over", over > 0);
  field.setAttribute("aria-invalid", String(over > 0));
  $("problem").textContent = over > 0 ? t("over", { over }) : "";
}

function grow() {
  field.style.height = "auto";
  field.style.height = `${field.scrollHeight + 2}px`;
}

function sendField() {
  const text = field.value.trim();
  if (!text) {
    $("problem").textContent = t("empty");
    field.focus();
    return;
  }
  if (used() > settings.textLimit) return;
  field.value = "";
  save("draft", null);
  grow();
  showCount();
  submit(text);
  field.focus();
}

function restart(noteKey) {
  shown.clear();
  typing.clear();
  showTyping();
  $("connection").textContent = "";
  welcome();
  log.append(noteLine(noteKey));
  field.focus();
}

function controls() {
  $("composer").addEventListener("submit", (event) => {
    event.preventDefault();
    sendField();
  });
  field.addEventListener("input", () => {
    save("draft", field.value);
    grow();
    showCount();
  });
  field.addEventListener("keydown", (event) => {
    // Enter that confirms a Chinese candidate must not send; 229 is what older engines report then.
    if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.keyCode === 229) return;
    event.preventDefault();
    sendField();
  });
  $("fresh").addEventListener("click", () => {
    line.forget();
    restart("started");
  });
  $("erase").addEventListener("click", () => {
    $("confirm").returnValue = "";
    $("confirm").showModal();
  });
  $("confirm").addEventListener("close", async () => {
    if ($("confirm").returnValue !== "yes") return;
    try {
      await line.erase();
      restart("erased");
    } catch (error) {
      $("problem").textContent = error.problem?.messages?.[language()] ?? t("problem");
    }
  });
  attachments(line, (text, extra) => submit(text, undefined, extra), language);
  if (embedded) {
    document.documentElement.classList.add("embedded");
    $("close").hidden = false;
    const close = () => parent.postMessage({ type: "chengda:close" }, "*");
    $("close").addEventListener("click", close);
    addEventListener("keydown", (event) => {
      if (event.key === "Escape" && !event.isComposing && !$("confirm").open) close();
    });
    addEventListener("message", (event) => {
      if (event.source === parent && event.data?.type === "chengda:open") field.focus();
    });
  }
}

function listen() {
  const on = (type, act) => line.addEventListener(type, ({ detail }) => act(detail));
  on("ack", ({ message_id, text }) => {
    if (text !== undefined) entry(message_id, text);
    const record = shown.get(message_id);
    if (record && !record.done) setState(record.article, null);
  });
  on("typing", ({ message_id }) => {
    if (shown.get(message_id)?.done) return;
    typing.add(message_id);
    showTyping();
  });
  on("reply", showReply);
  on("push", showPush);
  on("notice", ({ notice }) => {
    settings.notice = notice;
    showNotice();
  });
  setInterval(askForNotice, NOTICE_MS);
  document.addEventListener("visibilitychange", askForNotice);
  on("done", (frame) => finish(frame.message_id, null, frame.language));
  on("refused", ({ message_id, problem }) => {
    const record = shown.get(message_id);
    stopTyping(message_id);
    const detail = problem.messages?.[language()] ?? t("problem");
    if (record) setState(record.article, "failed", detail);
    else $("problem").textContent = detail;
  });
  on("lost", () => log.append(noteLine("expired")));
  on("state", ({ state }) => {
    const box = $("connection");
    box.replaceChildren(...(state === "online" ? [] : [say(make("span"), state)]));
    if (state !== "online") {
      typing.clear();
      showTyping();
    }
  });
}

async function begin() {
  languageSwitch();
  phones();
  const asked = new URLSearchParams(location.search).get("lang");
  const first = load("language") ?? asked ?? document.documentElement.lang.slice(0, 2);
  translate(settings.languages.includes(first) ? first : settings.languages[0]);
  welcome();
  chooseLanguage(language());
  controls();
  listen();
  if (settings.alerts) watchAlerts();
  field.value = load("draft", "");
  grow();
  showCount();
  // What was said before is not news: no announcing while it is put back.
  log.setAttribute("aria-busy", "true");
  for (const message of await line.history()) {
    if (!message.text) {
      showPush(message);
      continue;
    }
    entry(message.message_id, message.text);
    message.replies.forEach((reply, index) => showReply({ message_id: message.message_id, reply, index }));
    if (message.state === "answered") finish(message.message_id, message.rating, message.language);
  }
  for (const item of line.outbox) setState(entry(item.message_id, item.text).article, item.acked ? null : "waiting");
  if (shown.size) log.lastElementChild.scrollIntoView({ block: "end", behavior: "instant" });
  log.setAttribute("aria-busy", "false");
  document.documentElement.dataset.ready = "true";
  if (line.conversation || line.outbox.length) line.connect();
}

begin();
