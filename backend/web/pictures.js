// Files that tasks made: fetched with the key, shown as blobs, and let go when they are many.

import { read, send } from "./api.js";
import { onBack } from "./connection.js";

const MOST = 120;
const TRIES = 3;
const kept = new Map();

/** A URL for an `img` of this page. Throws Problem, Unreachable. */
export async function blobUrl(path) {
  const known = kept.get(path);
  kept.delete(path);
  const url = known ?? fetched(path);
  kept.set(path, url);
  url.catch(() => kept.delete(path));
  while (kept.size > MOST) letGo(kept.keys().next().value);
  return url;
}

export async function blobOf(path) {
  return read(await send("GET", path), "blob");
}

async function fetched(path) {
  return URL.createObjectURL(await blobOf(path));
}

async function letGo(path) {
  const url = kept.get(path);
  kept.delete(path);
  URL.revokeObjectURL(await url.catch(() => ""));
}

/** Show nothing more of a task that is deleted. */
export function forget({ outputs }) {
  const paths = outputs.flatMap(({ url }) => [url, `${url}/thumbnail`]);
  paths.filter((path) => kept.has(path)).forEach(letGo);
}

const seen = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) load(target);
    }
  },
  { rootMargin: "400px" },
);

/** Have an `img` show a file once it is about to be seen. */
export function showWhenSeen(image, path) {
  image.dataset.path = path;
  seen.observe(image);
}

async function load(image) {
  try {
    const url = await blobUrl(image.dataset.path);
    if (image.src !== url) image.src = url;
    await image.decode();
    image.classList.add("loaded");
  } catch (error) {
    if (error.status === 429) return setTimeout(() => load(image), error.retryAfter * 1000 || 5000);
    image.classList.add("broken");
  }
  return undefined;
}

// What could not be fetched while the server was away.
onBack(() => {
  for (const image of document.querySelectorAll("img.broken")) {
    const tries = Number(image.dataset.tries ?? 0) + 1;
    image.dataset.tries = String(tries);
    if (tries > TRIES) continue;
    image.classList.remove("broken");
    load(image);
  }
});
