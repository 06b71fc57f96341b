// What a tab keeps of what one typed, until it is closed.

/** Keep it, where there is room: it is a help, and no more. */
export function keep(name, text) {
  try {
    sessionStorage.setItem(name, text);
  } catch {
    sessionStorage.removeItem(name);
  }
}

export const kept = (name) => sessionStorage.getItem(name);
