// What the server says of its kinds: fields, acts, where they are listed. Screens that show any kind stand on it, so a new kind has a list, a
// page and its forms without a line here.

import { all, get } from './client.js'
import { lang } from './words.js'

/**
 * @typedef {{code: string, zh: string, en: string}} Choice
 * @typedef {{name: string, type: string, zh?: string, en?: string, max?: number, low?: number, high?: number, choices?: Choice[], of?: string,
 *   list?: boolean, keyed?: boolean, fields?: Field[], required?: boolean, once?: boolean, server?: boolean, ahead?: boolean, mine: boolean}} Field
 * @typedef {{verb: string, zh: string, en: string, from?: string[], args?: Field[], mine: boolean}} Act
 * @typedef {{kind: string, zh: string, en: string, path: string, within?: string, editing: string[], states: Choice[], filters: Field[],
 *   fields: Field[], acts: Act[]}} Kind
 */

/** @type {Kind[]} */
let known = []

/** kinds reads what there is; once. */
export async function kinds() {
  if (!known.length) known = (await get('/v1/kinds')).items
  return known
}

/** every gives the kinds that were read. */
export const every = () => known

/** @param {string} kind */
export const kindOf = (kind) => known.find((k) => k.kind === kind)

/** @param {string} path */
export const kindAt = (path) => known.find((k) => k.path === path)

/** @param {Kind | undefined} kind @param {string} verb */
export const actOf = (kind, verb) => kind?.acts.find((a) => a.verb === verb)

/** name is what something is called in the language of the screens. @param {{zh?: string, en?: string, name?: string, code?: string}} x */
export const name = (x) => x[lang()] || x.name || x.code || ''

/** @param {string} text */
const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1)

/** title is the name of a kind as it stands over a list or before a record. @param {Kind} k */
export const title = (k) => capital(name(k))

/** called is what a record is called in a line; empty where it has no name. @param {any} r */
export const called = (r) => r.fields.name || r.fields.title || r.fields.alias || r.fields.caption || ''

/** @type {Map<string, {kind: string, name?: string} | null>} */
const records = new Map()
const id = /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}$/

/** isID reports whether a value is the id of a record. @param {any} v */
export const isID = (v) => typeof v === 'string' && id.test(v)

/**
 * meet asks what the records are called that are named anywhere in some values. What may not be seen has no name.
 * @param {...any} values
 */
export async function meet(...values) {
  /** @type {Set<string>} */
  const ids = new Set()
  const walk = (/** @type {any} */ v) => {
    if (isID(v)) { if (!records.has(v)) ids.add(v) } else if (v && typeof v === 'object') Object.values(v).forEach(walk)
  }
  values.forEach(walk)
  const list = [...ids]
  for (let i = 0; i < list.length; i += 50) {
    const some = list.slice(i, i + 50)
    const { names } = await get('/v1/names?ids=' + some.join(','))
    for (const one of some) records.set(one, names[one] ?? null)
  }
}

/** met is what a record is called, once it was met. @param {string} one */
export const met = (one) => records.get(one) ?? null

/** forgetNames lets every name be asked for again: something has changed. */
export const forgetNames = () => records.clear()

/** place is the screen of a record. @param {string} kind @param {string} one */
export const place = (kind, one) => (kind === 'report' ? '/desk/reports/' + one : `/desk/${kind}/${one}`)

/**
 * choose lists the records of a kind from which a person chooses one.
 * @param {string} kind
 * @returns {Promise<{id: string, name: string}[]>}
 */
export async function choose(kind) {
  const path = kind === 'person' ? 'people' : actOf(kindOf(kind), 'list') && kindOf(kind)?.path
  if (!path) return []
  const { items } = await all('/v1/' + path)
  return items.filter((r) => !r.deleted && r.state !== 'voided').map((r) => ({ id: r.id, name: called(r) || r.fields.number || r.id }))
}

/** orgs lists organisations. @returns {Promise<{id: string, name: string}[]>} */
export async function orgs() {
  const { items } = await all('/v1/orgs')
  return items.map((o) => ({ id: o.fields.code, name: o.fields.name }))
}
