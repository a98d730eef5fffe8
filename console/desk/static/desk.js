// The desk while it is open: follows the stream of changes, sounds when somebody needs an answer, sends replies in place.
"use strict";

(() => {
  const $ = (id) => document.getElementById(id);
  const desk = document.querySelector(".desk");
  const caseId = Number(desk.dataset.case);
  const token = JSON.parse(document.body.getAttribute("hx-headers"))["X-CSRF-Token"];
  const title = document.title;
  let before = null;
  let refreshing = false;
  let again = false;

  // Sound: two short tones; browsers let a page sound only after it was used.
  let audio = null;
  const quiet = () => localStorage.getItem("chengda.desk.quiet") === "1";
  function showSound() {
    $("sound").setAttribute("aria-pressed", String(!quiet()));
    $("sound").textContent = quiet() ? $("sound").dataset.off : $("sound").dataset.on;
  }
  $("sound").addEventListener("click", () => {
    localStorage.setItem("chengda.desk.quiet", quiet() ? "0" : "1");
    showSound();
    if (!quiet()) ring();
  });
  function ring() {
    if (quiet()) return;
    try {
      audio ??= new AudioContext();
      for (const [delay, pitch] of [[0, 660], [0.18, 880]]) {
        const tone = audio.createOscillator();
        const volume = audio.createGain();
        tone.frequency.value = pitch;
        volume.gain.setValueAtTime(0.15, audio.currentTime + delay);
        volume.gain.exponentialRampToValueAtTime(0.001, audio.currentTime + delay + 0.16);
        tone.connect(volume).connect(audio.destination);
        tone.start(audio.currentTime + delay);
        tone.stop(audio.currentTime + delay + 0.17);
      }
    } catch {
      // A machine without sound still has the title and the lists.
      audio = null;
    }
  }

  // `randomUUID` is missing where the console is opened without TLS.
  const newKey = () => [...crypto.getRandomValues(new Uint8Array(8))].map((n) => n.toString(16).padStart(2, "0")).join("");

  const filled = (text, values) => text.replace(/\{(\w+)\}/g, (_, name) => values[name]);

  function tell(state) {
    const due = state.waiting + state.unread;
    document.title = due ? `(${due}) ${title}` : title;
    const more = before && (state.waiting > before.waiting || state.unread > before.unread || state.mine > before.mine);
    if (more) {
      ring();
      $("news").textContent = filled($("news").dataset.text, state);
    }
    before = state;
  }

  function operatorOf(response) {
    const hex = response.headers.get("X-Case-State") ?? "";
    const bytes = Uint8Array.from(hex.match(/../g) ?? [], (pair) => parseInt(pair, 16));
    return new TextDecoder().decode(bytes);
  }

  async function refreshLines() {
    const list = $("lines");
    const last = list.lastElementChild?.dataset.line ?? 0;
    const response = await fetch(`/desk/${caseId}/lines?after=${last}`, { headers: { "HX-Request": "true" } });
    if (!response.ok) return;
    const talk = $("talk");
    const atEnd = talk.scrollHeight - talk.scrollTop - talk.clientHeight < 60;
    const part = new DOMParser().parseFromString(`<ol>${await response.text()}</ol>`, "text/html");
    for (const line of part.querySelectorAll("li")) {
      if (!list.querySelector(`[data-line="${line.dataset.line}"]`)) list.append(line);
    }
    if (atEnd) talk.scrollTop = talk.scrollHeight;
    const now = operatorOf(response);
    // Somebody took, transferred or ended it: other things can be done then; a text being written stays.
    if (now !== `${desk.dataset.state} ${desk.dataset.operator}` && !$("reply-text")?.value && !$("note-text")?.value) {
      location.reload();
    }
  }

  async function refresh() {
    if (refreshing) {
      again = true;
      return;
    }
    refreshing = true;
    try {
      const response = await fetch(`/desk/lists?case=${caseId}`, { headers: { "HX-Request": "true" } });
      if (response.ok) {
        const focused = document.activeElement?.closest?.("#lists a")?.getAttribute("href");
        const open = [...$("lists").querySelectorAll("details")].map((part) => part.open);
        const part = new DOMParser().parseFromString(await response.text(), "text/html");
        $("lists").replaceChildren(...part.body.childNodes);
        [...$("lists").querySelectorAll("details")].forEach((item, n) => (item.open = open[n] ?? false));
        if (focused) $("lists").querySelector(`a[href="${focused}"]`)?.focus();
      }
      if (caseId) await refreshLines();
    } catch {
      // The stream tells of a lost connection, and everything is fetched again when it is back.
    }
    refreshing = false;
    if (again) {
      again = false;
      refresh();
    }
  }

  const stream = new EventSource("/desk/events");
  function showLive(live) {
    $("live").textContent = live ? $("live").dataset.on : $("live").dataset.off;
    $("live").classList.toggle("good", live);
    $("live").classList.toggle("off", !live);
  }
  stream.addEventListener("open", () => showLive(true));
  stream.addEventListener("error", () => showLive(false));
  stream.addEventListener("change", (event) => {
    tell(JSON.parse(event.data));
    refresh();
  });

  const form = $("reply");
  if (form) {
    const field = $("reply-text");
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (!field.value.trim() || form.dataset.sending) return;
      form.dataset.sending = "1";
      $("reply-error").textContent = "";
      try {
        const response = await fetch(form.action, {
          method: "POST",
          headers: { "X-CSRF-Token": token, "X-Desk": "1" },
          body: new URLSearchParams(new FormData(form)),
          redirect: "error",
        });
        if (response.ok) {
          field.value = "";
          form.elements.key.value = newKey();
          refresh();
        } else {
          $("reply-error").textContent = response.status === 409 ? await response.text() : document.body.dataset.offline;
        }
      } catch {
        // The key stays: pressing again sends the same text once.
        $("reply-error").textContent = document.body.dataset.offline;
      }
      delete form.dataset.sending;
      field.focus();
    });
    field.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !event.isComposing) form.requestSubmit();
    });
    $("canned")?.addEventListener("change", () => {
      if (!$("canned").value) return;
      field.value = field.value ? `${field.value}\n${$("canned").value}` : $("canned").value;
      $("canned").value = "";
      field.focus();
    });
    field.focus();
  }
  document.addEventListener("keydown", (event) => {
    if (event.altKey && event.code === "KeyN") {
      event.preventDefault();
      $("next").requestSubmit();
    }
  });

  showSound();
  const talk = $("talk");
  if (talk) talk.scrollTop = talk.scrollHeight;
  document.documentElement.dataset.ready = "true";
})();
