// The page of a record of any kind: what it says, what is done with it, what hangs on it, and what happened to it. Kinds that have more to
// show add a panel (panels.js).

import { ask, click, get, Refused, seldom } from '../lib/client.js'
import { draft, keep } from '../lib/drafts.js'
import { push, cap } from '../lib/keys.js'
import { actOf, called, every, isID, kindOf, meet, name, title } from '../lib/kinds.js'
import { form } from '../lib/form.js'
import { shown } from '../lib/value.js'
import { h, show, typing } from '../lib/view.js'
import { stateOf, t, when } from '../lib/words.js'
import { go, say } from './main.js'
import { panels } from './panels.js'
import { table, titleOf } from './records.js'

/** @typedef {import('../lib/kinds.js').Field} Field */

/** told are commands that have a screen of their own, or that the server puts together. */
const elsewhere = /** @type {Record<string, string[]>} */ ({ report: ['return', 'approve', 'take'] })

/** @type {import('./main.js').Show} */
export function record(into, kind, id) {
  const spec = kindOf(kind)
  if (!spec || !isID(id)) { show(into, h('p', { class: 'empty' }, t('noSuchPage'))); return {} }
  /** @type {any} */
  let view = null
  let gone = false, later = false
  const busy = () => typing(document.activeElement) || document.querySelector('dialog[open]') !== null
  const news = () => { if (busy()) later = true; else read() }
  const idle = () => setTimeout(() => { if (later && !gone && !busy()) read() })
  into.addEventListener('focusout', idle)

  const read = async () => {
    later = false
    try {
      const answer = await get(`/v1/records/${id}/page`)
      await meet(answer.record)
      if (gone) return
      if (JSON.stringify(answer) !== JSON.stringify(view)) { view = answer; draw() } else again()
    } catch (err) {
      if (gone) return
      if (view) say(/** @type {Error} */ (err).message, 'wrong')
      else show(into, h('p', { class: 'wrong', role: 'alert' }, /** @type {Error} */ (err).message), h('button', { onclick: read }, t('again')))
    }
  }

  /** open shows a form over the page. @param {string} label @param {HTMLElement} content */
  const open = (label, content) => {
    const d = /** @type {HTMLDialogElement} */ (h('dialog', { 'aria-label': label, class: 'wide' }, h('h2', {}, label), content))
    const off = push([])
    d.addEventListener('close', () => { off(); d.remove(); idle() })
    document.body.append(d)
    d.showModal()
    return d
  }

  const edit = () => {
    // What the form began with: what was typed counts against that, also when it is gone on with after a reload or another's change.
    const key = 'edit ' + id, begun = 'begun ' + id
    /** @type {{version: number, fields: Record<string, any>}} */
    const origin = (draft(key) && draft(begun)) ?? { version: view.record.version, fields: view.record.fields }
    keep(begun, origin)
    let seen = origin
    const fields = spec.fields.filter((f) => !f.server && !f.once && f.mine)
    const beside = h('div', { role: 'status' })
    /** meanwhile shows what was written since the form was opened, and stops: nothing is overwritten unseen. */
    const meanwhile = async () => {
      const now = (await get(`/v1/records/${id}/page`)).record
      const others = fields.filter((f) => JSON.stringify(sorted(now.fields[f.name])) !== JSON.stringify(sorted(seen.fields[f.name])))
      seen = now
      if (!others.length) return
      await meet(now)
      show(beside, h('p', { class: 'attention' }, t('changedByOther')), h('dl', { class: 'facts' }, others.map((f) => [h('dt', {}, name(f)), h('dd', {}, shown(f, now.fields[f.name]) || '—')])))
      throw new Error(t('saveAgain'))
    }
    const d = open(t('changeOf', titleOf(view.record)), h('div', {}, beside, form({
      fields, values: origin.fields, key, submit: t('save'), cancel: () => { keep(begun, null); d.close() },
      done: async (values) => {
        const changes = difference(fields, origin.fields, values)
        if (!Object.keys(changes).length) { d.close(); return }
        await meanwhile() // also in another window of the same browser, which the server takes for the same hand
        try {
          await ask('PATCH', `/v1/${spec.path}/${id}`, { version: seen.version, fields: changes }, { 'Idempotency-Key': crypto.randomUUID() })
        } catch (err) {
          if (err instanceof Refused && err.code === 'stale') await meanwhile()
          throw err
        }
        keep(begun, null)
        say(t('saved', titleOf(view.record)))
        d.close()
        await read()
      },
    })))
  }

  /** @param {import('../lib/kinds.js').Act} act */
  const command = (act) => {
    const version = view.record.version
    const other = act.args?.find((f) => f.type === 'id' && f.of === kind) // two of a kind are held beside each other
    const beside = h('div', { 'aria-live': 'polite' })
    const compare = async (/** @type {string} */ id) => {
      show(beside)
      if (!isID(id)) return
      const them = await get('/v1/records/' + id).catch(() => null)
      await meet(them)
      if (!them) return
      const rows = spec.fields.filter((f) => f.type !== 'json' && (view.record.fields[f.name] !== undefined || them.fields[f.name] !== undefined))
      show(beside, h('div', { class: 'queue', tabindex: 0 }, h('table', { class: 'list' }, h('thead', {}, h('tr', {}, h('td', {}), h('th', { scope: 'col' }, titleOf(view.record)), h('th', { scope: 'col' }, titleOf(them)))),
        h('tbody', {}, rows.map((f) => h('tr', {}, h('th', { scope: 'row' }, name(f)), h('td', {}, shown(f, view.record.fields[f.name])), h('td', {}, shown(f, them.fields[f.name]))))))))
    }
    const d = open(name(act), h('div', { onchange: (/** @type {Event} */ e) => { if (other && e.target instanceof HTMLSelectElement) compare(e.target.value) } }, beside, form({
      fields: act.args ?? [], key: `${act.verb} ${id}`, submit: name(act), cancel: () => d.close(),
      done: async (args) => {
        try {
          await click(`/v1/${spec.path}/${id}/${act.verb}`, { version, ...args })
        } catch (err) {
          if (err instanceof Refused && err.code === 'stale') { later = true }
          throw err
        }
        say(`${name(act)}: ${titleOf(view.record)}`)
        d.close()
        await read()
      },
    })))
  }

  /** @type {{changed?: () => void}[]} */
  let extra = []
  const again = seldom(() => { if (!gone) extra.forEach((p) => p.changed?.()) }, 10_000)
  const draw = () => {
    const r = view.record, y = window.scrollY
    const acts = spec.acts.filter((a) => view.may.includes(a.verb) && !elsewhere[kind]?.includes(a.verb))
    extra = []
    const parts = panels(r, { refresh: read, may: view.may }).map((p) => { extra.push(p); return p.el })
    show(into,
      h('div', { class: 'title' },
        h('a', { class: 'back', href: actOf(spec, 'list') ? '/desk/list/' + spec.path : '/desk/records' }, '‹ ', title(spec)),
        h('h1', {}, called(r) || `${title(spec)} ${titleOf(r)}`),
        h('p', {}, h('span', { class: 'state', 'data-state': r.state }, stateOf(r.kind, r.state)), ' ', r.fields.number, ' ', h('span', { class: 'dim' }, t('changedAt'), ' ', when(r.updatedAt)))),
      h('div', { class: 'record' },
        h('div', {}, h('section', {}, h('h2', {}, t('details')), facts(spec.fields, r)), related(r)),
        h('aside', {}, parts, past(r))),
      h('footer', { class: 'bar' }, acts.map((a) => h('button', { class: a.verb === 'edit' || a.verb === 'void' ? 'plain' : null, type: 'button', onclick: () => (a.verb === 'edit' ? edit() : command(a)) }, name(a), a.verb === 'edit' && cap('e'))),
        !acts.length && h('span', {}, t('nothingToDo'))))
    window.scrollTo(0, y)
  }

  /** related lists what names this record, by the filters of other kinds. @param {any} r */
  const related = (r) => every().filter((k) => actOf(k, 'list')).flatMap((other) => other.filters.filter((f) => f.type === 'id' && f.of === r.kind).map((by) => {
    const box = h('section', { hidden: true })
    const where = `${other.path}?${by.name}=${r.id}`
    get(`/v1/${where}&limit=10`).then(async ({ items, next }) => {
      await meet(items)
      const make = actOf(other, 'create')?.mine && other.fields.some((x) => x.name === by.name && !x.server) && ['registered', 'active', 'running', 'planned', 'draft'].includes(r.state)
      if (gone || (!items.length && !make)) return
      show(box, h('h2', {}, h('a', { href: '/desk/list/' + where }, title(other), items.length > 0 && ` (${items.length}${next ? '+' : ''})`), other.filters.filter((x) => x.of === r.kind).length > 1 && ` · ${name(by)}`, ' ',
        make && h('a', { href: '/desk/new/' + where }, '+ ', t('newOne'))), items.length > 0 && h('div', { class: 'queue' }, table(other, items, by.name)))
      box.hidden = false
    }).catch(() => { /* the page stands without; its list says why */ })
    return box
  }))

  show(into, h('p', { class: 'dim' }, t('loading')))
  read()
  const off = push([
    { key: 'e', word: 'change', run: () => { if (view?.may.includes('edit')) edit() } },
    { key: 'Escape', word: 'backToList', run: () => go(actOf(spec, 'list') ? '/desk/list/' + spec.path : '/desk/records') },
  ])
  return { changed: news, leave: () => { gone = true; off(); into.removeEventListener('focusout', idle) } }
}

