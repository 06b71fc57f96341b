// One of several values: a list, or, where it is long, a list that is searched.

import { element, fill } from "./element.js";
import { Field } from "./field.js";

const LONG = 12;

export function choiceField(name, rule, label) {
  return rule.enum.length > LONG ? searched(name, rule, label) : listed(name, rule, label);
}

function listed(name, rule, label) {
  const control = element("select");
  const known = [...rule.enum];
  return new Field(name, rule, label, {
    control,
    read: () => known[control.selectedIndex],
    write: (value) => {
      // A default that is not installed is shown as what it is: the check says so.
      if (value !== undefined && !known.includes(value)) known.unshift(value);
      fill(control, known.map((each) => element("option", {}, String(each))));
      control.selectedIndex = Math.max(known.indexOf(value), 0);
    },
  });
}

/** The ARIA Authoring Practices' editable combobox with a list. */
function searched(name, rule, label) {
  const list = element("ul", { role: "listbox", "aria-label": "Choices", hidden: true });
  list.id = `choices-${name}`;
  const control = element("input", {
    type: "text",
    role: "combobox",
    autocomplete: "off",
    spellcheck: false,
    "aria-expanded": "false",
    "aria-autocomplete": "list",
    "aria-controls": list.id,
  });
  const combo = new Combobox(control, list, rule.enum.map(String));
  const valueOf = (text) => rule.enum.find((each) => String(each) === text) ?? text;
  return new Field(name, rule, label, {
    control,
    around: element("div", { class: "combobox" }, control, list),
    hint: `${rule.enum.length} to choose from`,
    read: () => (control.value.trim() === "" ? undefined : valueOf(control.value.trim())),
    write: (value) => {
      control.value = value ?? "";
      combo.close();
    },
  });
}

class Combobox {
  constructor(control, list, choices) {
    Object.assign(this, { control, list, choices, active: -1, found: [] });
    control.addEventListener("click", () => {
      if (list.hidden) control.select();
      this.open("");
    });
    control.addEventListener("input", (event) => event.isTrusted && this.open(control.value));
    control.addEventListener("keydown", (event) => this.pressed(event));
    control.addEventListener("blur", () => this.close());
    list.addEventListener("pointerdown", (event) => event.preventDefault());
    list.addEventListener("click", (event) => this.take(event.target.closest("li")?.textContent));
  }

  open(typed) {
    const words = typed.toLowerCase().split(/\s+/);
    const has = (choice) => words.every((word) => choice.toLowerCase().includes(word));
    this.found = this.choices.filter(has);
    const option = (text, number) =>
      element("li", { role: "option", id: `${this.list.id}-${number}`, "aria-selected": "false" }, text);
    fill(this.list, this.found.map(option));
    this.list.hidden = this.found.length === 0;
    this.control.setAttribute("aria-expanded", String(!this.list.hidden));
    this.mark(typed ? 0 : this.found.indexOf(this.control.value));
  }

  close() {
    this.list.hidden = true;
    this.control.setAttribute("aria-expanded", "false");
    this.control.removeAttribute("aria-activedescendant");
  }

  mark(number) {
    const options = [...this.list.children];
    options[this.active]?.setAttribute("aria-selected", "false");
    this.active = options.length ? Math.min(Math.max(number, -1), options.length - 1) : -1;
    const marked = options[this.active];
    if (!marked) return this.control.removeAttribute("aria-activedescendant");
    marked.setAttribute("aria-selected", "true");
    marked.scrollIntoView({ block: "nearest" });
    this.control.setAttribute("aria-activedescendant", marked.id);
  }

  take(text) {
    if (text === undefined) return;
    this.control.value = text;
    this.close();
    this.control.dispatchEvent(new Event("input"));
    this.control.dispatchEvent(new Event("change"));
  }

  pressed(event) {
    const isOpen = !this.list.hidden;
    const moves = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 };
    if (event.key in moves) {
      event.preventDefault();
      if (isOpen) this.mark(Math.max(this.active + moves[event.key], 0));
      else this.open("");
    } else if (event.key === "Enter" && isOpen && this.active >= 0) {
      event.preventDefault();
      this.take(this.found[this.active]);
    } else if (event.key === "Escape" && isOpen) {
      event.preventDefault();
      this.close();
    }
  }
}
