// Forms, made of fields as the server describes them. What is typed is kept in the browser until it was sent.

import { choose, name, orgs } from './kinds.js'
import { draft, keep } from './drafts.js'
import { h, show } from './view.js'
import { t } from './words.js'

/**
 * @typedef {import('./kinds.js').Field} Field
 * @typedef {{el: HTMLElement, get: () => any}} Input get gives undefined where nothing was entered
 */

let count = 0

/**
 * form asks for the values of fields.
 * @param {{fields: Field[], values?: Record<string, any>, key: string, submit: string, cancel: () => void,
 *   done: (values: Record<string, any>) => Promise<void>}} o key is under which what was typed is kept; done is given what was entered, and
 *   what it throws is shown, with everything that was typed still there
 */
export function form(o) {
  const given = draft(o.key) ?? o.values ?? {}
  const wrong = h('p', { class: 'wrong', role: 'alert' })
  const button = /** @type {HTMLButtonElement} */ (h('button', {}, o.submit))
  const read = (secrets = true) => {
    /** @type {Record<string, any>} */
    const values = {}
    for (const [f, input] of inputs) {
      const v = secrets || f.type !== 'password' ? input.get() : undefined
      if (v !== undefined) values[f.name] = v
    }
    return values
  }
  const note = () => keep(o.key, read(false))
  const inputs = /** @type {[Field, Input][]} */ (o.fields.map((f) => [f, field(f, given[f.name], note)]))
  const el = h('form', {
    class: 'fields',
    oninput: note, onchange: note,
    onsubmit: async (/** @type {Event} */ e) => {
      e.preventDefault()
      if (button.disabled) return
      button.disabled = true
      show(wrong)
      try {
        await o.done(read())
        keep(o.key, null)
      } catch (err) {
        show(wrong, /** @type {Error} */ (err).message)
      }
      button.disabled = false
    },
  }, inputs.map(([, input]) => input.el), wrong,
  h('div', { class: 'buttons' }, h('button', { class: 'plain', type: 'button', onclick: () => { keep(o.key, null); o.cancel() } }, t('cancel')), button))
  return el
}

/**
 * field is the input of one field, with its label.
 * @param {Field} f
 * @param {any} value
 * @param {() => void} changed
 * @returns {Input}
 */
export function field(f, value, changed) {
  const label = [name(f), f.required && h('span', { class: 'must', title: t('required') }, ' *')]
  if (f.keyed) return several(f, label, Object.entries(value ?? {}), changed, true)
  if (f.list) return several(f, label, (value ?? []).map((/** @type {any} */ v) => ['', v]), changed, false)
  return one(f, label, value, changed)
}

/**
 * several is the input of a list, or of one value per key.
 * @param {Field} f @param {any} label @param {[string, any][]} values @param {() => void} changed @param {boolean} keyed
 * @returns {Input}
 */
function several(f, label, values, changed, keyed) {
  const rows = h('div', { class: 'rows' })
  /** @type {Set<{key: HTMLInputElement | null, input: Input}>} */
  const inputs = new Set()
  const add = (/** @type {string} */ key, /** @type {any} */ value) => {
    const single = { ...f, list: false, keyed: false, required: true }
    const row = {
      key: keyed ? /** @type {HTMLInputElement} */ (h('input', { value: key, placeholder: t('key'), 'aria-label': t('key'), pattern: '[A-Za-z0-9_\\-]{1,64}', required: true })) : null,
      input: one(single, h('span', { class: 'hidden' }, name(f)), value, changed),
    }
    inputs.add(row)
    const el = h('div', { class: 'row' }, row.key, row.input.el, h('button', { class: 'plain', type: 'button', 'aria-label': `${t('remove')}: ${name(f)}`, onclick: () => { inputs.delete(row); el.remove(); changed() } }, '×'))
    rows.append(el)
    return el
  }
  for (const [key, value] of values) add(key, value)
  const more = h('button', { class: 'plain', type: 'button', onclick: () => { /** @type {HTMLElement | null} */ (add('', undefined).querySelector('input, select, textarea'))?.focus() } }, '+ ', name(f))
  return {
    el: h('fieldset', {}, h('legend', {}, label), rows, more),
    get: () => {
      const all = [...inputs].map((r) => /** @type {const} */ ([r.key?.value ?? '', r.input.get()])).filter(([, v]) => v !== undefined)
      if (!all.length) return undefined
      return keyed ? Object.fromEntries(all) : all.map(([, v]) => v)
    },
  }
}

