// Making elements. Text is only ever text: nothing here reads HTML.

const SVG = "http://www.w3.org/2000/svg";
const ICONS = {
  close: "M6 6l12 12M18 6L6 18",
  left: "M15 5l-7 7 7 7",
  right: "M9 5l7 7-7 7",
  plus: "M12 5v14M5 12h14",
  minus: "M5 12h14",
  dice: "M5 5h14v14H5zM9 9h.01M15 9h.01M12 12h.01M9 15h.01M15 15h.01",
  lock: "M6 11h12v9H6zM9 11V8a3 3 0 0 1 6 0v3",
  unlock: "M6 11h12v9H6zM9 11V8a3 3 0 0 1 5.8-1",
  swap: "M8 4v16l-4-4M16 20V4l4 4",
  image: "M4 5h16v14H4zM4 16l5-5 4 4 3-3 4 4M15.5 9h.01",
  play: "M8 5v14l11-7z",
  sound: "M5 10v4h3l4 4V6l-4 4zM16 9a4 4 0 0 1 0 6",
  check: "M5 13l4 4L19 7",
};

/** An element with properties, `on…` listeners and children; null and false are left out. */
export function element(name, properties = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") made.addEventListener(key.slice(2), value);
    else if (typeof value !== "string" && key in made) made[key] = value;
    else made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...present(children.flat()));
  return made;
}

/** Put other children in. */
export function fill(parent, ...children) {
  parent.replaceChildren(...present(children.flat()));
  return parent;
}

function present(children) {
  return children.filter((each) => each !== null && each !== undefined && each !== false);
}

/** A drawing that says nothing by itself: its button has a name. */
export function icon(name) {
  const drawing = document.createElementNS(SVG, "svg");
  drawing.setAttribute("viewBox", "0 0 24 24");
  drawing.setAttribute("class", "icon");
  drawing.setAttribute("aria-hidden", "true");
  const path = document.createElementNS(SVG, "path");
  path.setAttribute("d", ICONS[name]);
  drawing.append(path);
  return drawing;
}

/** A button. `quiet`, `main`, `danger` are looks. */
export function button(label, onclick, look = "quiet", properties = {}) {
  return element("button", { type: "button", class: look, onclick, ...properties }, label);
}

/** A button that shows a drawing, and is called `label`. */
export function iconButton(drawing, label, onclick, properties = {}) {
  const named = { "aria-label": label, title: label, ...properties };
  return button(icon(drawing), onclick, "icon-button", named);
}

export const byId = (id) => document.getElementById(id);
