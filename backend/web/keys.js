// Asking for the API key, and whether whoever uses the page is an admin.

import { get, hasKey, onRefused, Problem, Unreachable, useKey } from "./api.js";
import { back } from "./connection.js";
import { byId } from "./element.js";

const AGAIN = 5; // Seconds.
const SENDABLE = /^[\x21-\x7e]+$/;
const UNSENDABLE = "A key has letters, digits and signs, and no spaces.";

let standing = { keys: "off", granted: true, name: null, scopes: [] };
let opened = () => {};

export const access = () => standing;
export const isAdmin = () => standing.granted && standing.scopes.includes("admin");
export const keysAreOn = () => standing.keys === "on";

/** Call back each time that somebody has got in with a key. */
export function onOpened(callback) {
  opened = callback;
}

/** Wait until the API lets the user in. */
export async function letIn() {
  standing = await asked();
  if (standing.granted) return;
  await prompted(hasKey() ? standing.detail : "");
}

/** How the user stands, as soon as the API can tell. */
async function asked() {
  for (;;) {
    try {
      return await get("access");
    } catch (error) {
      if (!(error instanceof Problem || error instanceof Unreachable)) throw error;
      byId("status-line").textContent = error.message;
      if (error instanceof Unreachable) await back();
      else await new Promise((done) => setTimeout(done, (error.retryAfter || AGAIN) * 1000));
    }
  }
}

/** Forget the key, and ask for another. */
export async function forgetKey() {
  useKey("");
  sessionStorage.clear(); // With what was asked for: the next one at this tab is somebody else.
  location.reload();
}

function prompted(problem) {
  const dialog = byId("key-dialog");
  if (!dialog.open) dialog.showModal();
  // Escape closes it, whatever one does: without a key there is nothing behind it.
  dialog.onclose = () => standing.granted || dialog.showModal();
  told(problem);
  return new Promise((done) => {
    byId("key-form").onsubmit = async (event) => {
      event.preventDefault();
      if (!(await tried(byId("key").value.trim()))) return;
      byId("key").value = "";
      byId("key-error").textContent = "";
      dialog.close();
      done();
    };
  });
}

async function tried(secret) {
  if (!SENDABLE.test(secret)) return told(UNSENDABLE);
  useKey(secret);
  try {
    standing = await get("access");
  } catch (error) {
    useKey("");
    return told(error.message);
  }
  if (standing.granted) return true;
  useKey("");
  return told(standing.detail);
}

function told(problem) {
  byId("key-error").textContent = problem;
  byId("key").setAttribute("aria-invalid", String(problem !== ""));
  byId("key").focus();
  return false;
}

onRefused(async (problem) => {
  if (byId("key-dialog").open) return;
  standing = { ...standing, keys: "on", granted: false };
  await prompted(problem.code === "api_key_missing" ? "" : problem.message);
  opened();
});