/** @param {Field} f @param {any} label @param {any} value @param {() => void} changed @returns {Input} */
function one(f, label, value, changed) {
  const id = 'f' + ++count
  const labelled = (/** @type {HTMLElement} */ input) => h('div', { class: 'field' }, h('label', { for: id }, label), input)
  const plain = (/** @type {Record<string, any>} */ props, /** @type {(text: string) => any} */ read = (text) => text) => {
    const input = /** @type {HTMLInputElement} */ (h('input', { id, required: f.required, ...props }))
    return { el: labelled(input), get: () => (input.value === '' ? undefined : read(input.value)) }
  }
  switch (f.type) {
    case 'object': {
      // Of an object that may be left out nothing must be filled in; the server says what is missing once a part of it is there.
      const members = (f.fields ?? []).filter((m) => !m.server).map((m) => (f.required ? m : { ...m, required: false }))
      const inputs = members.map((m) => /** @type {const} */ ([m, field(m, value?.[m.name], changed)]))
      return {
        el: h('fieldset', {}, h('legend', {}, label), inputs.map(([, i]) => i.el)),
        get: () => {
          const entries = inputs.map(([m, i]) => [m.name, i.get()]).filter(([, v]) => v !== undefined)
          return entries.length ? Object.fromEntries(entries) : undefined
        },
      }
    }
    case 'position': {
      const number = (/** @type {string} */ n, /** @type {string} */ word, /** @type {number} */ most) => /** @type {HTMLInputElement} */ (h('input', {
        type: 'number', step: 'any', min: -most, max: most, 'aria-label': t(word), placeholder: t(word), required: f.required, value: value?.[n] ?? '' }))
      const lat = number('lat', 'latitude', 90), lon = number('lon', 'longitude', 180)
      const system = /** @type {HTMLSelectElement} */ (h('select', { 'aria-label': t('coordinates') }, [['wgs84', 'WGS-84'], ['gcj02', 'GCJ-02'], ['bd09', 'BD-09']].map(([code, text]) =>
        h('option', { value: code, selected: (value?.system ?? 'wgs84') === code }, text))))
      return {
        el: h('fieldset', { class: 'position' }, h('legend', {}, label), lat, lon, system),
        get: () => (lat.value === '' && lon.value === '' ? undefined : { lat: Number(lat.value), lon: Number(lon.value), source: 'manual', system: system.value }),
      }
    }
    case 'bool': return choice(id, f, labelled, [['true', t('yes')], ['false', t('no')]], value === undefined ? undefined : String(value), (v) => v === 'true')
    case 'enum': return choice(id, f, labelled, (f.choices ?? []).map((c) => [c.code, name(c)]), value)
    case 'id': return f.of ? record(id, f, labelled, value, () => choose(f.of ?? '')) : plain({ value: value ?? '' })
    case 'org': return record(id, f, labelled, value, orgs)
    case 'scope': return record(id, f, labelled, value, async () => (await choose('site')).map((s) => ({ id: 'site/' + s.id, name: s.name })))
    case 'number': return plain({ type: 'number', step: 'any', min: f.low, max: f.high, value: value ?? '' }, Number)
    case 'integer': return plain({ type: 'number', step: 1, min: f.low, max: f.high, value: value ?? '' }, Number)
    case 'date': return plain({ type: 'date', value: value ?? '' })
    case 'time': return plain({ type: 'datetime-local', step: 60, value: value ? local(value) : '' }, (v) => v + (v.length === 16 ? ':00' : '') + '.000+08:00')
    case 'region': return plain({ inputmode: 'numeric', pattern: '[0-9]{6}', placeholder: '520500', value: value ?? '' })
    case 'json':
    case 'any': {
      const area = /** @type {HTMLTextAreaElement} */ (h('textarea', { id, rows: 3, required: f.required }, value === undefined ? '' : typeof value === 'string' ? value : JSON.stringify(value)))
      return { el: labelled(area), get: () => (area.value.trim() === '' ? undefined : parsed(area.value)) }
    }
    case 'password': return plain({ type: 'password', minlength: 8, autocomplete: 'new-password' })
  }
  if ((f.max ?? 200) <= 200) return plain({ maxlength: f.max ?? 200, value: value ?? '' })
  const area = /** @type {HTMLTextAreaElement} */ (h('textarea', { id, rows: (f.max ?? 0) > 500 ? 4 : 2, maxlength: f.max, required: f.required }, value ?? ''))
  return { el: labelled(area), get: () => (area.value.trim() === '' ? undefined : area.value) }
}

/** local is a time at Beijing as an input of a browser takes it. @param {string} time */
const local = (time) => new Date(Date.parse(time) + 8 * 3600_000).toISOString().slice(0, 16)

/** @param {string} text */
function parsed(text) {
  try { return JSON.parse(text) } catch { return text }
}

/**
 * @param {string} id @param {Field} f @param {(el: HTMLElement) => HTMLElement} labelled @param {string[][]} choices @param {any} value
 * @param {(v: string) => any} [read]
 */
function choice(id, f, labelled, choices, value, read = (v) => v) {
  const select = /** @type {HTMLSelectElement} */ (h('select', { id, required: f.required }, h('option', { value: '' }, f.required ? t('choose') : '—'),
    choices.map(([code, text]) => h('option', { value: code, selected: code === value }, text))))
  return { el: labelled(select), get: () => (select.value === '' ? undefined : read(select.value)) }
}

/**
 * record is the choice of one of many, which are found by a part of their name.
 * @param {string} id @param {Field} f @param {(el: HTMLElement) => HTMLElement} labelled @param {any} value @param {() => Promise<{id: string, name: string}[]>} list
 */
function record(id, f, labelled, value, list) {
  const few = 12
  const select = /** @type {HTMLSelectElement} */ (h('select', { id, required: f.required }, h('option', { value: '' }, t('loading'))))
  const find = /** @type {HTMLInputElement} */ (h('input', { type: 'search', hidden: true, 'aria-label': `${t('find')}: ${name(f)}`, placeholder: t('find'), oninput: (/** @type {Event} */ e) => { e.stopPropagation(); fill() } }))
  /** @type {{id: string, name: string}[]} */
  let items = []
  let chosen = value ?? ''
  const fill = () => {
    const words = find.value.trim().toLowerCase()
    const some = items.filter((i) => i.id === chosen || i.name.toLowerCase().includes(words))
    if (chosen && !some.some((i) => i.id === chosen)) some.unshift({ id: chosen, name: chosen })
    show(select, h('option', { value: '' }, f.required ? t('choose') : '—'), some.map((i) => h('option', { value: i.id, selected: i.id === chosen }, i.name)))
  }
  select.addEventListener('change', () => { chosen = select.value })
  list().then((all) => { items = all; find.hidden = all.length <= few; fill() }).catch((err) => show(select, h('option', { value: chosen }, err.message)))
  return { el: labelled(h('div', { class: 'choice' }, find, select)), get: () => (chosen === '' ? undefined : chosen) }
}
