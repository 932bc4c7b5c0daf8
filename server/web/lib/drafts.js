// What was typed and not sent. It outlives a reload, a crash and the end of a session, and goes when it was sent.

const prefix = 'draft '

/** @param {string} key @returns {any} */
export function draft(key) {
  try {
    return JSON.parse(localStorage.getItem(prefix + key) ?? 'null')
  } catch {
    return null
  }
}

/** @param {string} key @param {any} value null: nothing is left to keep */
export function keep(key, value) {
  try {
    if (value === null) localStorage.removeItem(prefix + key)
    else localStorage.setItem(prefix + key, JSON.stringify(value))
  } catch { /* the browser keeps nothing; the text stays on the screen */ }
}

/** forget drops everything: another person signs in at this desk. */
export function forget() {
  for (const key of Object.keys(localStorage)) if (key.startsWith(prefix)) localStorage.removeItem(key)
}
