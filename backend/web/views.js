// Which of the three views is shown: the one that the address names.

import { byId } from "./element.js";

const NAMES = ["create", "gallery", "status"];
const shown = new Map();

/** Call back each time that a view is shown. */
export function onShown(name, callback) {
  shown.set(name, callback);
}

export const current = () => NAMES.find((name) => `#${name}` === location.hash) ?? NAMES[0];

/** Show a view at once: whoever asks may put the focus into it. */
export function go(name) {
  if (current() === name) return show();
  history.pushState(null, "", `#${name}`);
  return enter();
}

function enter() {
  show();
  scrollTo(0, 0);
  byId(`${current()}-title`).focus({ preventScroll: true });
}

export function show() {
  const now = current();
  for (const name of NAMES) {
    byId(name).hidden = name !== now;
    const link = document.querySelector(`nav a[href="#${name}"]`);
    if (name === now) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  document.title = `${byId(now).dataset.title} – ComfyUI gateway`;
  shown.get(now)?.();
}

addEventListener("hashchange", enter);
