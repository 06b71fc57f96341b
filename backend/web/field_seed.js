// Seeds: drawn by the API for each task, or kept.

import { check, numberOf } from "./check.js";
import { element, fill, icon, iconButton } from "./element.js";
import { Field } from "./field.js";

const DRAWN_BELOW = 2 ** 53;

class SeedField extends Field {
  wrong() {
    const text = this.control.value.trim();
    return text === "" ? "" : check(this.name, this.rule, numberOf(text), text);
  }
}

export function seedField(name, rule, label) {
  const control = element("input", {
    type: "text",
    inputmode: "numeric",
    placeholder: "a new one each time",
    autocomplete: "off",
  });
  const most = Math.min(Number(rule.maximum ?? DRAWN_BELOW), DRAWN_BELOW);
  const dice = iconButton("dice", `Draw a ${label.toLowerCase()}`, () => put(drawn(most)));
  const lock = iconButton("unlock", `Keep this ${label.toLowerCase()}`, () => {
    put(control.value.trim() === "" ? drawn(most) : "");
  });

  function put(value) {
    control.value = value;
    control.dispatchEvent(new Event("input"));
    control.dispatchEvent(new Event("change"));
  }
  function show() {
    const kept = control.value.trim() !== "";
    lock.setAttribute("aria-pressed", String(kept));
    fill(lock, icon(kept ? "lock" : "unlock"));
  }
  control.addEventListener("input", show);
  show();
  return new SeedField(name, { ...rule, default: undefined }, label, {
    control,
    around: element("div", { class: "seed" }, control, dice, lock),
    read: () => numberOf(control.value),
    write: (value) => {
      control.value = value === undefined || value === -1 ? "" : String(value);
      show();
    },
  });
}

function drawn(below) {
  const [high, low] = crypto.getRandomValues(new Uint32Array(2));
  return String(Math.floor(((high * 2 ** 21 + (low >>> 11)) / 2 ** 53) * below));
}
