// The queue: what waits for review, what is with the inspector, what was decided. The worst and the oldest stand first.

import { all } from '../lib/client.js'
import { cap, push } from '../lib/keys.js'
import { meet, met } from '../lib/kinds.js'
import { h, show } from '../lib/view.js'
import { label, span, stateOf, t, when } from '../lib/words.js'
import { go } from './main.js'

const tabs = /** @type {const} */ ([['waiting', 'waiting'], ['returned', 'withInspector'], ['decided', 'decided']])
const severities = ['info', 'review', 'high', 'blocking']

/** @param {string} tab */
const place = (tab) => (tab === 'waiting' ? '/desk' : '/desk/queue/' + tab)

/** seen is which version of a report was looked at last in this browser, by its id. */
const seen = {
  /** @returns {Record<string, number>} */
  all() { try { return JSON.parse(localStorage.getItem('seen') ?? '{}') } catch { return {} } },
  /** @param {string} id @param {number} version */
  note(id, version) {
    const known = Object.entries({ ...this.all(), [id]: version }).slice(-2000) // of the last reports
    localStorage.setItem('seen', JSON.stringify(Object.fromEntries(known)))
  },
}
export const noteSeen = seen.note.bind(seen)

/** chosen is what the queue is narrowed to. It stays while a report is looked at, so that the next one is the next of these. */
const chosen = { words: '', severity: 0, news: false }

/** narrowed reports whether lines of the queue are left out. */
export const narrowed = () => chosen.words.trim() !== '' || chosen.severity > 0 || chosen.news

/** isNew is how a report differs from what this browser has looked at. @param {any} item */
const isNew = (item) => { const last = seen.all()[item.id]; return last === undefined ? 'fresh' : last < item.version ? 'changed' : '' }

/** meant reports whether a line is one of those that were chosen. @param {any} item @param {boolean} waits the filters for what waits count */
function meant(item, waits) {
  const text = [item.site.name, item.id, label('visitType', item.visitType ?? ''), item.reviewer?.name, ...item.inspectors.map((/** @type {any} */ p) => p.name), when(item.submittedAt ?? item.updatedAt)].join(' ').toLowerCase()
  return chosen.words.trim().toLowerCase().split(/\s+/).every((w) => text.includes(w)) && (!waits || (item.severity >= chosen.severity && (!chosen.news || isNew(item) !== '')))
}

/** waiting gives the lines of the queue. */
export const waiting = () => all('/v1/review/queue')

/**
 * others gives the reports of other tabs as lines of the queue.
 * @param {string} tab
 */
async function others(tab) {
  const states = tab === 'returned' ? ['returned'] : ['approved', 'archived']
  const lists = await Promise.all(states.map((s) => all('/v1/reports?state=' + s, 200)))
  const reports = lists.flatMap((l) => l.items)
  await meet(reports.map((r) => [r.fields.siteId, r.fields.inspectors, r.fields.reviewer]))
  const called = (/** @type {string} */ id) => met(id)?.name
  const items = reports.map((r) => ({
    id: r.id, version: r.version, state: r.state, visitType: r.fields.visitType, severity: 0, returns: 0,
    site: { name: called(r.fields.siteId) ?? r.fields.siteId }, inspectors: (r.fields.inspectors ?? []).map((/** @type {string} */ p) => ({ name: called(p) ?? '' })),
    reviewer: r.fields.reviewer && { name: called(r.fields.reviewer) }, deadline: r.fields.deadline, updatedAt: r.updatedAt,
    waitingSeconds: (Date.now() - new Date(r.updatedAt).getTime()) / 1000,
  })).sort((a, b) => b.updatedAt.localeCompare(a.updatedAt))
  return { items, more: lists.some((l) => l.more) }
}