/** facts are the fields of a record that have a value. @param {Field[]} fields @param {any} r */
const facts = (fields, r) => h('dl', { class: 'facts' }, fields.filter((f) => r.fields[f.name] !== undefined && f.type !== 'json').map((f) => [h('dt', {}, name(f)), h('dd', {}, shown(f, r.fields[f.name]))]))

/**
 * difference gives what an edit sets: what was changed, null for what was removed; of a keyed field by its keys.
 * @param {Field[]} fields @param {Record<string, any>} before @param {Record<string, any>} values
 */
export function difference(fields, before, values) {
  /** @type {Record<string, any>} */
  const out = {}
  const put = (/** @type {string} */ path, /** @type {any} */ was, /** @type {any} */ is) => { if (JSON.stringify(sorted(was)) !== JSON.stringify(sorted(is))) out[path] = is ?? null }
  for (const f of fields) {
    const was = before[f.name], is = values[f.name]
    if (!f.keyed) put(f.name, was, is)
    else for (const key of new Set([...Object.keys(was ?? {}), ...Object.keys(is ?? {})])) put(`${f.name}.${key}`, was?.[key], is?.[key])
  }
  return out
}

/** sorted is a value with the members of its objects in order. @param {any} v @returns {any} */
const sorted = (v) => (Array.isArray(v) ? v.map(sorted) : v && typeof v === 'object' ? Object.fromEntries(Object.keys(v).sort().map((k) => [k, sorted(v[k])])) : v ?? null)

