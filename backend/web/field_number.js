// Numbers, with bounds, steps, and a slider where they are few.

import { check, missing, numberOf } from "./check.js";
import { element } from "./element.js";
import { Field } from "./field.js";

const MOST_STEPS = 4096;

class NumberField extends Field {
  wrong() {
    const text = this.control.validity.badInput ? "that" : this.control.value;
    if (text === "") return this.required ? missing(this.name) : "";
    return check(this.name, this.rule, numberOf(text), text);
  }
}

export function numberField(name, rule, label) {
  const { minimum, maximum, multipleOf } = rule;
  const step = rule["x-step"] ?? multipleOf ?? (rule.type === "integer" ? 1 : "any");
  const bounds = { min: minimum, max: maximum, step };
  const control = element("input", {
    type: "number",
    inputmode: rule.type === "integer" ? "numeric" : "decimal",
    ...texts(bounds),
  });
  const few = step !== "any" && (maximum - minimum) / step <= MOST_STEPS;
  // The number says it all to who does not see the slider.
  const slider = few
    ? element("input", { type: "range", tabIndex: -1, "aria-hidden": "true", ...texts(bounds) })
    : null;
  slider?.addEventListener("input", () => {
    control.value = slider.value;
    control.dispatchEvent(new Event("input"));
    control.dispatchEvent(new Event("change"));
  });
  const follow = () => slider && (slider.value = control.value);
  control.addEventListener("input", follow);
  return new NumberField(name, rule, label, {
    control,
    around: element("div", { class: "number" }, slider, control),
    hint: few ? `${minimum} to ${maximum}` : "",
    read: () => numberOf(control.value),
    write: (value) => {
      control.value = value ?? "";
      follow();
    },
  });
}

function texts(bounds) {
  const known = Object.entries(bounds).filter(([, value]) => value !== undefined);
  return Object.fromEntries(known.map(([name, value]) => [name, String(value)]));
}
