// Requests to the public API. The key, where there is one, goes into a header and nowhere else.

import { found, isOurs, lost } from "./connection.js";
import { parse, stringify } from "./json.js";

const BASE = new URL(".", document.baseURI);
const KEPT = "api-key";
const POLICY = /q=(\d+);w=(\d+)/;

let key = sessionStorage.getItem(KEPT) ?? "";
let ahead = 0;
let pause = 0;
let refused = () => {};

/** An error of the API, in its own words. */
export class Problem extends Error {
  constructor(status, body, retryAfter) {
    const several = Array.isArray(body.detail);
    super(several ? body.detail.map(sentence).join(" ") : String(body.detail ?? status));
    this.status = status;
    this.code = body.code ?? "";
    this.parameter = body.parameter ?? (several ? place(body.detail[0]) : null);
    this.hint = body.hint ?? null;
    this.retryAfter = retryAfter;
  }
}

/** Nobody answered. */
export class Unreachable extends Error {
  constructor() {
    super("The server does not answer. Trying again.");
  }
}

export const hasKey = () => key !== "";

export function useKey(secret) {
  key = secret;
  if (secret) sessionStorage.setItem(KEPT, secret);
  else sessionStorage.removeItem(KEPT);
}

/** Call back where the API asks for a key, or does not take this one. */
export function onRefused(callback) {
  refused = callback;
}

/** The server's clock, in milliseconds since the epoch. */
export const serverNow = () => Date.now() + ahead;

/** Milliseconds between looks, so that they take a part of what a limit allows. */
export const atLeast = (milliseconds) => Math.max(milliseconds, pause);

export const at = (path) => new URL(path.replace(/^\/+/, ""), BASE);

/** The answer, where it is a good one. Throws Problem, Unreachable. */
export async function send(method, path, { json, body, headers = {}, signal } = {}) {
  const sent = new Headers(headers);
  if (key) sent.set("Authorization", `Bearer ${key}`);
  if (json !== undefined) sent.set("Content-Type", "application/json");
  const content = json === undefined ? body : stringify(json);
  let reply;
  try {
    reply = await fetch(at(path), { method, headers: sent, body: content, signal });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw unreachable();
  }
  if (!isOurs(reply)) throw unreachable();
  found();
  note(reply.headers);
  if (reply.ok || reply.status === 503) return checked(reply, path);
  throw await problemOf(reply);
}

async function checked(reply, path) {
  // What is not ready says why, as an answer like any other.
  if (reply.ok || path === "readyz") return reply;
  throw await problemOf(reply);
}

async function problemOf(reply) {
  const body = await reply.json().catch(() => ({ detail: `The server answered ${reply.status}.` }));
  const problem = new Problem(reply.status, body, Number(reply.headers.get("Retry-After")) || 0);
  if (reply.status === 401) refused(problem);
  return problem;
}

function note(headers) {
  const date = Date.parse(headers.get("Date") ?? "");
  if (date && Math.abs(date - Date.now()) > 2000) ahead = date - Date.now();
  const [, quota, window] = POLICY.exec(headers.get("RateLimit-Policy") ?? "") ?? [];
  pause = quota ? (window / quota) * 8000 : 0;
}

function unreachable() {
  lost();
  return new Unreachable();
}

/** A whole body, as `text` or `blob`. Throws Unreachable where it breaks off. */
export async function read(reply, as) {
  try {
    return await reply[as]();
  } catch {
    throw unreachable();
  }
}

export async function ask(method, path, options) {
  return parse(await read(await send(method, path, options), "text"));
}

export const get = (path, options) => ask("GET", path, options);

function sentence({ loc = [], msg }) {
  return `${loc.slice(1).join(".")}: ${msg}.`;
}

function place({ loc = [] }) {
  return loc[1] === "extra_params" ? loc[2] : loc[1];
}