/** past is what happened to a record, read when it is opened. @param {any} r */
export function past(r) {
  const box = h('div', {}, h('p', { class: 'dim' }, t('loading')))
  let after = '', begun = false
  const read = async () => {
    try {
      const { items, next } = await get(`/v1/records/${r.id}/history?limit=50${after && '&after=' + encodeURIComponent(after)}`)
      await meet(items)
      if (!begun) show(box)
      begun = true
      after = next ?? ''
      box.append(h('ol', { class: 'history' }, items.map((/** @type {any} */ e) => event(r, e))))
      if (after) { const more = h('button', { class: 'plain', type: 'button', onclick: () => { more.remove(); read() } }, t('showMore')); box.append(more) }
    } catch (err) { show(box, h('p', { class: 'wrong' }, /** @type {Error} */ (err).message)) }
  }
  return h('details', { ontoggle: () => { if (!begun) read() } }, h('summary', {}, t('history')), box)
}

/** event is one line of what happened. @param {any} r @param {any} e */
function event(r, e) {
  const spec = kindOf(r.kind)
  const verbs = e.operations.map((/** @type {any} */ o) => (o.command ? spec?.acts.find((a) => a.verb === o.command) : null)).filter(Boolean).map(name)
  const set = Object.entries(e.set ?? {}).map(([path, v]) => [spec?.fields.find((f) => f.name === path.split('.')[0]), path, v])
  return h('li', {}, h('div', {}, h('time', {}, when(e.serverTime)), ' ', h('b', {}, e.by?.name ?? t('theServer')), ' ', verbs.join('、'), e.state && [' → ', stateOf(r.kind, e.state)]),
    set.length > 0 && h('small', {}, set.map(([f, path, v], i) => [i > 0 && ' · ', f ? name(/** @type {Field} */ (f)) : path, ': ', f ? brief(/** @type {Field} */ (f), v) : '…'])))
}

/** @param {Field} f @param {any} v */
const brief = (f, v) => { const el = f.keyed ? shown({ ...f, keyed: false }, v) : shown(f, v); const text = typeof el === 'string' ? el : h('span', {}, el).textContent ?? ''; return text.length > 80 ? text.slice(0, 80) + '…' : text }
