// What a screen reader is told.

import { byId } from "./element.js";

let last = 0;

/** Say it once others have been heard: politely. */
export function announce(text) {
  const place = byId("announcements");
  // A text that comes twice is only heard where something changes.
  place.textContent = last++ % 2 ? text : `${text}\u00a0`;
}
