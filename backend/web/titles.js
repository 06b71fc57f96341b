// What modes are called.

import { readable } from "./words.js";

const titles = new Map();

export function learn(modes) {
  modes.forEach(({ mode, title }) => titles.set(mode, title ?? readable(mode)));
}

export const titleOf = (mode) => titles.get(mode) ?? readable(mode);
