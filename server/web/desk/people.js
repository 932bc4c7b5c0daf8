// Administration: people with their roles, codes and devices, and the office with its partners, its space and the work that was set aside.

import { all, ask, click, get, seldom } from '../lib/client.js'
import { push } from '../lib/keys.js'
import { kindOf, meet, met, orgs, place, title } from '../lib/kinds.js'
import { form } from '../lib/form.js'
import { h, show } from '../lib/view.js'
import { bytes, label, roles, stateOf, t, when } from '../lib/words.js'
import { go, say } from './main.js'
import { difference } from './record.js'

/** @typedef {import('../lib/kinds.js').Field} Field */

/** rolesField asks for roles, each with the places where it counts. @returns {Field} */
const rolesField = () => ({ name: 'roles', type: 'object', list: true, zh: '角色', en: 'roles', mine: true, fields: [
  { name: 'role', type: 'enum', choices: roles(), required: true, zh: '角色', en: 'role', mine: true },
  { name: 'regions', type: 'text', list: true, zh: '限于地区（代码前缀）', en: 'only in regions (beginnings of codes)', max: 6, mine: true },
  { name: 'projects', type: 'id', of: 'project', list: true, zh: '限于项目', en: 'only in projects', mine: true }] })

/** @param {any[]} given */
const rolesSaid = (given) => given.map((r) => label('role', r.role) + (r.regions?.length ? ` (${r.regions.join(', ')})` : '')).join('、')

/** newPassword makes one that nobody could guess; the person sets another. */
export function newPassword() {
  const letters = 'abcdefghjkmnpqrstuvwxyz23456789'
  return Array.from(crypto.getRandomValues(new Uint8Array(20)), (b, i) => (i > 0 && i % 5 === 0 ? '-' : '') + letters[b % letters.length]).join('')
}

const deviceStates = /** @type {Record<string, string>} */ ({ active: 'deviceActive', moving: 'deviceMoving', moved: 'deviceMoved', revoked: 'deviceRevoked' })

/**
 * once shows a secret that is kept nowhere, until it is closed.
 * @param {string} word @param {[string, string][]} lines
 */
function once(word, lines) {
  const d = /** @type {HTMLDialogElement} */ (h('dialog', { 'aria-label': t(word) }, h('h2', {}, t(word)), h('p', {}, t('shownOnce')),
    h('dl', { class: 'facts' }, lines.map(([w, v]) => [h('dt', {}, t(w)), h('dd', {}, h('code', { class: 'code' }, v))])),
    h('div', { class: 'buttons' }, h('button', { class: 'plain', type: 'button', onclick: () => window.print() }, t('print')), h('button', { type: 'button', onclick: () => d.close() }, t('handedOver')))))
  d.addEventListener('close', () => d.remove())
  document.body.append(d)
  d.showModal()
}

/** dialog shows a form. @param {string} word @param {Field[]} fields @param {string} key @param {(v: any) => Promise<void>} done @param {any} [values] */
function dialog(word, fields, key, done, values) {
  const d = /** @type {HTMLDialogElement} */ (h('dialog', { 'aria-label': t(word), class: 'wide' }, h('h2', {}, t(word))))
  d.append(form({ fields, values, key, submit: t(word), cancel: () => d.close(), done: async (v) => { await done(v); d.close() } }))
  d.addEventListener('close', () => d.remove())
  document.body.append(d)
  d.showModal()
}

/**
 * screen reads and draws, and says when it cannot.
 * @param {HTMLElement} into @param {() => Promise<any[]>} draw @param {() => void} back
 * @returns {import('./main.js').Screen}
 */
function screen(into, draw, back) {
  let gone = false
  show(into, h('p', { class: 'dim' }, t('loading')))
  const read = async () => {
    if (document.querySelector('dialog[open]')) return
    try {
      const parts = await draw()
      if (!gone) show(into, parts)
    } catch (err) {
      if (!gone) show(into, h('p', { class: 'wrong', role: 'alert' }, /** @type {Error} */ (err).message), h('button', { onclick: read }, t('again')))
    }
  }
  read()
  window.addEventListener('read-again', read)
  const off = push([{ key: 'Escape', word: 'backToList', run: back }])
  return { changed: seldom(() => { if (!gone) read() }, 10_000), leave: () => { gone = true; off(); window.removeEventListener('read-again', read) } }
}
const again = () => window.dispatchEvent(new Event('read-again'))

