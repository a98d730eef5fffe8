// A small, safe Markdown: paragraphs, lists, bold, links. It builds nodes and never parses HTML.

const SCHEMES = new Set(["http:", "https:", "tel:", "mailto:"]);
const INLINE = /\*\*([^*]+)\*\*|\[([^\]\n]+)\]\(([^\s)]+)\)|(https?:\/\/[^\s<>"'（）()，。；、！？》」”]+)/g;
const ITEM = /^\s*(?:[-*•·]|(\d{1,3})[.)、．])\s*(?=\S)(.*)$/;
const HEADING = /^#{1,6}\s+(.*)$/;

export function safeUrl(address) {
  try {
    const url = new URL(address, location.href);
    return SCHEMES.has(url.protocol) ? url.href : null;
  } catch {
    return null;
  }
}

export function link(address, text) {
  const href = safeUrl(address);
  if (!href) return document.createTextNode(text);
  const anchor = document.createElement("a");
  anchor.href = href;
  anchor.textContent = text;
  if (/^https?:/.test(href)) {
    anchor.target = "_blank";
    anchor.rel = "noopener noreferrer";
  }
  return anchor;
}

function inline(parent, text) {
  let end = 0;
  for (const match of text.matchAll(INLINE)) {
    parent.append(text.slice(end, match.index));
    if (match[1]) {
      const strong = document.createElement("strong");
      strong.textContent = match[1];
      parent.append(strong);
    } else if (match[2]) {
      parent.append(link(match[3], match[2]));
    } else {
      parent.append(link(match[4], match[4]));
    }
    end = match.index + match[0].length;
  }
  parent.append(text.slice(end));
  return parent;
}

function isItem(line) {
  const match = ITEM.exec(line);
  // "12路" or "3.5 yuan" at the start of a line is text, not a list.
  return match && (match[1] === undefined ? /^\s*[-*•·]\s/.test(line) : /^\s*\d+(?:[.)]\s|[、．])/.test(line)) ? match : null;
}

export function render(text) {
  const fragment = document.createDocumentFragment();
  let paragraph = null;
  let list = null;
  for (const line of text.split("\n")) {
    const item = isItem(line);
    const heading = HEADING.exec(line);
    if (!line.trim()) {
      paragraph = list = null;
    } else if (item) {
      const name = item[1] === undefined ? "UL" : "OL";
      if (list?.tagName !== name) {
        list = document.createElement(name);
        if (name === "OL" && item[1] !== "1") list.start = Number(item[1]);
        fragment.append(list);
      }
      list.append(inline(document.createElement("li"), item[2]));
      paragraph = null;
    } else if (heading) {
      const block = document.createElement("p");
      const strong = inline(document.createElement("strong"), heading[1].replaceAll("**", ""));
      block.append(strong);
      fragment.append(block);
      paragraph = list = null;
    } else {
      if (paragraph) paragraph.append(document.createElement("br"));
      else fragment.append((paragraph = document.createElement("p")));
      inline(paragraph, line.trim());
      list = null;
    }
  }
  return fragment;
}
