// The line to the gateway: a WebSocket that comes back by itself, an outbox that loses and doubles nothing,
// and plain HTTP where a network lets no WebSocket through. The frames are described in channels/web/socket.py.

import { load, save } from "/static/storage.js";

const API = "/api/v1";
const SILENCE_MS = 65_000;
const BACK_OFF_MS = [300, 1000, 2000, 4000, 8000, 15_000];
const LOST = new Set([4401, 4403, 4404]);
// Refusals that pass by themselves; every other one is final for the message.
const PASSING = new Set([409, 429, 500, 502, 503, 504]);

const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Connection extends EventTarget {
  constructor() {
    super();
    this.conversation = load("conversation");
    this.outbox = load("outbox", []);
    this.last = load("last");
    this.socket = null;
    this.ready = false;
    this.attempts = 0;
    this.connecting = false;
    addEventListener("online", () => this.retryNow());
    addEventListener("offline", () => this.drop());
    document.addEventListener("visibilitychange", () => document.hidden || this.retryNow());
  }

  emit(type, detail = {}) {
    this.dispatchEvent(new CustomEvent(type, { detail }));
  }

  keep() {
    save("outbox", this.outbox.map(({ message_id, text, language, extra, acked }) => ({ message_id, text, language, extra, acked })));
    save("last", this.last);
  }

  // `extra` holds `location` or `attachments` that go with the message.
  send(text, language, extra) {
    const item = { message_id: newId(), text, language, extra, acked: false, sent: false };
    this.outbox.push(item);
    this.keep();
    this.flush();
    return item;
  }

  flush() {
    if (!this.ready) {
      this.connect();
      return;
    }
    for (const item of this.outbox) {
      if (item.acked || item.sent) continue;
      item.sent = true;
      const { message_id, text, language, extra } = item;
      this.socket.send(JSON.stringify({ type: "message", message_id, text, ...(language && { language }), ...extra }));
    }
  }

  async request(method, path, body) {
    const headers = {};
    if (this.conversation) headers.Authorization = `Bearer ${this.conversation.token}`;
    if (body) headers["Content-Type"] = "application/json";
    const response = await fetch(API + path, { method, headers, body: body && JSON.stringify(body), cache: "no-store" });
    const data = response.status === 204 ? null : await response.json().catch(() => ({ status: response.status }));
    if (!response.ok) throw Object.assign(new Error(`HTTP ${response.status}`), { problem: data, status: response.status });
    return data;
  }

  // Uploads a photo; the conversation is opened first where there is none yet.
  async upload(file) {
    await this.open();
    const body = new FormData();
    body.append("file", file);
    const headers = { Authorization: `Bearer ${this.conversation.token}` };
    const response = await fetch(API + this.path("/attachments"), { method: "POST", headers, body, cache: "no-store" });
    const data = await response.json().catch(() => ({ status: response.status }));
    if (!response.ok) throw Object.assign(new Error(`HTTP ${response.status}`), { problem: data, status: response.status });
    return data;
  }

  path(rest = "") {
    return `/conversations/${this.conversation.id}${rest}`;
  }

  async open() {
    if (this.conversation) return;
    const made = await this.request("POST", "/conversations");
    this.conversation = { id: made.conversation_id, token: made.token };
    save("conversation", this.conversation);
  }

  async history() {
    if (!this.conversation) return [];
    try {
      const { messages } = await this.request("GET", this.path("/messages"));
      const known = new Map(messages.map((message) => [message.message_id, message]));
      this.outbox = this.outbox.filter((item) => known.get(item.message_id)?.state !== "answered");
      for (const item of this.outbox) item.acked = known.has(item.message_id);
      this.last = messages.slice(0, firstPending(messages)).at(-1)?.message_id ?? null;
      this.keep();
      return messages;
    } catch (error) {
      if ([401, 403, 404].includes(error.status)) this.lost();
      return [];
    }
  }

  async connect() {
    if (this.connecting || this.socket || !navigator.onLine) {
      if (!navigator.onLine) this.emit("state", { state: "offline" });
      return;
    }
    this.connecting = true;
    clearTimeout(this.timer);
    try {
      await this.open();
      if (this.attempts >= 2 && this.outbox.length && (await this.post())) return;
      this.dial();
    } catch (error) {
      this.later(error.problem?.retry_after);
    } finally {
      this.connecting = false;
    }
  }

  dial() {
    const url = new URL(`${API}/ws`, location.href);
    url.protocol = url.protocol.replace("http", "ws");
    const socket = new WebSocket(url);
    this.socket = socket;
    this.listen();
    socket.onopen = () => {
      const { id, token } = this.conversation;
      socket.send(JSON.stringify({ type: "auth", conversation_id: id, token }));
    };
    socket.onmessage = (event) => {
      if (socket !== this.socket) return;
      this.listen();
      this.receive(JSON.parse(event.data));
    };
    socket.onclose = (event) => {
      if (socket !== this.socket) return;
      this.hangUp();
      if (LOST.has(event.code)) this.lost();
      else this.later();
    };
  }

  // A connection that has been silent for longer than two pings is dead, whatever the browser thinks.
  listen() {
    clearTimeout(this.silence);
    this.silence = setTimeout(() => this.drop(), SILENCE_MS);
  }

  hangUp() {
    clearTimeout(this.silence);
    const socket = this.socket;
    this.socket = null;
    this.ready = false;
    for (const item of this.outbox) item.sent = false;
    if (socket && socket.readyState <= 1) socket.close();
  }

  drop() {
    this.hangUp();
    this.later();
  }

  later(seconds) {
    if (!this.conversation && !this.outbox.length) return;
    this.emit("state", { state: navigator.onLine && this.attempts < 1 ? "reconnecting" : "offline" });
    const wait = seconds ? seconds * 1000 : BACK_OFF_MS[Math.min(this.attempts, BACK_OFF_MS.length - 1)];
    this.attempts += 1;
    clearTimeout(this.timer);
    // Half of the wait is random, so that a restarted gateway is not met by everybody at once.
    this.timer = setTimeout(() => this.connect(), wait / 2 + (Math.random() * wait) / 2);
  }

  retryNow() {
    if (this.socket || !(this.conversation || this.outbox.length)) return;
    this.attempts = 0;
    this.connect();
  }

  receive(frame) {
    switch (frame.type) {
      case "ready":
        this.ready = true;
        this.attempts = 0;
        this.emit("state", { state: "online" });
        this.socket.send(JSON.stringify({ type: "resume", ...(this.last && { after: this.last }) }));
        this.flush();
        break;
      case "ping":
        this.socket.send('{"type":"pong"}');
        break;
      case "ack": {
        const item = this.outbox.find(({ message_id }) => message_id === frame.message_id);
        if (item) item.acked = true;
        this.keep();
        this.emit("ack", frame);
        break;
      }
      case "push":
        // While an answer is awaited, a resume must begin before it; what is shown already is not shown twice.
        if (!this.outbox.length) this.last = frame.message_id;
        this.keep();
        this.emit("push", frame);
        break;
      case "done":
        this.finish(frame.message_id);
        this.emit("done", frame);
        break;
      case "error":
        this.refused(frame.message_id, frame.problem);
        break;
      default:
        this.emit(frame.type, frame);
    }
  }

  finish(messageId) {
    this.outbox = this.outbox.filter((item) => item.message_id !== messageId);
    this.last = messageId;
    this.keep();
  }

  refused(messageId, problem) {
    const item = this.outbox.find(({ message_id }) => message_id === messageId);
    if (item && PASSING.has(problem.status)) {
      const again = () => {
        item.sent = item.acked = false;
        if (this.outbox.includes(item)) this.flush();
      };
      setTimeout(again, (problem.retry_after ?? 2) * 1000);
      return;
    }
    this.outbox = this.outbox.filter((other) => other !== item);
    this.keep();
    this.emit("refused", { message_id: messageId, problem });
  }

  // Plain HTTP: one message after the other. Returns whether the outbox could be emptied.
  async post() {
    while (this.outbox.length) {
      const [item] = this.outbox;
      const { message_id, text, language, extra } = item;
      try {
        this.emit("typing", { message_id });
        const data = await this.request("POST", this.path("/messages"), { message_id, text, ...(language && { language }), ...extra });
        this.emit("state", { state: "online" });
        this.emit("ack", { message_id });
        data.replies.forEach((reply, index) => this.emit("reply", { message_id, reply, index }));
        this.finish(message_id);
        this.emit("done", { message_id, language: data.language });
      } catch (error) {
        if (error.status === undefined) return false;
        if ([401, 403, 404].includes(error.status)) {
          this.lost();
          return true;
        }
        if (PASSING.has(error.status)) await pause((error.problem?.retry_after ?? 2) * 1000);
        else this.refused(message_id, error.problem);
      }
    }
    return true;
  }

  rate(messageId, rating, comment) {
    return this.request("POST", this.path("/feedback"), { message_id: messageId, rating, ...(comment && { comment }) });
  }

  // The server no longer knows the conversation: begin a new one with what is still to be sent.
  lost() {
    const waiting = this.outbox.map((item) => ({ ...item, acked: false, sent: false }));
    this.forget();
    this.outbox = waiting;
    this.keep();
    this.emit("lost");
    if (waiting.length) this.connect();
  }

  async erase() {
    if (this.conversation) {
      try {
        await this.request("DELETE", this.path());
      } catch (error) {
        if (error.status !== 404) throw error;
      }
    }
    this.forget();
  }

  forget() {
    clearTimeout(this.timer);
    this.hangUp();
    this.conversation = null;
    this.outbox = [];
    this.last = null;
    this.attempts = 0;
    save("conversation", null);
    this.keep();
  }
}

function firstPending(messages) {
  const index = messages.findIndex((message) => message.state !== "answered");
  return index < 0 ? messages.length : index;
}

function newId() {
  // `randomUUID` exists only on secure origins; a city intranet may serve plain HTTP.
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
