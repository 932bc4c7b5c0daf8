// The list of any kind, narrowed by its filters, and the form in which a new one is made.

import { click, get, seldom } from '../lib/client.js'
import { cap, push } from '../lib/keys.js'
import { actOf, called, every, kindAt, meet, met, name, place, title } from '../lib/kinds.js'
import { field, form } from '../lib/form.js'
import { shown } from '../lib/value.js'
import { h, show } from '../lib/view.js'
import { stateOf, t, when } from '../lib/words.js'
import { go, say } from './main.js'

/** @typedef {import('../lib/kinds.js').Field} Field */
/** @typedef {import('../lib/kinds.js').Kind} Kind */

/** groups are the kinds as somebody looks for them: by what the work is about. */
const groups = /** @type {[string, string[]][]} */ ([
  ['groupCases', ['clue', 'finding', 'review', 'mandate']],
  ['groupVisits', ['report', 'interview', 'flag', 'conflict']],
  ['groupRevisits', ['campaign', 'revisit']],
  ['groupPlaces', ['project', 'site', 'template', 'household', 'payment']],
])

/** Every kind that has a list. @type {import('./main.js').Show} */
export function catalogue(into) {
  const listed = every().filter((k) => actOf(k, 'list'))
  const named = groups.flatMap(([, kinds]) => kinds)
  const rest = listed.filter((k) => !named.includes(k.kind)).map((k) => k.kind)
  show(into, h('div', { class: 'title' }, h('h1', {}, t('records')), h('a', { href: '/desk/import' }, t('importTable'))), h('div', { class: 'catalogue' }, [...groups, /** @type {[string, string[]]} */ (['groupRest', rest])].map(([word, kinds]) => {
    const some = kinds.map((kind) => listed.find((k) => k.kind === kind)).filter((k) => k !== undefined)
    return some.length > 0 && h('section', {}, h('h2', {}, t(word)), h('ul', {}, some.map((k) => h('li', {},
      h('a', { href: '/desk/list/' + k.path }, title(k)),
      actOf(k, 'create')?.mine && [' ', h('a', { class: 'dim', href: '/desk/new/' + k.path }, '+ ', t('newOne'))]))))
  })))
  return {}
}

/**
 * columns are the fields that a list shows of a record: those by which it is found, but for its name, which stands first.
 * @param {Kind} k
 */
const columns = (k) => {
  const names = k.filters.map((f) => f.name)
  const brief = k.fields.filter((f) => !f.list && !f.keyed && !['object', 'json', 'hash', 'position'].includes(f.type) && (f.max ?? 200) <= 200)
  const first = brief.filter((f) => names.includes(f.name))
  const more = brief.filter((f) => !first.includes(f) && ['enum', 'id', 'date', 'time', 'org', 'region'].includes(f.type))
  return [...first, ...more].filter((f) => !['title', 'name', 'externalId'].includes(f.name)).slice(0, 5)
}

/** table shows records of a kind as lines. @param {Kind} k @param {any[]} items @param {string} [without] a field that is the same in all */
export function table(k, items, without = '') {
  const shownIn = columns(k).filter((f) => f.name !== without && items.some((r) => r.fields[f.name] !== undefined))
  return h('table', { class: 'list' },
    h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, title(k)), h('th', { scope: 'col' }, t('state')), shownIn.map((f) => h('th', { scope: 'col' }, name(f))), h('th', { scope: 'col', class: 'num' }, t('changedAt')))),
    h('tbody', {}, items.map((r) => h('tr', { 'data-id': r.id, onclick: (/** @type {Event} */ e) => { if (!(e.target instanceof HTMLAnchorElement)) go(place(r.kind, r.id)) } },
      h('td', {}, h('a', { href: place(r.kind, r.id) }, titleOf(r)), r.fields.number && h('small', {}, r.fields.number)),
      h('td', {}, h('span', { class: 'state', 'data-state': r.state }, stateOf(r.kind, r.state))),
      shownIn.map((f) => h('td', {}, shown(f, r.fields[f.name]))),
      h('td', { class: 'num' }, when(r.updatedAt))))))
}

/** titleOf is what a record is called; one without a name by its place, or by when it was made. @param {any} r */
export const titleOf = (r) => called(r) || met(r.fields.siteId ?? '')?.name || r.fields.number || r.fields.code || when(r.createdAt)

