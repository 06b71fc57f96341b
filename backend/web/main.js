// The page, put together.

import { showAdmin } from "./admin.js";
import { Compare } from "./compare.js";
import { CopyAs } from "./copy_as.js";
import { Create } from "./create.js";
import { byId } from "./element.js";
import { Gallery } from "./gallery.js";
import { letIn, onOpened } from "./keys.js";
import { Latest } from "./latest.js";
import { itemsOf, kindOf } from "./outputs.js";
import { forget } from "./pictures.js";
import { again } from "./sent.js";
import { Status } from "./status.js";
import { Viewer } from "./viewer.js";
import { go, onShown, show } from "./views.js";
import { Watch } from "./watch.js";

const reuse = (task) => {
  go("create");
  create.use(again(task));
  byId("generate").focus();
};
const useAsInput = (blob, name) => {
  go("create");
  create.useImage(blob, name);
  byId("generate").focus();
};
const isImage = ({ task, number }) => number !== null && kindOf(task.outputs[number]) === "image";
/** `list` is what the item is one of: its neighbours are gone on to. */
const open = (item, list) => {
  if (compare.waits && isImage(item)) gallery.tried(() => compare.with(item));
  else viewer.open(item, list);
};

const create = new Create((task) => {
  watch.put(task);
  watch.show(task.task_id);
  status.soon();
});
const status = new Status(create);
const compare = new Compare();
const gallery = new Gallery({ onOpen: (number) => open(gallery.items[number], gallery) });
const openTask = (task) => open(itemsOf(task)[0], latest);
const latest = new Latest(openTask);
const viewer = new Viewer({
  onReuse: reuse,
  onInput: useAsInput,
  onRemoved: (task) => {
    [gallery, latest].forEach((list) => list.remove(task.task_id));
    watch.dismiss(task.task_id);
    forget(task);
  },
  onCompare: (item) => {
    go("gallery");
    compare.begin(item);
  },
});
const watch = new Watch({
  onEnded: (task) => {
    gallery.ended(task);
    latest.ended(task);
    status.soon();
  },
  onOpen: openTask,
  onReuse: reuse,
});
new CopyAs(create.form);

for (const dialog of document.querySelectorAll("dialog[data-closable]")) {
  dialog.querySelector("[data-close]").addEventListener("click", () => dialog.close());
  dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
}

// A file that misses its field would be opened in place of this page.
for (const kind of ["dragover", "drop"]) {
  document.addEventListener(kind, (event) => {
    if (event.defaultPrevented || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    event.dataTransfer.dropEffect = "none";
  });
}

async function begin() {
  await Promise.all([status.look(), watch.look(), latest.load()]);
  gallery.modes(create.modes);
  onShown("gallery", () => gallery.open());
  onShown("status", () => Promise.all([status.look(0), showAdmin()]));
  show();
}

// Whoever has come in may be somebody else: nothing of before is to be seen.
onOpened(() => location.reload());
show();
await letIn();
await begin();