/** Everybody of the office. @type {import('./main.js').Show} */
export function people(into) {
  return screen(into, async () => {
    const { items, more } = await all('/v1/accounts')
    const { items: others } = await all('/v1/people')
    const rest = others.filter((p) => !items.some((a) => a.person === p.id))
    return [
      h('div', { class: 'title' }, h('h1', {}, t('people')), h('button', { type: 'button', onclick: hire }, '+ ', t('newPerson')), ' ', h('a', { href: '/desk/office' }, t('office')), ' · ', h('a', { href: '/desk/import' }, t('importTable'))),
      h('div', { class: 'queue' }, h('table', { class: 'list' }, h('thead', {}, h('tr', {}, ['person', 'login', 'roles', 'devices', 'state'].map((w) => h('th', { scope: 'col' }, t(w))))),
        h('tbody', {}, items.map((a) => h('tr', {}, h('td', {}, h('a', { href: '/desk/people/' + a.person }, a.name)), h('td', {}, a.login), h('td', {}, rolesSaid(a.roles)),
          h('td', {}, a.devices.filter((/** @type {any} */ d) => d.state === 'active').length || h('span', { class: 'attention' }, t('noDevice'))), h('td', {}, stateOf('person', a.state)))),
        rest.map((p) => h('tr', {}, h('td', {}, p.fields.name, h('small', {}, p.scope.slice(4))), h('td', {}), h('td', {}, rolesSaid(p.fields.roles ?? [])), h('td', {}), h('td', {}, stateOf('person', p.state))))))),
      more && h('p', { class: 'dim' }, t('more'))]
  }, () => go('/desk'))
}

async function hire() {
  const all = await orgs().catch(() => [])
  const password = newPassword()
  dialog('newPerson', [
    { name: 'name', type: 'text', zh: '姓名', en: 'name', max: 50, required: true, mine: true },
    { name: 'title', type: 'text', zh: '职务', en: 'title', max: 100, mine: true },
    { name: 'login', type: 'text', zh: '登录名', en: 'sign-in name', required: true, mine: true },
    ...(all.length > 1 ? [/** @type {Field} */ ({ name: 'org', type: 'org', zh: '组织', en: 'organisation', mine: true })] : []),
    rolesField(),
  ], 'new person', async (v) => {
    const made = await click('/v1/people', { ...v, password })
    once('givePerson', [['login', v.login], ['password', password], ['code', made.deviceCode?.code ?? '']])
    again()
  })
}

