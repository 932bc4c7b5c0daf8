// The keyboard. Each screen says what its keys do; `?` shows them.

import { h, typing } from './view.js'
import { t } from './words.js'

/**
 * @typedef {{key: string, word: string, run: () => void, repeat?: boolean}} Key key as in KeyboardEvent.key, word names it in words.js
 */

/** @type {Key[][]} */
const layers = []
/** places are where `g` and a letter lead, from every screen. @type {Key[]} */
let places = []
let going = 0 // until when a letter behind `g` counts, in ms

/** @param {Key[]} keys */
export const leads = (keys) => { places = keys }

/**
 * push lets keys count until the function that it gives is called. The keys of the layer above hide all those below: in a photo no key
 * decides anything about the report under it.
 * @param {Key[]} keys
 */
export function push(keys) {
  layers.push(keys)
  return () => { const at = layers.indexOf(keys); if (at >= 0) layers.splice(at, 1) }
}

document.addEventListener('keydown', (e) => {
  if (e.ctrlKey || e.metaKey || e.altKey || e.isComposing) return
  if (typing(e.target)) { // letters are text here, and Escape leaves the field, not the screen
    if (e.key === 'Escape' && !document.querySelector('dialog[open]')) /** @type {HTMLElement} */ (e.target).blur()
    return
  }
  if (e.key === '?') { e.preventDefault(); help(); return }
  if (!document.querySelector('dialog[open]')) { // over a screen nothing leads away
    const place = e.timeStamp < going && places.find((k) => k.key === e.key)
    going = e.key === 'g' && !e.repeat ? e.timeStamp + 1500 : 0
    if (place || going) {
      e.preventDefault()
      if (place) place.run()
      return
    }
  }
  const hit = layers.at(-1)?.find((k) => k.key === e.key)
  if (!hit || (e.repeat && !hit.repeat)) return
  if (e.target instanceof HTMLElement && e.target.closest('button, a, summary') && (e.key === 'Enter' || e.key === ' ')) return
  e.preventDefault()
  hit.run()
})

const names = /** @type {Record<string, string>} */ ({ ArrowLeft: '←', ArrowRight: '→', ArrowUp: '↑', ArrowDown: '↓', ' ': '␣', Escape: 'Esc' })

/** @param {string} key */
export const cap = (key) => h('kbd', {}, names[key] ?? key)

function help() {
  const dialog = /** @type {HTMLDialogElement} */ (h('dialog', { class: 'help', 'aria-label': t('keys') },
    h('h2', {}, t('keys')),
    h('dl', {}, (layers.at(-1) ?? []).map((k) => [h('dt', {}, cap(k.key)), h('dd', {}, t(k.word))]),
      !document.querySelector('dialog[open]') && places.map((k) => [h('dt', {}, cap('g'), cap(k.key)), h('dd', {}, t(k.word))])),
    h('form', { method: 'dialog' }, h('button', { class: 'plain' }, t('close')))))
  const off = push([])
  dialog.addEventListener('close', () => { off(); dialog.remove() })
  document.body.append(dialog)
  dialog.showModal()
}
