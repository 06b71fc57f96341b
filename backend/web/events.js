// A task's story, read with fetch: EventSource sends no key.

import { Problem, send, Unreachable } from "./api.js";
import { back } from "./connection.js";
import { parse } from "./json.js";

const FIRST_WAIT = 500;
const LONGEST_WAIT = 8000;
export const ENDS = new Set(["done", "failed", "cancelled"]);

/**
 * Tell each event until the task has ended: `onEvent(kind, data)`. A stream that breaks off is
 * taken up where it was. Resolves where it is over: true where the end was told.
 */
export async function follow(taskId, onEvent, signal) {
  let after = "";
  let wait = FIRST_WAIT;
  while (!signal.aborted) {
    try {
      for await (const { event, id, data } of events(taskId, after, signal)) {
        after = id || after;
        wait = FIRST_WAIT;
        onEvent(event, data);
        if (isOver(event, data)) return true;
      }
    } catch (error) {
      if (signal.aborted || (error instanceof Problem && error.status < 500)) return false;
      if (!(error instanceof Problem || error instanceof Unreachable || isBroken(error))) throw error;
    }
    await back();
    await new Promise((done) => setTimeout(done, wait));
    wait = Math.min(wait * 2, LONGEST_WAIT);
  }
  return false;
}

/** The last word has the whole task; an end that somebody's retry undid has not. */
export const isOver = (event, data) => ENDS.has(event) && "mode" in data;

const isBroken = (error) => error instanceof TypeError || error.name === "AbortError";

async function* events(taskId, after, signal) {
  const headers = after ? { "Last-Event-ID": after } : {};
  const reply = await send("GET", `tasks/${taskId}/events`, { headers, signal });
  const reader = reply.body.pipeThrough(new TextDecoderStream()).getReader();
  let text = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (text + value).split("\n\n");
    text = blocks.pop();
    yield* blocks.map(eventOf).filter((each) => each.data !== undefined);
  }
}

/** One block of lines, as the HTML standard's server-sent events have it. */
function eventOf(block) {
  const found = {};
  for (const line of block.split("\n")) {
    const [, name, value] = /^(\w+): ?(.*)$/.exec(line) ?? [];
    if (name) found[name] = name === "data" ? parse(value) : value;
  }
  return found;
}