/** @type {import('./main.js').Show} */
export function queue(into, tab) {
  tab ||= 'waiting'
  let at = 0
  /** @type {any[]} */
  let lines = []
  /** those that the filter leaves @type {any[]} */
  let items = []
  let cut = false
  const list = h('div', { class: 'queue' }, h('p', { class: 'dim' }, t('loading')))
  const find = /** @type {HTMLInputElement} */ (h('input', { type: 'search', value: chosen.words, 'aria-label': t('findReport'), placeholder: t('findReport'), oninput: () => { chosen.words = find.value; draw() } }))
  const severity = /** @type {HTMLSelectElement} */ (h('select', { 'aria-label': t('flags'), onchange: () => { chosen.severity = Number(severity.value); draw() } }, h('option', { value: '0' }, t('anyFlags')),
    [1, 2, 3].map((n) => h('option', { value: n, selected: chosen.severity === n }, '≥ ', label('flagSeverity', severities[n] ?? '')))))
  const news = /** @type {HTMLInputElement} */ (h('input', { type: 'checkbox', id: 'news', checked: chosen.news, onchange: () => { chosen.news = news.checked; draw() } }))
  const shownNow = h('span', { class: 'dim', role: 'status' })
  show(into,
    h('h1', { class: 'hidden' }, t('queue')),
    h('nav', { class: 'tabs', 'aria-label': t('queue') }, tabs.map(([name, word]) => h('a', { href: place(name), 'aria-current': name === tab && 'page' }, t(word)))),
    h('div', { class: 'narrow' }, find, tab === 'waiting' && [severity, h('label', { for: 'news' }, news, ' ', t('onlyNew'))], shownNow),
    list)

  const rows = () => /** @type {HTMLElement[]} */ ([...list.querySelectorAll('tbody tr')])
  /** @param {number} to */
  const move = (to) => {
    at = Math.max(0, Math.min(items.length - 1, to))
    rows().forEach((row, i) => row.toggleAttribute('data-at', i === at))
    rows()[at]?.scrollIntoView({ block: 'nearest' })
  }
  const enter = () => items[at] && go('/desk/reports/' + items[at].id)

  /** @param {any} item */
  const line = (item) => {
    const mark = isNew(item)
    const flags = item.counts ? Object.values(item.counts.flags).reduce((a, b) => a + b, 0) : 0
    return h('tr', { onclick: (/** @type {Event} */ e) => { if (!(e.target instanceof HTMLAnchorElement)) go('/desk/reports/' + item.id) } },
      h('td', { class: 'mark' }, item.severity > 0 && h('span', { class: 'severity s' + item.severity, title: label('flagSeverity', severities[item.severity] ?? '') },
        label('flagSeverity', severities[item.severity] ?? ''))),
      h('td', {}, h('a', { href: '/desk/reports/' + item.id }, item.site.name ?? t('site')), ' ',
        mark && tab === 'waiting' && h('span', { class: 'news' }, t(mark)),
        h('small', {}, label('visitType', item.visitType ?? ''), item.returns ? ' · ' + t('returnsN', item.returns) : '')),
      h('td', {}, item.inspectors.map((/** @type {any} */ p) => p.name).filter(Boolean).join('、')),
      h('td', { class: 'num' }, span(item.waitingSeconds), item.deadline && h('small', {}, t('deadlineAt', when(item.deadline)))),
      h('td', {}, stateOf('report', item.state), h('small', {}, item.reviewer?.name)),
      h('td', {}, item.counts && h('small', {}, [
        t('photosN', item.counts.photos), item.counts.findings && t('findingsN', item.counts.findings),
        item.counts.interviews && t('interviewsN', item.counts.interviews)].filter(Boolean).join(' · ')), flags > 0 && h('small', { class: 'attention' }, `${t('flagsOpen')} ${flags}`)))
  }

  const draw = () => {
    const before = items[at]?.id
    items = lines.filter((l) => meant(l, tab === 'waiting'))
    show(shownNow, lines.length > 0 && `${items.length} / ${lines.length}${cut ? '+' : ''}`)
    if (!items.length) {
      show(list, h('p', { class: 'empty' }, t(lines.length ? 'nothingSuch' : tab === 'waiting' ? 'nothingWaits' : 'nothingHere')))
      return
    }
    show(list, h('table', {},
      h('thead', {}, h('tr', {}, ['flags', 'site', 'inspectors', 'waits', 'state', 'contents'].map((w, i) => h('th', { scope: 'col', class: i === 3 && 'num' }, i ? t(w) : h('span', { class: 'hidden' }, t(w)))))),
      h('tbody', {}, items.map(line))), cut && h('p', { class: 'dim' }, t('more')),
    h('p', { class: 'dim hint' }, cap('j'), cap('k'), ' ', cap('Enter'), ' ', t('open'), ' · ', cap('/'), ' ', t('find'), ' · ', cap('?'), ' ', t('keys')))
    move(Math.max(0, items.findIndex((i) => i.id === before)))
  }
  const read = async () => {
    try {
      const page = await (tab === 'waiting' ? waiting() : others(tab))
      lines = page.items
      cut = page.more
      draw()
    } catch (err) {
      show(list, h('p', { class: 'wrong', role: 'alert' }, /** @type {Error} */ (err).message), h('button', { onclick: read }, t('again')))
    }
  }
  read()

  const leave = push([
    { key: 'j', word: 'next', run: () => move(at + 1), repeat: true }, { key: 'k', word: 'previous', run: () => move(at - 1), repeat: true },
    { key: 'ArrowDown', word: 'next', run: () => move(at + 1), repeat: true }, { key: 'ArrowUp', word: 'previous', run: () => move(at - 1), repeat: true },
    { key: 'Enter', word: 'open', run: enter }, { key: '/', word: 'find', run: () => find.focus() },
    { key: 'i', word: 'inbox', run: () => go('/desk/inbox') },
    ...tabs.map(([name, word], i) => ({ key: String(i + 1), word, run: () => go(place(name)) })),
  ])
  return { changed: read, leave }
}

/** after gives the id of the report that stands behind one in the queue; empty when none waits. @param {string} id */
export async function after(id) {
  const items = (await waiting()).items.filter((i) => i.id === id || meant(i, true))
  const at = items.findIndex((i) => i.id === id)
  const rest = at < 0 ? items : [...items.slice(at + 1), ...items.slice(0, at)]
  return rest.find((i) => i.id !== id)?.id ?? ''
}
