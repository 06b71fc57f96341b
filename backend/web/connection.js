// Whether the server answers: told to the user, looked after until it does again.

import { announce } from "./announce.js";
import { byId } from "./element.js";

const FIRST_WAIT = 1000;
const LONGEST_WAIT = 5000;
const heard = new Set();

let away = false;

/** Call back each time that the server is there again. */
export function onBack(callback) {
  heard.add(callback);
}

/** Wait until it is there; at once where it is. */
export function back() {
  return new Promise((done) => {
    if (!away) return done();
    const once = () => {
      heard.delete(once);
      done();
    };
    return heard.add(once);
  });
}

export const isAway = () => away;

/** Whether the server itself answered: a proxy before it has errors of its own, and no JSON. */
export function isOurs({ status, headers }) {
  return status < 500 || /\bjson\b/.test(headers.get("Content-Type") ?? "");
}

/** Something could not be sent. */
export function lost() {
  if (away) return;
  away = true;
  byId("connection").hidden = false;
  announce("The connection to the server is lost. Trying again.");
  look(FIRST_WAIT);
}

/** Something was answered. */
export function found() {
  if (!away) return;
  away = false;
  byId("connection").hidden = true;
  announce("Connected again.");
  heard.forEach((callback) => callback());
}

async function look(wait) {
  await new Promise((done) => setTimeout(done, wait));
  if (!away) return;
  const reply = await fetch("livez", { cache: "no-store" }).catch(() => null);
  if (reply && isOurs(reply)) found();
  else look(Math.min(wait * 1.5, LONGEST_WAIT));
}
