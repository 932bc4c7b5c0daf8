// Importing a table: it is shown with what is wrong in each cell before anything is made, and then its rows become records one by one, each
// under a key of its own, so that a table which was cut off, or is imported again, makes none twice.

import { ask, Refused } from '../lib/client.js'
import { push } from '../lib/keys.js'
import { actOf, choose, kindOf, name, place, title } from '../lib/kinds.js'
import { h, show } from '../lib/view.js'
import { lang, roles, t } from '../lib/words.js'
import { go } from './main.js'
import { newPassword } from './people.js'

/** @typedef {import('../lib/kinds.js').Field} Field */
/** @typedef {{label: string, path: string, fields: Field[], body: (values: any, password: string) => any}} Target */

const plain = ['text', 'number', 'integer', 'bool', 'enum', 'date', 'id', 'region', 'org']

/** targets are what rows can become: of the kinds those with fields that fit into a cell, and people. @returns {Target[]} */
function targets() {
  const fits = (/** @type {Field} */ f) => !f.server && f.mine && !f.list && !f.keyed && plain.includes(f.type)
  const kinds = ['project', 'site', 'household', 'payment'].map(kindOf).filter((k) => k !== undefined).filter((k) => actOf(k, 'create')?.mine)
  const people = /** @type {Field[]} */ ([
    { name: 'name', type: 'text', zh: '姓名', en: 'name', max: 50, required: true, mine: true }, { name: 'login', type: 'text', zh: '登录名', en: 'sign-in name', required: true, mine: true },
    { name: 'title', type: 'text', zh: '职务', en: 'title', max: 100, mine: true }, { name: 'role', type: 'enum', zh: '角色', en: 'role', choices: roles(), mine: true }])
  const position = /** @type {Field[]} */ ([{ name: 'lat', type: 'number', zh: '纬度', en: 'latitude', low: -90, high: 90, mine: true }, { name: 'lon', type: 'number', zh: '经度', en: 'longitude', low: -180, high: 180, mine: true }])
  return [
    ...kinds.map((k) => ({
      label: title(k), path: k.path, fields: [...k.fields.filter(fits), ...(k.fields.some((f) => f.name === 'position') ? position : [])],
      body: (/** @type {any} */ { lat, lon, ...fields }) => ({ fields: lat === undefined || lon === undefined ? fields : { ...fields, position: { lat, lon, source: 'manual' } } }),
    })),
    ...(localStorage.getItem('administers') === 'true' ? [{ label: t('people'), path: 'people', fields: people, body: (/** @type {any} */ { role, ...v }, /** @type {string} */ password) => ({ ...v, password, ...(role ? { roles: [{ role }] } : {}) }) }] : []),
  ]
}

/** same compares headings as people write them. @param {string} a @param {string | undefined} b */
const same = (a, b) => b !== undefined && a.replace(/[\s*＊:：]/g, '').toLowerCase() === b.replace(/[\s*＊:：]/g, '').toLowerCase()

/**
 * read makes a value of a cell, or says what is wrong with it.
 * @param {Field} f @param {string} text @param {Record<string, {id: string, name: string}[]>} records @returns {{value?: any, wrong?: string}}
 */
function read(f, text, records) {
  if (text === '') return f.required ? { wrong: t('isMissing') } : {}
  switch (f.type) {
    case 'number':
    case 'integer': {
      const n = Number(text.replace(/[,，\s]/g, ''))
      if (!Number.isFinite(n) || (f.type === 'integer' && !Number.isInteger(n))) return { wrong: t('noNumber') }
      return (f.low !== undefined && n < f.low) || (f.high !== undefined && n > f.high) ? { wrong: t('outOf', f.low ?? '', f.high ?? '') } : { value: n }
    }
    case 'bool': return ['是', 'yes', 'true', '1', 'y'].includes(text.toLowerCase()) ? { value: true } : ['否', 'no', 'false', '0', 'n'].includes(text.toLowerCase()) ? { value: false } : { wrong: t('noYesNo') }
    case 'enum': { const c = f.choices?.find((x) => [x.code, x.zh, x.en].some((w) => same(text, w))); return c ? { value: c.code } : { wrong: t('noChoice', (f.choices ?? []).slice(0, 8).map(name).join('、')) } }
    case 'date': { const m = /^(\d{4})[-/.年](\d{1,2})[-/.月](\d{1,2})日?$/.exec(text); return m ? { value: `${m[1]}-${m[2]?.padStart(2, '0')}-${m[3]?.padStart(2, '0')}` } : { wrong: t('noDate') } }
    case 'region': return /^\d{6}$/.test(text) ? { value: text } : { wrong: t('noRegion') }
    case 'id': {
      const found = (records[f.of ?? ''] ?? []).filter((r) => r.id === text || same(text, r.name))
      return found.length === 1 ? { value: found[0]?.id } : { wrong: t(found.length ? 'severalSuch' : 'noneSuch') }
    }
  }
  return text.length > (f.max ?? 200) ? { wrong: t('tooLongFor', f.max ?? 200) } : { value: text }
}