/** One person: roles, codes, devices, sign-ins, and the work that is open. @type {import('./main.js').Show} */
export function person(into, id) {
  return screen(into, async () => {
    const [p, accounts, work, signIns] = await Promise.all([get('/v1/people/' + id), all('/v1/accounts'), get(`/v1/people/${id}/work`), get(`/v1/sign-ins?limit=10&person=${id}`).catch(() => ({ items: [] }))])
    await meet(work.items)
    const account = accounts.items.find((a) => a.person === id)
    const edit = () => dialog('change', [
      { name: 'name', type: 'text', zh: '姓名', en: 'name', max: 50, required: true, mine: true },
      { name: 'title', type: 'text', zh: '职务', en: 'title', max: 100, mine: true }, rolesField()], 'person ' + id, async (v) => {
      const fields = /** @type {Field[]} */ ([{ name: 'name', type: 'text', mine: true }, { name: 'title', type: 'text', mine: true }, { name: 'roles', type: 'object', list: true, mine: true }])
      const set = difference(fields, p.fields, { ...v, roles: v.roles ?? [] })
      if (Object.keys(set).length) await ask('PATCH', '/v1/people/' + id, { version: p.version, ...set }, { 'Idempotency-Key': crypto.randomUUID() })
      again()
    }, p.fields)
    const deviceCode = async () => { try { const c = await click(`/v1/people/${id}/device-codes`, {}); once('deviceCode', [['login', account?.login ?? ''], ['code', c.code]]) } catch (err) { say(/** @type {Error} */ (err).message, 'wrong') } }
    const passwordCode = async () => { try { const c = await click(`/v1/people/${id}/password-codes`, undefined); once('passwordCode', [['login', account?.login ?? ''], ['code', c.code]]) } catch (err) { say(/** @type {Error} */ (err).message, 'wrong') } }
    const leave = () => dialog('leaves', [{ name: 'reason', type: 'text', zh: '理由', en: 'reason', max: 1000, required: true, mine: true }], 'leave ' + id, async (v) => { await click(`/v1/people/${id}/leave`, { version: p.version, ...v }); again() })
    const handOver = () => dialog('handOver', [{ name: 'to', type: 'id', of: 'person', zh: '移交给', en: 'to', required: true, mine: true }, { name: 'reason', type: 'text', zh: '理由', en: 'reason', max: 1000, required: true, mine: true }], 'hand over ' + id, async (v) => {
      const out = await click(`/v1/people/${id}/hand-over`, v)
      say(t('handedOverN', out.moved.length, out.left.length))
      again()
    })
    const revoke = (/** @type {any} */ d) => dialog('revoke', [], 'revoke ' + d.id, async () => { await click(`/v1/devices/${d.id}/revoke`, undefined); again() })
    const move = (/** @type {any} */ d) => dialog('moveDevice', [{ name: 'reason', type: 'text', zh: '理由', en: 'reason', max: 1000, required: true, mine: true }], 'move ' + d.id, async (v) => { await click(`/v1/devices/${d.id}/move`, { version: d.version, ...v }); again() })
    return [
      h('div', { class: 'title' }, h('a', { class: 'back', href: '/desk/people' }, '‹ ', t('people')), h('h1', {}, p.fields.name), h('p', {}, h('span', { class: 'state' }, stateOf('person', p.state)), ' ', p.fields.title, ' · ', rolesSaid(p.fields.roles ?? []))),
      h('div', { class: 'record' }, h('div', {},
        h('section', {}, h('h2', {}, t('devices')), account?.devices.length ? h('table', { class: 'list' }, h('tbody', {}, account.devices.map((/** @type {any} */ d) => h('tr', {}, h('td', {}, d.name, h('small', {}, d.platform)), h('td', {}, t(deviceStates[d.state] ?? 'deviceActive')), h('td', {}, d.signedInAt && t('lastSignIn', when(d.signedInAt))),
          h('td', { class: 'acts' }, d.state === 'active' && [h('button', { class: 'plain', type: 'button', onclick: () => move(d) }, t('moveDevice')), h('button', { class: 'plain', type: 'button', onclick: () => revoke(d) }, t('revoke'))]))))) : h('p', { class: 'dim' }, t('noDevice'))),
        h('section', {}, h('h2', {}, t('openWork')), work.items.length ? h('table', { class: 'list' }, h('tbody', {}, work.items.map((/** @type {any} */ w) => h('tr', {}, h('td', {}, title(kindOf(w.kind) ?? { kind: w.kind, zh: w.kind, en: w.kind, path: '', editing: [], states: [], filters: [], fields: [], acts: [] })), h('td', {}, h('a', { href: place(w.kind, w.id) }, met(w.id)?.name || w.id.slice(-8))), h('td', {}, stateOf(w.kind, w.state)), h('td', {}, w.due && t('deadlineAt', when(w.due))))))) : h('p', { class: 'dim' }, t('noOpenWork')))),
      h('aside', {}, h('section', {}, h('h2', {}, t('signIns')), h('ul', { class: 'plainlist' }, signIns.items.map((/** @type {any} */ s) => h('li', {}, when(s.openedAt), ' ', h('small', {}, s.closedAt ? `${t('until', when(s.closedAt))} · ${label('sessionEnd', s.why ?? '')}` : t('stillOpen'))))), !signIns.items.length && h('p', { class: 'dim' }, t('neverSignedIn'))))),
      h('footer', { class: 'bar' }, h('button', { type: 'button', onclick: edit }, t('change')), account && [h('button', { class: 'plain', type: 'button', onclick: deviceCode }, t('deviceCode')), h('button', { class: 'plain', type: 'button', onclick: passwordCode }, t('passwordCode'))],
        work.items.length > 0 && h('button', { class: 'plain', type: 'button', onclick: handOver }, t('handOver')), p.state === 'active' && h('button', { class: 'plain', type: 'button', onclick: leave }, t('leaves')))]
  }, () => go('/desk/people'))
}

