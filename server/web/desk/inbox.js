// The inbox: what somebody is told of, work that came back on top. What is about a report opens it.

import { all, click } from '../lib/client.js'
import { cap, push } from '../lib/keys.js'
import { h, show } from '../lib/view.js'
import { label, lang, t, when } from '../lib/words.js'
import { go, say } from './main.js'

/** unread gives how many notices nobody has looked at; over a thousand are a thousand. */
export const unread = async () => (await all('/v1/inbox?state=unread')).items.length

/** @type {import('./main.js').Show} */
export function inbox(into) {
  let at = 0
  /** @type {any[]} */
  let items = []
  const list = h('div', {}, h('p', { class: 'dim' }, t('loading')))
  show(into, h('h1', {}, t('inbox')), list)

  const rows = () => /** @type {HTMLElement[]} */ ([...list.querySelectorAll('.notices > li')])
  /** @param {number} to */
  const move = (to) => {
    at = Math.max(0, Math.min(items.length - 1, to))
    rows().forEach((row, i) => row.toggleAttribute('data-at', i === at))
    rows()[at]?.scrollIntoView({ block: 'nearest' })
  }
  /** @param {any} n */
  const place = (n) => (n?.fields.recordKind === 'report' ? '/desk/reports/' + n.fields.recordId : '')
  /** @param {any} n */
  const note = async (n) => {
    if (n?.state !== 'unread') return
    try {
      await click(`/v1/notices/${n.id}/read`, { version: n.version })
      window.dispatchEvent(new Event('told'))
    } catch (err) { say(/** @type {Error} */ (err).message, 'wrong') }
    await read()
  }
  /** @param {any} n */
  const open = async (n) => {
    const to = place(n)
    await note(n)
    if (to) go(to)
  }

  /** @param {any} n */
  const line = (n) => h('li', { 'data-unread': n.state === 'unread' },
    h('div', { class: 'question' }, n.state === 'unread' && h('span', { class: 'news' }, t('unread')),
      h('span', {}, place(n) ? h('a', { href: place(n), onclick: () => note(n) }, n.fields[lang()]) : n.fields[lang()]),
      n.state === 'unread' && h('button', { class: 'plain', type: 'button', onclick: () => note(n) }, t('markRead'))),
    h('small', {}, label('noticeType', n.fields.type), ' · ', when(n.createdAt), n.fields.due && [' · ', h('span', { class: 'attention' }, t('deadlineAt', when(n.fields.due)))]),
    n.fields.items?.length > 0 && h('ul', {}, n.fields.items.map((/** @type {any} */ i) => h('li', {}, i.comment))))

  const read = async () => {
    const before = items[at]?.id
    try {
      const [fresh, old] = await Promise.all([all('/v1/inbox?state=unread', 500), all('/v1/inbox?state=read', 100)])
      items = [...fresh.items, ...old.items]
      if (!items.length) {
        show(list, h('p', { class: 'empty' }, t('nothingTold')))
        return
      }
      show(list, h('ul', { class: 'items notices' }, items.map(line)), (fresh.more || old.more) && h('p', { class: 'dim' }, t('more')),
        h('p', { class: 'dim hint' }, cap('j'), cap('k'), ' ', cap('Enter'), ' ', t('open'), ' · ', cap('m'), ' ', t('markRead')))
      move(Math.max(0, items.findIndex((i) => i.id === before)))
    } catch (err) {
      show(list, h('p', { class: 'wrong', role: 'alert' }, /** @type {Error} */ (err).message), h('button', { onclick: read }, t('again')))
    }
  }
  read()
  const leave = push([
    { key: 'j', word: 'next', run: () => move(at + 1), repeat: true }, { key: 'k', word: 'previous', run: () => move(at - 1), repeat: true },
    { key: 'ArrowDown', word: 'next', run: () => move(at + 1), repeat: true }, { key: 'ArrowUp', word: 'previous', run: () => move(at - 1), repeat: true },
    { key: 'Enter', word: 'open', run: () => open(items[at]) }, { key: 'm', word: 'markRead', run: () => note(items[at]) },
    { key: 'q', word: 'queue', run: () => go('/desk') },
  ])
  return { changed: read, leave }
}
