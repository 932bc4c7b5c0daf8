// The queue: what waits for review, what is with the inspector, what was decided. The worst and the oldest stand first.

import { all } from '../lib/client.js'
import { cap, push } from '../lib/keys.js'
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
  const named = await namesOf(reports)
  const items = reports.map((r) => ({
    id: r.id, version: r.version, state: r.state, visitType: r.fields.visitType, severity: 0, returns: 0,
    site: { name: named.get(r.fields.siteId) ?? r.fields.siteId }, inspectors: (r.fields.inspectors ?? []).map((/** @type {string} */ p) => ({ name: named.get(p) ?? '' })),
    reviewer: r.fields.reviewer && { name: named.get(r.fields.reviewer) }, deadline: r.fields.deadline, updatedAt: r.updatedAt,
    waitingSeconds: (Date.now() - new Date(r.updatedAt).getTime()) / 1000,
  })).sort((a, b) => b.updatedAt.localeCompare(a.updatedAt))
  return { items, more: lists.some((l) => l.more) }
}

/** namesOf gives the names of people and sites by id. @param {any[]} reports */
async function namesOf(reports) {
  /** @type {Map<string, string>} */
  const named = new Map()
  if (!reports.length) return named
  const [people, sites] = await Promise.all([all('/v1/people'), all('/v1/sites')])
  for (const p of people.items) named.set(p.id, p.name ?? p.fields?.name)
  for (const s of sites.items) named.set(s.id, s.fields.name)
  return named
}

/** @type {import('./main.js').Show} */
export function queue(into, tab) {
  tab ||= 'waiting'
  let at = 0
  /** @type {any[]} */
  let items = []
  const list = h('div', { class: 'queue' }, h('p', { class: 'dim' }, t('loading')))
  show(into,
    h('h1', { class: 'hidden' }, t('queue')),
    h('nav', { class: 'tabs', 'aria-label': t('queue') }, tabs.map(([name, word]) => h('a', { href: place(name), 'aria-current': name === tab && 'page' }, t(word)))),
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
    const last = seen.all()[item.id]
    const news = last === undefined ? 'fresh' : last < item.version ? 'changed' : ''
    const flags = item.counts ? Object.values(item.counts.flags).reduce((a, b) => a + b, 0) : 0
    return h('tr', { onclick: (/** @type {Event} */ e) => { if (!(e.target instanceof HTMLAnchorElement)) go('/desk/reports/' + item.id) } },
      h('td', { class: 'mark' }, item.severity > 0 && h('span', { class: 'severity s' + item.severity, title: label('flagSeverity', severities[item.severity] ?? '') },
        label('flagSeverity', severities[item.severity] ?? ''))),
      h('td', {}, h('a', { href: '/desk/reports/' + item.id }, item.site.name ?? t('site')), ' ',
        news && tab === 'waiting' && h('span', { class: 'news' }, t(news)),
        h('small', {}, label('visitType', item.visitType ?? ''), item.returns ? ' · ' + t('returnsN', item.returns) : '')),
      h('td', {}, item.inspectors.map((/** @type {any} */ p) => p.name).filter(Boolean).join('、')),
      h('td', { class: 'num' }, span(item.waitingSeconds), item.deadline && h('small', {}, t('deadlineAt', when(item.deadline)))),
      h('td', {}, stateOf('report', item.state), h('small', {}, item.reviewer?.name)),
      h('td', {}, item.counts && h('small', {}, [
        t('photosN', item.counts.photos), item.counts.findings && t('findingsN', item.counts.findings),
        item.counts.interviews && t('interviewsN', item.counts.interviews)].filter(Boolean).join(' · ')), flags > 0 && h('small', { class: 'attention' }, `${t('flagsOpen')} ${flags}`)))
  }

  const read = async () => {
    const before = items[at]?.id
    try {
      const page = await (tab === 'waiting' ? waiting() : others(tab))
      items = page.items
      if (!items.length) {
        show(list, h('p', { class: 'empty' }, t(tab === 'waiting' ? 'nothingWaits' : 'nothingHere')))
        return
      }
      show(list, h('table', {},
        h('thead', {}, h('tr', {}, ['flags', 'site', 'inspectors', 'waits', 'state', 'contents'].map((w, i) => h('th', { scope: 'col', class: i === 3 && 'num' }, i ? t(w) : h('span', { class: 'hidden' }, t(w)))))),
        h('tbody', {}, items.map(line))), page.more && h('p', { class: 'dim' }, t('more')),
      h('p', { class: 'dim hint' }, cap('j'), cap('k'), ' ', cap('Enter'), ' ', t('open'), ' · ', cap('?'), ' ', t('keys')))
      move(Math.max(0, items.findIndex((i) => i.id === before)))
    } catch (err) {
      show(list, h('p', { class: 'wrong', role: 'alert' }, /** @type {Error} */ (err).message), h('button', { onclick: read }, t('again')))
    }
  }
  read()

  const leave = push([
    { key: 'j', word: 'next', run: () => move(at + 1), repeat: true }, { key: 'k', word: 'previous', run: () => move(at - 1), repeat: true },
    { key: 'ArrowDown', word: 'next', run: () => move(at + 1), repeat: true }, { key: 'ArrowUp', word: 'previous', run: () => move(at - 1), repeat: true },
    { key: 'Enter', word: 'open', run: enter },
    { key: 'i', word: 'inbox', run: () => go('/desk/inbox') },
    ...tabs.map(([name, word], i) => ({ key: String(i + 1), word, run: () => go(place(name)) })),
  ])
  return { changed: read, leave }
}

/** after gives the id of the report that stands behind one in the queue; empty when none waits. @param {string} id */
export async function after(id) {
  const { items } = await waiting()
  const at = items.findIndex((i) => i.id === id)
  const rest = at < 0 ? items : [...items.slice(at + 1), ...items.slice(0, at)]
  return rest.find((i) => i.id !== id)?.id ?? ''
}
