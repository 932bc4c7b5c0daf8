// Photos, one at a time over the whole screen. The arrows change the photo and decide nothing; the wheel zooms; zoom and place stay when the
// photo changes, and are the same on both sides of a pair.

import { push } from '../lib/keys.js'
import { h, show } from '../lib/view.js'
import { bytes, label, t, when } from '../lib/words.js'

/**
 * viewer shows photos from one on until it is closed.
 * @param {{photo: any, item: string}[]} list
 * @param {number} at
 * @param {any[]} points the photo points of the site, with the photo of the visit before
 */
export function viewer(list, at, points) {
  const seen = new Set()
  let paired = false
  let details = false
  const place = { scale: 1, x: 0, y: 0 } // x and y in pixels from the middle
  const stage = h('div', { class: 'stage' })
  const side = h('aside', { class: 'details' })
  const title = h('p', { class: 'caption', 'aria-live': 'polite' })
  const back = document.activeElement

  const previous = () => points.find((p) => p.current.some((/** @type {any} */ c) => c.id === now().photo.id))?.previous
  const now = () => /** @type {{photo: any, item: string}} */ (list[at])

  /** @param {any} photo @param {string} [word] */
  const picture = (photo, word) => h('figure', {},
    photo.fields.large ? h('img', { src: `/v1/photos/${photo.id}/large`, alt: photo.fields.caption ?? '', draggable: 'false' }) : h('p', {}, t('notHere')),
    word && h('figcaption', {}, t(word), ' ', when(photo.fields.takenAt)))

  const set = () => {
    stage.querySelectorAll('img').forEach((img) => { img.style.transform = `translate(${place.x}px, ${place.y}px) scale(${place.scale})` })
  }
  const draw = () => {
    seen.add(now().photo.id)
    const p = now().photo
    const then = paired ? previous() : null
    show(stage, then ? picture(then, 'thatVisit') : paired && h('figure', {}, h('p', {}, t('noPair'))), picture(p, paired ? 'thisVisit' : undefined))
    set()
    show(title, h('b', {}, p.fields.caption), ' ', now().item, h('small', {}, t('photoOf', at + 1, list.length), ' · ', t('seenOf', seen.size, list.length)))
    side.hidden = !details
    const f = p.fields
    const fact = (/** @type {string} */ word, /** @type {any} */ value) => value && [h('dt', {}, t(word)), h('dd', {}, value)]
    show(side, details && h('dl', { class: 'facts' },
      fact('takenAt', when(f.takenAt)), fact('receivedAt', f.receipt && when(f.receipt.receivedAt)), fact('point', points.find((x) => x.point === f.photoPoint)?.label),
      fact('how', f.capture && label('capture', f.capture)), fact('camera', [f.facts?.make, f.facts?.model].filter(Boolean).join(' ')),
      fact('size', f.size && `${bytes(f.size)}${f.facts?.width ? ` · ${f.facts.width} × ${f.facts.height}` : ''}`),
      fact('map', f.position && `${f.position.lat.toFixed(5)}, ${f.position.lon.toFixed(5)} ± ${t('metres', Math.round(f.position.accuracy ?? 0))}`),
      fact('receipt', f.receipt?.number), h('dt', {}, 'SHA-256'), h('dd', { class: 'hash' }, f.sha256)),
    details && h('p', {}, t('restsOn', p.restsOn?.findings ?? 0, p.restsOn?.links ?? 0, p.restsOn?.clues ?? 0)),
    details && f.facts?.tags && h('details', {}, h('summary', {}, 'EXIF'), h('dl', { class: 'facts' }, Object.entries(f.facts.tags).map(([k, v]) => [h('dt', {}, k), h('dd', {}, String(v))]))))
    for (const next of [list[at + 1], list[at + 2]]) if (next?.photo.fields.large) new Image().src = `/v1/photos/${next.photo.id}/large`
  }
  /** @param {number} by */
  const turn = (by) => {
    const to = at + by
    if (to < 0 || to >= list.length) return
    at = to
    draw()
  }
  /** @param {number} by @param {number} [x] from the middle @param {number} [y] */
  const zoom = (by, x = 0, y = 0) => {
    const scale = Math.max(1, Math.min(12, place.scale * by))
    const grown = scale / place.scale
    Object.assign(place, { scale, x: scale === 1 ? 0 : x - (x - place.x) * grown, y: scale === 1 ? 0 : y - (y - place.y) * grown })
    set()
  }
  const toggle = { pair: () => { paired = !paired; draw() }, details: () => { details = !details; draw() } }
  const close = () => { off(); dialog.close(); dialog.remove(); if (back instanceof HTMLElement) back.focus() }

  stage.addEventListener('wheel', (e) => {
    e.preventDefault()
    const box = (e.target instanceof Element ? e.target.closest('figure') : null)?.getBoundingClientRect()
    zoom(e.deltaY < 0 ? 1.2 : 1 / 1.2, box ? e.clientX - box.left - box.width / 2 : 0, box ? e.clientY - box.top - box.height / 2 : 0)
  }, { passive: false })
  stage.addEventListener('pointerdown', (e) => {
    const from = { x: e.clientX - place.x, y: e.clientY - place.y }
    const drag = (/** @type {PointerEvent} */ m) => { Object.assign(place, { x: m.clientX - from.x, y: m.clientY - from.y }); set() }
    stage.setPointerCapture(e.pointerId)
    stage.addEventListener('pointermove', drag)
    stage.addEventListener('pointerup', () => stage.removeEventListener('pointermove', drag), { once: true })
  })

  const button = (/** @type {string} */ word, /** @type {() => void} */ run) => h('button', { class: 'plain', type: 'button', onclick: run }, t(word))
  const dialog = /** @type {HTMLDialogElement} */ (h('dialog', { class: 'viewer', 'aria-label': t('photo') }, stage, side,
    h('div', { class: 'tools' }, title, button('previousPhoto', () => turn(-1)), button('nextPhoto', () => turn(1)), button('pair', toggle.pair), button('details', toggle.details),
      button('original', () => window.open(`/v1/photos/${now().photo.id}/original`, '_blank', 'noopener')), button('custody', () => window.open('/desk/photo/' + now().photo.id, '_blank', 'noopener')), button('close', () => close()))))
  dialog.addEventListener('cancel', (e) => { e.preventDefault(); close() })
  const off = push([
    { key: 'ArrowRight', word: 'nextPhoto', run: () => turn(1), repeat: true }, { key: 'ArrowLeft', word: 'previousPhoto', run: () => turn(-1), repeat: true },
    { key: 'j', word: 'nextPhoto', run: () => turn(1), repeat: true }, { key: 'k', word: 'previousPhoto', run: () => turn(-1), repeat: true },
    { key: 'v', word: 'pair', run: toggle.pair }, { key: 'i', word: 'details', run: toggle.details },
    { key: '+', word: 'zoomIn', run: () => zoom(1.4), repeat: true }, { key: '-', word: 'zoomOut', run: () => zoom(1 / 1.4), repeat: true },
    { key: '0', word: 'fit', run: () => zoom(0) }, { key: 'Escape', word: 'close', run: close },
  ])
  document.body.append(dialog)
  dialog.showModal()
  draw()
}
