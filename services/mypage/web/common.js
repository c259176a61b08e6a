// What both pages need: calling the API, saying what went wrong, and the words for the states.

const words = {
  REQUESTED: "Requested", REJECTED: "Rejected", PLACED: "Placed", COOKING: "Cooking", DELIVERING: "On its way",
  DELIVERED: "Delivered", DELIVERY_FAILED: "Delivery failed", CANCELLED: "Cancelled",
};
const reasons = {
  CUSTOMER: "as you asked", OUT_OF_STOCK: "the kitchen has run out of it", UNKNOWN_MENU: "the kitchen does not know this dish",
  KITCHEN: "by the kitchen",
};
const bad = ["REJECTED", "DELIVERY_FAILED", "CANCELLED"];

export const final = (status) => status === "DELIVERED" || bad.includes(status);
export const reason = (code) => (code ? reasons[code] ?? code : "");

/** Shows a status in an element. */
export function badge(element, status) {
  element.textContent = words[status] ?? status;
  element.classList.add("badge");
  element.classList.toggle("good", status === "DELIVERED");
  element.classList.toggle("bad", bad.includes(status));
  return element;
}

/** A time of the API in the reader's own way. */
export const when = (time) =>
  time ? new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" }).format(new Date(time)) : "";

/** A new element with text. */
export function element(name, text = "", className = "") {
  const made = document.createElement(name);
  made.textContent = text;
  made.className = className;
  return made;
}

/** Tells the reader something, or clears it. */
export function say(text, error = false) {
  const message = document.getElementById("message");
  message.textContent = text;
  message.classList.toggle("error", error);
  message.hidden = !text;
}

/** An idempotency key. (`randomUUID` exists on secure origins only.) */
export const newKey = () =>
  Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

/**
 * Calls the API and returns the JSON; throws an Error with the problem's own sentence.
 * "Not confirmed" (no answer, 503, 504) is tried again a few times: every call made here is safe to repeat.
 */
export async function call(path, options = {}) {
  for (let attempt = 1; ; attempt += 1) {
    let response;
    try {
      response = await fetch(path, { ...options, headers: { accept: "application/json", ...options.headers } });
    } catch {
      if (attempt < 4) { await pause(500 * attempt); continue; }
      throw new Error("The platform cannot be reached. Please try again.");
    }
    if ([503, 504].includes(response.status) && attempt < 4) {
      await pause(1000 * Math.min(Number(response.headers.get("retry-after")) || 1, 5));
      continue;
    }
    const body = await response.json().catch(() => ({}));
    if (response.ok) return { status: response.status, body };
    const fields = (body.errors ?? []).map((e) => `${e.field ?? e.pointer ?? ""} ${e.detail ?? e.message ?? ""}`.trim());
    const sentence = [body.detail ?? body.title ?? `The platform answered ${response.status}.`, ...fields].join(" ");
    throw Object.assign(new Error(sentence), { status: response.status });
  }
}
