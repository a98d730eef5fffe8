// The one-line embed: <script src="https://host/widget.js" data-lang="zh" async></script>
// A labelled launcher opens the chat page in a frame. Its looks live in a shadow tree, out of reach of the
// host page's styles; the host page gains one element and no global name.
(() => {
  const script = document.currentScript;
  const origin = new URL(script.src, location.href).origin;
  const wanted = script.dataset.lang || document.documentElement.lang || navigator.language || "zh";
  const chinese = /^zh\b/i.test(wanted);
  const words = chinese
    ? { open: "城市助手", label: "打开城市助手对话窗口", close: "关闭城市助手对话窗口", title: "城市助手对话" }
    : { open: "Ask the city", label: "Open the city assistant chat", close: "Close the city assistant chat", title: "City assistant chat" };

  const STYLE = `
    :host { all: initial !important; position: fixed !important; z-index: 2147483000 !important; inset: auto 0 0 auto !important; display: block !important; }
    * { box-sizing: border-box; }
    .launcher { position: fixed; right: max(20px, env(safe-area-inset-right)); bottom: max(20px, env(safe-area-inset-bottom));
      display: inline-flex; align-items: center; gap: 8px; min-height: 52px; padding: 0 20px 0 14px; border: 0; border-radius: 26px;
      background: #0b5563; color: #fff; cursor: pointer; box-shadow: 0 4px 18px rgb(8 40 48 / 32%);
      font: 600 16px/1 system-ui, -apple-system, "PingFang SC", "Noto Sans CJK SC", "Microsoft YaHei", sans-serif; }
    .launcher:hover { background: #084450; }
    .launcher:focus-visible { outline: 3px solid #fff; outline-offset: -5px; box-shadow: 0 0 0 3px #1a62c6; }
    svg { width: 26px; height: 26px; fill: none; stroke: currentColor; stroke-width: 1.8; stroke-linecap: round; stroke-linejoin: round; }
    .panel { position: fixed; right: 20px; bottom: 84px; width: min(400px, calc(100vw - 40px)); height: min(660px, calc(100dvh - 104px));
      border-radius: 16px; overflow: hidden; background: #f3f6f5; box-shadow: 0 10px 40px rgb(8 40 48 / 35%); }
    .panel[hidden] { display: none; }
    iframe { display: block; width: 100%; height: 100%; border: 0; }
    @media (max-width: 480px), (max-height: 480px) {
      .panel { inset: 0; width: 100vw; height: 100dvh; border-radius: 0; }
      .panel:not([hidden]) + .launcher { display: none; }
    }
    @media print { :host { display: none !important; } }
  `;

  function element(name, attributes = {}, ...children) {
    const made = document.createElement(name);
    for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
    made.append(...children);
    return made;
  }

  function bubble() {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
    path.setAttribute("d", "M4 5.500h16v11h-8.500L7 20v-3.500H4zM8 9.500h8M8 12.800h5");
    svg.append(path);
    return svg;
  }

  function mount() {
    const host = element("div", { "data-chengda": "", lang: chinese ? "zh-CN" : "en" });
    const root = host.attachShadow({ mode: "open" });
    const sheet = new CSSStyleSheet();
    sheet.replaceSync(STYLE);
    root.adoptedStyleSheets = [sheet];

    const panel = element("div", { class: "panel", id: "panel", role: "dialog", "aria-label": words.title });
    panel.hidden = true;
    const launcher = element(
      "button",
      { class: "launcher", type: "button", "aria-expanded": "false", "aria-controls": "panel", "aria-haspopup": "dialog" },
      bubble(),
      element("span", {}, words.open),
    );
    launcher.setAttribute("aria-label", words.label);
    root.append(panel, launcher);
    document.body.append(host);

    let frame = null;
    const focusInside = () => {
      frame.focus();
      frame.contentWindow?.postMessage({ type: "chengda:open" }, origin);
    };
    const isOpen = () => !panel.hidden;

    function open() {
      panel.hidden = false;
      launcher.setAttribute("aria-expanded", "true");
      launcher.setAttribute("aria-label", words.close);
      if (frame) return focusInside();
      // Loaded on the first opening only: a page that nobody asks from costs nothing.
      frame = element("iframe", { title: words.title, src: `${origin}/?embed=1&lang=${chinese ? "zh" : "en"}` });
      frame.addEventListener("load", () => isOpen() && setTimeout(focusInside, 50));
      panel.append(frame);
    }

    function close() {
      panel.hidden = true;
      launcher.setAttribute("aria-expanded", "false");
      launcher.setAttribute("aria-label", words.label);
      launcher.focus();
    }

    launcher.addEventListener("click", () => (isOpen() ? close() : open()));
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && isOpen() && !event.isComposing) close();
    });
    addEventListener("message", (event) => {
      if (frame && event.source === frame.contentWindow && event.origin === origin && event.data?.type === "chengda:close") close();
    });
  }

  if (document.body) mount();
  else addEventListener("DOMContentLoaded", mount, { once: true });
})();
