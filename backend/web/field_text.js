// Texts, and yes or no.

import { element } from "./element.js";
import { Field } from "./field.js";

const LONG = /prompt|text|caption/;

export function textField(name, rule, label) {
  const isLong = LONG.test(name) || String(rule.default ?? "").length > 60;
  const control = isLong
    ? element("textarea", { rows: /negative/.test(name) ? 2 : 4, spellcheck: true })
    : element("input", { type: "text" });
  return new Field(name, rule, label, {
    control,
    read: () => control.value,
    write: (value) => (control.value = value ?? ""),
  });
}

export function yesField(name, rule, label) {
  const control = element("input", { type: "checkbox", class: "switch", role: "switch" });
  return new Field(name, rule, label, {
    control,
    read: () => control.checked,
    write: (value) => (control.checked = Boolean(value)),
  });
}
