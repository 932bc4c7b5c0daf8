// Values of records as they are read: by the type of their field.

import { isID, kindOf, met, name, place, title } from './kinds.js'
import { h } from './view.js'
import { t, when } from './words.js'

/** @typedef {import('./kinds.js').Field} Field */

/**
 * link leads to a record, under what it is called.
 * @param {string} id
 * @param {string} [kind]
 */
export function link(id, kind) {
  const known = met(id)
  if (!known) return h('span', { class: 'dim', title: id }, t('notForYou'))
  return known.kind === 'person' ? known.name ?? id : h('a', { href: place(kind ?? known.kind, id) }, known.name || nameless(known.kind, id))
}

/** nameless is what a record without a name is called: its kind, and the end of its id. @param {string} kind @param {string} id */
const nameless = (kind, id) => { const k = kindOf(kind); return `${k ? title(k) : kind} ${id.slice(-6)}` }

/**
 * shown is a value of a field, as an element or text; empty where there is none.
 * @param {Field} f
 * @param {any} v
 * @returns {any}
 */
export function shown(f, v) {
  if (v === undefined || v === null || v === '') return ''
  if (f.keyed) {
    return h('dl', { class: 'inner' }, Object.entries(v).map(([key, one]) => [h('dt', {}, key), h('dd', {}, single(f, one))]))
  }
  if (f.list) {
    if (f.type === 'object') return table(f.fields ?? [], v)
    return v.map((/** @type {any} */ one, /** @type {number} */ i) => [i > 0 && '、', single(f, one)])
  }
  return single(f, v)
}

/** table shows objects that are alike as lines. @param {Field[]} members @param {any[]} values */
function table(members, values) {
  const some = members.filter((m) => values.some((v) => v[m.name] !== undefined))
  return h('div', { class: 'queue', tabindex: 0 }, h('table', { class: some.length > 5 ? 'list many' : 'list' }, h('thead', {}, h('tr', {}, some.map((m) => h('th', { scope: 'col' }, name(m))))),
    h('tbody', {}, values.map((v) => h('tr', {}, some.map((m) => h('td', {}, shown(m, v[m.name]))))))))
}

/** @param {Field} f @param {any} v @returns {any} */
function single(f, v) {
  switch (f.type) {
    case 'id': return link(v, f.of)
    case 'enum': { const c = f.choices?.find((x) => x.code === v); return c ? name(c) : v }
    case 'bool': return v ? t('yes') : t('no')
    case 'time': return when(v)
    case 'position': return `${v.lat}, ${v.lon}` + (v.accuracy === undefined ? '' : ` ± ${t('metres', v.accuracy)}`) + (v.system && v.system !== 'wgs84' ? ` (${v.system})` : '')
    case 'hash': return h('code', { class: 'hash' }, v)
    case 'object': return h('dl', { class: 'inner' }, (f.fields ?? []).filter((m) => v[m.name] !== undefined).map((m) => [h('dt', {}, name(m)), h('dd', {}, shown(m, v[m.name]))]))
  }
  if (isID(v) && met(v)) return link(v) // a text that names a record
  if (typeof v === 'object') return h('code', { class: 'json' }, JSON.stringify(v))
  if (typeof v === 'boolean') return v ? t('yes') : t('no')
  return String(v)
}
