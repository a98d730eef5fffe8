// The two buttons beside the text box: share the position, send a photo.

import { t } from "/static/i18n.js";

const $ = (id) => document.getElementById(id);
const OPTIONS = { enableHighAccuracy: true, timeout: 15_000, maximumAge: 60_000 };

function busy(control, key) {
  control.setAttribute("aria-busy", String(Boolean(key)));
  control.disabled = Boolean(key);
  $("problem").textContent = key ? t(key) : "";
}

function sharePosition(send) {
  const control = $("position");
  busy(control, "positionWait");
  const done = ({ coords }) => {
    busy(control, null);
    const location = { lat: Number(coords.latitude.toFixed(6)), lon: Number(coords.longitude.toFixed(6)) };
    send(`📍 ${location.lat.toFixed(5)}, ${location.lon.toFixed(5)}`, { location });
  };
  const failed = (error) => {
    busy(control, null);
    $("problem").textContent = t(error?.code === 1 ? "positionDenied" : "positionFailed");
  };
  navigator.geolocation.getCurrentPosition(done, failed, OPTIONS);
}

async function sendPhoto(line, send, language) {
  const [file] = $("file").files;
  $("file").value = "";
  if (!file) return;
  busy($("photo"), "photoWait");
  try {
    const { attachment_id } = await line.upload(file);
    busy($("photo"), null);
    send(t("photoSent"), { attachments: [attachment_id] });
  } catch (error) {
    busy($("photo"), null);
    $("problem").textContent = error.problem?.messages?.[language()] ?? t("problem");
  }
}

// `send(text, extra)` sends a message with what was attached.
export function attachments(line, send, language) {
  $("position").hidden = !("geolocation" in navigator) || !isSecureContext;
  $("position").addEventListener("click", () => sharePosition(send));
  $("photo").addEventListener("click", () => $("file").click());
  $("file").addEventListener("change", () => sendPhoto(line, send, language));
}
