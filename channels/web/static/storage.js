// What survives a reload of this tab. Closing the tab forgets it: library and kiosk machines are shared.

const PREFIX = "chengda.";
const memory = new Map();

export function load(key, fallback = null) {
  try {
    const value = sessionStorage.getItem(PREFIX + key);
    return value === null ? fallback : JSON.parse(value);
  } catch {
    return memory.get(key) ?? fallback;
  }
}

export function save(key, value) {
  memory.set(key, value);
  try {
    if (value === null || value === undefined) sessionStorage.removeItem(PREFIX + key);
    else sessionStorage.setItem(PREFIX + key, JSON.stringify(value));
  } catch {
    // A browser that blocks storage keeps the conversation until the page is left.
  }
}
