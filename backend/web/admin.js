// What only an admin's key sees: keys and their limits, and webhooks that nobody heard.

import { announce } from "./announce.js";
import { ask, get, Problem, Unreachable } from "./api.js";
import { button, byId, element, fill } from "./element.js";
import { isAdmin, keysAreOn } from "./keys.js";
import { moment } from "./words.js";

const SURE = ": sure?";
const BOUNDS = {
  requests_per_minute: "requests/minute",
  concurrent_tasks: "at once",
  tasks_per_day: "a day",
};

/** Ask for all of it, and show it; nothing for whoever is no admin. */
export async function showAdmin() {
  byId("admin").hidden = !isAdmin();
  if (!isAdmin()) return;
  await tried(async () => {
    await showDrain();
    const [{ keys }, { deliveries }] = await Promise.all([
      get("keys"),
      get("webhooks/deliveries?state=failed&limit=50"),
    ]);
    redraw("keys", keys.length ? table("API keys", KEY_COLUMNS, keys.map(keyRow)) : none(noKeys()));
    const rows = deliveries.map(deliveryRow);
    const told = rows.length ? table("Undelivered webhooks", DELIVERY_COLUMNS, rows) : none("None.");
    redraw("deliveries", told);
  });
}

/** Draining, or going on. */
async function showDrain() {
  const { checks = [] } = await get("readyz");
  const drains = checks.some(({ check, ok }) => check === "draining" && !ok);
  const end = () => change("DELETE", "drain", "It takes tasks again.");
  const begin = () => change("POST", "drain", "It is drained: what runs may end.");
  const act = drains ? button("Go on", end, "main") : twice("Drain", "Drain the queue", begin);
  const words = drains
    ? "Nothing more is taken out of the queue until it is to go on. New tasks are kept and wait."
    : "Take nothing more out of the queue and let what runs end, before the pod is stopped.";
  redraw("drain", element("p", { class: "help" }, words), act);
}

/** Other content of a section; the focus stays on the button of the same name, or goes to the heading. */
function redraw(id, ...children) {
  const section = byId(id);
  const held = section.contains(document.activeElement) && nameOf(document.activeElement);
  fill(section, ...children);
  if (held === false) return;
  const alike = [...section.querySelectorAll("button")].find((each) => nameOf(each) === held);
  (alike ?? section.previousElementSibling).focus();
}

const nameOf = (button) => (button.ariaLabel ?? button.textContent).replace(SURE, "");

const KEY_COLUMNS = ["Name", "Scopes", "Limits", "State", ""];
const DELIVERY_COLUMNS = ["When", "Event", "To", "Why", ""];

function noKeys() {
  const how = "Make one on the server: python -m backend.keys create NAME.";
  return keysAreOn() ? how : `There are no keys: everybody who reaches this API may use it. ${how}`;
}

function keyRow(key) {
  const limits = Object.entries(BOUNDS).filter(([name]) => key.bounds[name] !== null);
  const told = limits.map(([name, words]) => `${key.bounds[name]} ${words}`).join(", ") || "none";
  const until = key.expires_at ? `${key.state}, until ${moment(key.expires_at)}` : key.state;
  const revoke = () => change("DELETE", `keys/${key.id}`, `${key.name} is revoked.`);
  const act = key.state === "valid" && twice("Revoke", `Revoke ${key.name}`, revoke);
  return [key.name, key.scopes.join(", "), told, until, act];
}

function deliveryRow(each) {
  const again = () => change("POST", `webhooks/deliveries/${each.id}/redeliver`, "It is sent again.");
  const label = { "aria-label": `Send again to ${each.url}` };
  return [
    moment(each.created_at),
    each.event,
    each.url,
    each.error ?? `status ${each.status}`,
    button("Send again", again, "quiet", label),
  ];
}

/** A button that has to be pressed twice. */
function twice(word, label, action) {
  const made = button(word, () => {
    if (made.textContent !== word) return action();
    made.textContent = "Sure?";
    made.setAttribute("aria-label", label + SURE);
    return undefined;
  }, "quiet", { "aria-label": label });
  return made;
}

async function change(method, path, words) {
  await tried(async () => {
    await ask(method, path);
    announce(words);
    await showAdmin();
  });
}

async function tried(work) {
  try {
    await work();
    byId("admin-problem").textContent = "";
  } catch (error) {
    if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
    byId("admin-problem").textContent = error.message;
  }
}

function table(caption, columns, rows) {
  const heads = columns.map((name) =>
    name ? element("th", { scope: "col" }, name) : element("td", {}),
  );
  const line = (cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell)));
  return element(
    "div",
    { class: "table", tabIndex: 0, role: "region", "aria-label": caption },
    element(
      "table",
      {},
      element("caption", { class: "unseen" }, caption),
      element("thead", {}, element("tr", {}, ...heads)),
      element("tbody", {}, ...rows.map(line)),
    ),
  );
}

const none = (words) => element("p", { class: "help" }, words);
