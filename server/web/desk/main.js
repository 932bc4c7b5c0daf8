// The desk: who is signed in, which screen is shown, and what stands around it.

import { ask, get, listen } from '../lib/client.js'
import { forget } from '../lib/drafts.js'
import { leads } from '../lib/keys.js'
import { forgetNames, kinds } from '../lib/kinds.js'
import { h, show } from '../lib/view.js'
import { label, lang, names, speak, t } from '../lib/words.js'
import { importing } from './import.js'
import { inbox, unread } from './inbox.js'
import { office, people, person } from './people.js'
import { queue } from './queue.js'
import { record } from './record.js'
import { catalogue, list, making } from './records.js'
import { review } from './review.js'
import { setUp } from './setup.js'
import { signIn } from './signin.js'
import { start } from './start.js'

/**
 * A screen fills an element, hears when something was written on the server, and is left.
 * @typedef {{changed?: () => void, leave?: () => void}} Screen
 * @typedef {(into: HTMLElement, ...args: string[]) => Screen} Show
 */

/** @type {[RegExp, Show][]} */
const screens = [
  [/^\/desk\/start$/, start],
  [/^\/desk\/inbox$/, inbox],
  [/^\/desk\/records$/, catalogue],
  [/^\/desk\/list\/([^/]+)$/, list],
  [/^\/desk\/new\/([^/]+)$/, making],
  [/^\/desk\/people$/, people],
  [/^\/desk\/people\/([^/]+)$/, person],
  [/^\/desk\/office$/, office],
  [/^\/desk\/import$/, importing],
  [/^\/desk\/reports\/([^/]+)$/, review],
  [/^\/desk(?:\/queue\/(waiting|returned|decided))?\/?$/, queue],
  [/^\/desk\/([a-z]+)\/([0-9a-f-]{36})$/, record],
]

const main = h('main', { id: 'content', tabindex: '-1' })
const said = h('p', { class: 'said', role: 'status' })
/** @type {Screen} */
let screen = {}
let timer = 0

/**
 * say tells what was done, for a few seconds.
 * @param {string} text
 * @param {'done' | 'wrong'} [kind]
 */
export function say(text, kind = 'done') {
  said.textContent = text
  said.dataset.kind = kind
  clearTimeout(timer)
  timer = window.setTimeout(() => { said.textContent = '' }, kind === 'done' ? 5000 : 15000)
}

/**
 * go shows another screen.
 * @param {string} path
 * @param {boolean} [instead] of the present one, which the way back then leaves out
 */
export function go(path, instead = false) {
  if (instead) history.replaceState(null, '', path)
  else history.pushState(null, '', path)
  route()
}

function route() {
  screen.leave?.()
  screen = {}
  for (const [pattern, render] of screens) {
    const hit = pattern.exec(location.pathname)
    if (hit) {
      window.scrollTo(0, 0)
      screen = render(main, ...hit.slice(1).map((a) => a ?? ''))
      return
    }
  }
  go('/desk', true)
}

/** has reports whether somebody has one of the roles. @param {any} user @param {string[]} some */
const has = (user, some) => user.roles.some((/** @type {any} */ r) => some.includes(r.role))
/** reviews reports whether somebody's day begins with the queue. @param {any} user */
const reviews = (user) => has(user, ['supervisor', 'team_lead'])

const told = h('a', { href: '/desk/inbox' })
async function count() {
  const n = await unread().catch(() => 0)
  show(told, n ? t('inboxN', n) : t('inbox'))
}

/** places are where somebody's roles lead: path, word, and the letter behind `g`. @param {any} user @returns {[string, string, string][]} */
const places = (user) => /** @type {[string, string, string][]} */ ([
  ['/desk/start', 'start', 's'], reviews(user) && ['/desk', 'queue', 'q'],
  has(user, ['clue_manager', 'handler', 'leader', 'liaison', 'auditor']) && ['/desk/list/clues', 'clues', 'c'],
  has(user, ['supervisor', 'leader', 'auditor']) && ['/desk/list/campaigns', 'campaigns', 'r'],
  ['/desk/records', 'records', 'l'], has(user, ['administrator']) && ['/desk/people', 'people', 'p'], ['/desk/inbox', 'inbox', 'i']].filter(Boolean))

/** @param {any} user */
function header(user) {
  const roles = user.roles.map((/** @type {any} */ r) => label('role', r.role)).join(lang() === 'zh' ? '、' : ', ')
  leads(places(user).map(([path, word, key]) => ({ key, word, run: () => go(path) })))
  return h('header', {},
    h('a', { class: 'skip', href: '#content' }, t('skip')),
    h('a', { class: 'brand', href: '/desk' }, t('desk')),
    h('nav', { 'aria-label': t('desk') }, places(user).map(([path, word]) => (word === 'inbox' ? told : h('a', { href: path }, t(word))))),
    h('span', { class: 'who' }, user.name, h('small', {}, roles)),
    h('button', { class: 'plain', onclick: () => speak(lang() === 'zh' ? 'en' : 'zh') }, t('otherLanguage')),
    h('button', { class: 'plain', onclick: signOut }, t('signOut')))
}

async function signOut() {
  try {
    await ask('POST', '/v1/auth/sign-out')
  } catch { /* the session is over, or will be */ }
  forget()
  location.assign('/desk')
}

document.addEventListener('click', (e) => {
  const link = e.target instanceof Element ? e.target.closest('a') : null
  if (!link || e.button || e.ctrlKey || e.metaKey || e.shiftKey || link.target || !link.getAttribute('href')?.startsWith('/desk')) return
  e.preventDefault()
  go(link.pathname + link.search)
})
window.addEventListener('popstate', route)

async function begin() {
  document.documentElement.lang = lang() === 'zh' ? 'zh-CN' : 'en'
  document.title = t('desk')
  await names()
  let me
  try {
    me = await get('/v1/me')
  } catch (err) {
    if (/** @type {any} */ (err).status !== 401) throw err
    const { open } = await get('/v1/setup')
    await (open ? setUp(document.body) : signIn(document.body))
    me = await get('/v1/me')
  }
  const who = localStorage.getItem('person')
  if (who && who !== me.user.id) forget() // what another person typed at this desk is not this one's
  localStorage.setItem('person', me.user.id)
  localStorage.setItem('administers', String(has(me.user, ['administrator'])))
  await kinds()
  show(document.body, header(me.user), said, main)
  let asking = false
  window.addEventListener('signed-out', async () => {
    if (asking) return
    asking = true
    const again = await signIn(document.body, true)
    asking = false
    if (again !== me.user.id) location.assign('/desk')
    else screen.changed?.()
  })
  if (location.pathname.replace(/\/$/, '') === '/desk' && !reviews(me.user)) go('/desk/start', true)
  else route()
  count()
  window.addEventListener('told', count)
  listen(() => { forgetNames(); screen.changed?.(); count() })
}

begin().catch((err) => show(document.body, h('main', { class: 'alone' },
  h('p', { class: 'wrong' }, err.message), h('button', { onclick: () => location.reload() }, t('again')))))
