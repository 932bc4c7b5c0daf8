// The first page: what waits for whoever is signed in, what is due, and what went wrong.

import { all, get, seldom } from '../lib/client.js'
import { push } from '../lib/keys.js'
import { actOf, kindOf, meet, met, place, title } from '../lib/kinds.js'
import { h, show } from '../lib/view.js'
import { stateOf, t, when } from '../lib/words.js'
import { go } from './main.js'

/** counts are lists of which a role is told how long they are: [kind, state, roles]. */
const counts = /** @type {[string, string, string[]][]} */ ([
  ['clue', 'received', ['clue_manager']], ['clue', 'registered', ['clue_manager']], ['clue', 'disposition_proposed', ['leader']], ['clue', 'reported', ['leader', 'clue_manager']],
  ['campaign', 'approved', ['supervisor']], ['campaign', 'running', ['supervisor', 'leader']], ['revisit', 'planned', ['supervisor']], ['revisit', 'submitted', ['supervisor']],
  ['conflict', 'open', ['supervisor', 'inspector', 'team_lead']], ['review', 'open', ['supervisor', 'clue_manager', 'handler']], ['mandate', 'draft', ['leader']],
])

/** @type {import('./main.js').Show} */
export function start(into) {
  let gone = false
  show(into, h('p', { class: 'dim' }, t('loading')))
  const read = async () => {
    try {
      const { user } = await get('/v1/me')
      const has = (/** @type {string[]} */ some) => user.roles.some((/** @type {any} */ r) => some.includes(r.role))
      const [work, notices, queue, jobs, ...lists] = await Promise.all([
        get(`/v1/people/${user.id}/work`), all('/v1/inbox?state=unread', 100),
        has(['supervisor', 'team_lead']) ? all('/v1/review/queue', 200) : null,
        has(['administrator']) ? all('/v1/jobs', 200) : null,
        ...counts.map(([kind, state, some]) => (has(some) && actOf(kindOf(kind), 'list') ? all(`/v1/${kindOf(kind)?.path}?state=${state}`, 200) : null)),
      ])
      await meet(work.items)
      if (gone) return
      const tile = (/** @type {any} */ list, /** @type {string} */ word, /** @type {string} */ to) => list && list.items.length > 0 && h('a', { class: 'tile', href: to }, h('b', {}, list.items.length, list.more && '+'), h('span', {}, word))
      const tiles = [
        tile(queue, t('waiting'), '/desk/queue/waiting'), tile(notices, t('unreadNotices'), '/desk/inbox'), tile(jobs, t('setAside'), '/desk/office'),
        ...counts.map(([kind, state], i) => { const k = kindOf(kind); return k && tile(lists[i], `${title(k)}: ${stateOf(kind, state)}`, `/desk/list/${k.path}?state=${state}`) })].filter(Boolean)
      const due = [...work.items].sort((/** @type {any} */ a, /** @type {any} */ b) => (a.due ?? '9').localeCompare(b.due ?? '9'))
      const today = new Date().toISOString()
      show(into, h('h1', {}, t('startOf', user.name)),
        tiles.length ? h('div', { class: 'tiles' }, tiles) : h('p', { class: 'empty' }, t('nothingWaitsForYou')),
        h('h2', {}, t('myWork')), due.length ? h('div', { class: 'queue' }, h('table', { class: 'list' }, h('tbody', {}, due.map((/** @type {any} */ w) => {
          const k = kindOf(w.kind)
          return h('tr', {}, h('td', {}, k ? title(k) : w.kind), h('td', {}, h('a', { href: place(w.kind, w.id) }, met(w.id)?.name || t('open'))), h('td', {}, stateOf(w.kind, w.state)), h('td', { class: w.due && w.due < today ? 'wrong' : null }, w.due && t('deadlineAt', when(w.due))))
        })))) : h('p', { class: 'dim' }, t('noOpenWork')), !work.whole && h('p', { class: 'dim' }, t('more')))
    } catch (err) {
      if (!gone) show(into, h('p', { class: 'wrong', role: 'alert' }, /** @type {Error} */ (err).message), h('button', { onclick: read }, t('again')))
    }
  }
  read()
  const off = push([{ key: 'i', word: 'inbox', run: () => go('/desk/inbox') }, { key: 'q', word: 'queue', run: () => go('/desk/queue/waiting') }, { key: 'l', word: 'records', run: () => go('/desk/records') }])
  return { changed: seldom(() => { if (!gone) read() }, 5000), leave: () => { gone = true; off() } }
}