/** @type {import('./main.js').Show} */
export function importing(into) {
  const all = targets()
  let target = all[0]
  /** @type {string[][]} */
  let rows = []
  /** @type {(Field | null)[]} which field each column is */
  let columns = []
  /** @type {Record<string, {id: string, name: string}[]>} */
  const records = {}
  let file = '', stop = false, busy = false
  const said = h('p', { role: 'status' })
  const body = h('div', {})
  const wrong = (/** @type {any} */ err) => show(said, h('span', { class: 'wrong' }, err.message))

  const load = async (/** @type {File} */ f) => {
    show(said, t('loading'))
    show(body)
    try {
      const bytes = await f.arrayBuffer()
      const sum = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
      file = Array.from(sum.slice(0, 12), (b) => b.toString(16).padStart(2, '0')).join('')
      const answer = await fetch('/v1/tables', { method: 'POST', headers: { 'Content-Type': 'text/csv' }, body: bytes })
      const got = await answer.json()
      if (!answer.ok) throw new Error(got[lang() === 'zh' ? 'detailZh' : 'detail'])
      rows = got.sheets[0].rows
      await match()
      show(said, got.sheets.length > 1 && t('firstSheet', got.sheets[0].name))
    } catch (err) { wrong(err instanceof TypeError ? new Error(t('offline')) : err) }
  }
  const match = async () => {
    columns = (rows[0] ?? []).map((head) => target?.fields.find((f) => [f.zh, f.en, f.name].some((w) => same(head, w))) ?? null)
    for (const f of target?.fields ?? []) if (f.type === 'id' && f.of && !records[f.of]) records[f.of] = await choose(f.of)
    draw()
  }
  /** cells are the values of a row by field, and what is wrong by column. @param {string[]} row */
  const cells = (row) => {
    /** @type {Record<string, any>} */
    const values = {}
    /** @type {Record<number, string>} */
    const faults = {}
    columns.forEach((f, i) => {
      if (!f) return
      const { value, wrong: w } = read(f, row[i] ?? '', records)
      if (w) faults[i] = w
      else if (value !== undefined) values[f.name] = value
    })
    return { values, faults }
  }
  const draw = () => {
    if (!target || rows.length < 2) { show(body, rows.length > 0 && h('p', { class: 'empty' }, t('noRows'))); return }
    const missing = target.fields.filter((f) => f.required && !columns.includes(f))
    const lines = rows.slice(1).map((row, i) => ({ row, at: i + 2, ...cells(row) })).filter((l) => l.row.length > 0)
    const bad = lines.filter((l) => Object.keys(l.faults).length)
    const good = missing.length ? [] : lines.filter((l) => !Object.keys(l.faults).length)
    const width = Math.max(...rows.map((r) => r.length))
    show(body,
      h('p', { class: bad.length || missing.length ? 'attention' : null }, t('rowsGood', good.length, lines.length), missing.length > 0 && ` ${t('columnsMissing', missing.map(name).join('、'))}`),
      h('div', { class: 'queue', tabindex: 0 }, h('table', { class: 'list' },
        h('thead', {}, h('tr', {}, h('th', { scope: 'col' }, '#'), Array.from({ length: width }, (_, i) => h('th', { scope: 'col' }, rows[0]?.[i] || '—', h('select', {
          'aria-label': t('columnIs', rows[0]?.[i] || String(i + 1)), onchange: (/** @type {Event} */ e) => { columns[i] = target?.fields.find((f) => f.name === /** @type {HTMLSelectElement} */ (e.target).value) ?? null; draw() } },
        h('option', { value: '' }, t('leftOut')), target?.fields.map((f) => h('option', { value: f.name, selected: columns[i] === f }, name(f), f.required && ' *'))))), h('th', { scope: 'col' }, t('outcome')))),
        h('tbody', {}, [...bad, ...good].slice(0, 200).map((l) => h('tr', { 'data-row': l.at }, h('td', { class: 'num' }, l.at),
          Array.from({ length: width }, (_, i) => h('td', { class: l.faults[i] ? 'fault' : columns[i] ? null : 'dim' }, l.row[i] ?? '', l.faults[i] && h('small', { class: 'wrong' }, l.faults[i]))), h('td', { class: 'came' })))))),
      lines.length > 200 && h('p', { class: 'dim' }, t('firstShown', 200)),
      h('div', { class: 'buttons' }, good.length > 0 && h('button', { type: 'button', onclick: () => run(good) }, t('importN', good.length))))
  }
  /** run makes the records. @param {{at: number, values: any}[]} lines */
  const run = async (lines) => {
    if (busy || !target) return
    busy = true
    /** @type {[string, string, string][]} */
    const codes = []
    let made = 0, failed = 0
    for (const l of lines) {
      if (stop) return
      const cell = body.querySelector(`tr[data-row="${l.at}"] .came`)
      const password = target.path === 'people' ? newPassword() : ''
      try {
        const r = await once(target, l, password)
        made++
        if (target.path === 'people') codes.push([l.values.login, password, r.deviceCode?.code ?? ''])
        if (cell) show(/** @type {HTMLElement} */ (cell), h('a', { href: target.path === 'people' ? '/desk/people/' + r.id : place(r.kind, r.id) }, t('made')))
      } catch (err) {
        failed++
        if (cell) show(/** @type {HTMLElement} */ (cell), h('span', { class: 'wrong' }, /** @type {Error} */ (err).message))
        if (err instanceof Refused && err.status === 401) break
      }
      show(said, t('madeOf', made, lines.length), failed > 0 && h('span', { class: 'wrong' }, ` ${t('failedN', failed)}`))
    }
    busy = false
    if (codes.length) {
      body.prepend(h('section', { class: 'setup' }, h('h2', {}, t('givePerson')), h('p', {}, t('shownOnce')), h('table', { class: 'list' }, h('thead', {}, h('tr', {}, ['login', 'password', 'code'].map((w) => h('th', { scope: 'col' }, t(w))))),
        h('tbody', {}, codes.map((c) => h('tr', {}, c.map((x) => h('td', {}, h('code', {}, x))))))), h('button', { class: 'plain', type: 'button', onclick: () => window.print() }, t('print'))))
    }
  }
  /** once makes one record, again under its key when the answer was lost. @param {Target} of @param {{at: number, values: any}} l @param {string} password */
  const once = async (of, l, password) => {
    // A person's password is new each time, so that its key must be too: a sign-in name that is there already is refused.
    const key = of.path === 'people' ? crypto.randomUUID() : `import-${file}-${of.path}-${l.at}`
    for (let attempt = 0; ; attempt++) {
      try { return await ask('POST', '/v1/' + of.path, of.body(l.values, password), { 'Idempotency-Key': key }) } catch (err) {
        if (!(err instanceof Refused) || ![0, 429, 503].includes(err.status) || attempt === 4) throw err
        await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** attempt))
      }
    }
  }

  show(into, h('h1', {}, t('importTable')), h('p', { class: 'dim' }, t('importWhy')),
    all.length ? h('form', { class: 'fields', onsubmit: (/** @type {Event} */ e) => e.preventDefault() },
      h('div', { class: 'field' }, h('label', { for: 'target' }, t('rowsBecome')), h('select', { id: 'target', onchange: (/** @type {Event} */ e) => { target = all.find((x) => x.path === /** @type {HTMLSelectElement} */ (e.target).value); match().catch(wrong) } }, all.map((x) => h('option', { value: x.path }, x.label)))),
      h('div', { class: 'field' }, h('label', { for: 'file' }, t('theTable')), h('input', { id: 'file', type: 'file', accept: '.xlsx,.csv', onchange: (/** @type {Event} */ e) => { const f = /** @type {HTMLInputElement} */ (e.target).files?.[0]; if (f) load(f) } })))
      : h('p', { class: 'empty' }, t('noSuchPage')), said, body)
  const off = push([{ key: 'Escape', word: 'records', run: () => go('/desk/records') }])
  return { leave: () => { stop = true; off() } }
}