/** Organisations, what their photos take up, and work that was set aside. @type {import('./main.js').Show} */
export function office(into) {
  const fields = /** @type {Field[]} */ ([
    { name: 'code', type: 'text', zh: '代码（小写字母、数字、连字符）', en: 'code (a-z, 0-9, -)', max: 40, required: true, mine: true },
    { name: 'name', type: 'text', zh: '名称', en: 'name', required: true, mine: true }, { name: 'nameEn', type: 'text', zh: '英文名称', en: 'name in English', mine: true },
    { name: 'region', type: 'region', zh: '行政区划代码', en: 'region (GB/T 2260)', required: true, mine: true },
    { name: 'partners', type: 'org', list: true, zh: '协作组织', en: 'partners', mine: true }])
  return screen(into, async () => {
    const [list, jobs] = await Promise.all([all('/v1/orgs'), all('/v1/jobs')])
    const use = await Promise.all(list.items.map((o) => get(`/v1/orgs/${o.fields.code}/space`).catch(() => null)))
    const make = () => dialog('newOrg', fields, 'new org', async (v) => { await click('/v1/orgs', v); again() })
    const edit = (/** @type {any} */ o) => {
      const mine = [...fields.slice(1), /** @type {Field} */ ({ name: 'spaceLimit', type: 'integer', zh: '照片空间上限（字节）', en: 'limit of space for photos (bytes)', low: 0, high: 1e15, mine: true })]
      dialog('change', mine, 'org ' + o.id, async (v) => {
        const set = difference(mine, o.fields, v)
        if (Object.keys(set).length) await ask('PATCH', '/v1/orgs/' + o.fields.code, { version: o.version, ...set }, { 'Idempotency-Key': crypto.randomUUID() })
        again()
      }, o.fields)
    }
    return [
      h('div', { class: 'title' }, h('a', { class: 'back', href: '/desk/people' }, '‹ ', t('people')), h('h1', {}, t('office')), h('button', { type: 'button', onclick: make }, '+ ', t('newOrg'))),
      h('div', { class: 'queue' }, h('table', { class: 'list' }, h('thead', {}, h('tr', {}, ['org', 'region', 'partners', 'space', 'what'].map((w) => h('th', { scope: 'col' }, t(w))))),
        h('tbody', {}, list.items.map((o, i) => h('tr', {}, h('td', {}, o.fields.name, h('small', {}, o.fields.code)), h('td', {}, o.fields.region), h('td', {}, (o.fields.partners ?? []).join('、')),
          h('td', {}, use[i] && [bytes(use[i].stored), use[i].limit !== null && ` / ${bytes(use[i].limit)}`, use[i].reached > 0 && h('span', { class: 'attention' }, ` ${use[i].reached} %`)]),
          h('td', {}, use[i] && h('button', { class: 'plain', type: 'button', onclick: () => edit(o) }, t('change')))))))),
      h('h2', {}, t('setAside')), jobs.items.length ? h('ul', { class: 'plainlist' }, jobs.items.map((j) => h('li', {}, h('code', {}, j.id), ' ', h('span', { class: 'wrong' }, j.error), h('small', {}, t('triedN', j.tries), ' · ', when(j.since)), ' ',
        h('button', { class: 'plain', type: 'button', onclick: async () => { await click('/v1/jobs/again', { id: j.id }).catch((err) => say(err.message, 'wrong')); again() } }, t('again'))))) : h('p', { class: 'dim' }, t('nothingAside'))]
  }, () => go('/desk/people'))
}