/** @type {import('./main.js').Show} */
export function list(into, path) {
  const kind = kindAt(path)
  if (!kind || !actOf(kind, 'list')) { show(into, h('p', { class: 'empty' }, t('noSuchPage'))); return {} }
  const by = new URLSearchParams(location.search)
  let at = 0, gone = false
  /** @type {any[]} */
  let items = []
  let next = ''
  const body = h('div', { class: 'queue' }, h('p', { class: 'dim' }, t('loading')))
  const narrowed = () => {
    const q = new URLSearchParams()
    for (const [f, input] of inputs) { const v = input.get(); if (v !== undefined) q.set(f.name, String(v)) }
    go(`/desk/list/${path}${q.size ? '?' + q : ''}`, true)
  }
  const inputs = /** @type {[Field, import('../lib/form.js').Input][]} */ (kind.filters.filter((f) => f.type !== 'id' || f.of).map((f) => [f, field({ ...f, required: false }, by.get(f.name) ?? undefined, () => {})]))
  show(into,
    h('div', { class: 'title' }, h('h1', {}, title(kind)), actOf(kind, 'create')?.mine && h('a', { class: 'button', href: '/desk/new/' + path + location.search }, '+ ', t('newOne'), cap('n'))),
    h('details', { class: 'filters', open: by.size > 0 }, h('summary', {}, t('filters'), by.size > 0 && ` (${by.size})`),
      h('form', { onchange: narrowed, onsubmit: (/** @type {Event} */ e) => { e.preventDefault(); narrowed() } }, inputs.map(([, i]) => i.el),
        by.size > 0 && h('div', {}, h('a', { href: '/desk/list/' + path }, t('allOf'))))),
    body)

  const rows = () => /** @type {HTMLElement[]} */ ([...body.querySelectorAll('tbody tr')])
  /** @param {number} to @param {boolean} [scroll] */
  const move = (to, scroll = true) => {
    at = Math.max(0, Math.min(items.length - 1, to))
    rows().forEach((row, i) => row.toggleAttribute('data-at', i === at))
    if (scroll) rows()[at]?.scrollIntoView({ block: 'nearest' })
  }
  const draw = () => {
    if (!items.length) { show(body, h('p', { class: 'empty' }, t(by.size ? 'nothingSuch' : 'nothingYet'))); return }
    show(body, table(kind, items), next && h('p', {}, h('button', { class: 'plain', type: 'button', onclick: more }, t('showMore'))),
      h('p', { class: 'dim hint' }, cap('j'), cap('k'), ' ', cap('Enter'), ' ', t('open'), ' · ', cap('?'), ' ', t('keys')))
    move(at, false)
  }
  const page = async (/** @type {string} */ after, limit = 50) => {
    const q = new URLSearchParams(by)
    q.set('limit', String(limit))
    if (after) q.set('after', after)
    const answer = await get(`/v1/${path}?${q}`)
    await meet(answer.items)
    return answer
  }
  const more = async () => {
    try {
      const answer = await page(next)
      const there = new Set(items.map((i) => i.id))
      items = [...items, ...answer.items.filter((/** @type {any} */ i) => !there.has(i.id))]
      next = answer.next ?? ''
      if (!gone) draw()
    } catch (err) { say(/** @type {Error} */ (err).message, 'wrong') }
  }
  const read = async () => {
    const before = items[at]?.id
    try {
      const answer = await page('', Math.min(200, Math.max(50, items.length)))
      if (gone) return
      items = answer.items
      next = answer.next ?? ''
      at = Math.max(0, items.findIndex((i) => i.id === before))
      draw()
    } catch (err) {
      if (!gone) show(body, h('p', { class: 'wrong', role: 'alert' }, /** @type {Error} */ (err).message), h('button', { onclick: read }, t('again')))
    }
  }
  read()
  const off = push([
    { key: 'j', word: 'next', run: () => move(at + 1), repeat: true }, { key: 'k', word: 'previous', run: () => move(at - 1), repeat: true },
    { key: 'ArrowDown', word: 'next', run: () => move(at + 1), repeat: true }, { key: 'ArrowUp', word: 'previous', run: () => move(at - 1), repeat: true },
    { key: 'Enter', word: 'open', run: () => items[at] && go(place(items[at].kind, items[at].id)) },
    { key: 'n', word: 'newOne', run: () => { if (actOf(kind, 'create')?.mine) go('/desk/new/' + path + location.search) } },
    { key: 'Escape', word: 'records', run: () => go('/desk/records') },
  ])
  return { changed: seldom(() => { if (!gone) read() }, 3000), leave: () => { gone = true; off() } }
}

/** The form of a new record. What the address says is filled in. @type {import('./main.js').Show} */
export function making(into, path) {
  const kind = kindAt(path)
  if (!kind || !actOf(kind, 'create')?.mine) { show(into, h('p', { class: 'empty' }, t('noSuchPage'))); return {} }
  /** @type {Record<string, string>} */
  const values = {}
  for (const [n, v] of new URLSearchParams(location.search)) if (kind.fields.some((f) => f.name === n && !f.server)) values[n] = v
  show(into, h('div', { class: 'title' }, h('a', { class: 'back', href: '/desk/list/' + path }, '‹ ', title(kind)), h('h1', {}, t('newOf', name(kind)))),
    form({
      fields: kind.fields.filter((f) => !f.server && f.mine), values, key: 'new ' + path, submit: t('save'), cancel: () => go('/desk/list/' + path),
      done: async (fields) => {
        const made = await click('/v1/' + path, { fields })
        say(t('saved', called(made) || name(kind)))
        go(place(made.kind, made.id), true)
      },
    }))
  const off = push([])
  return { leave: off }
}
