// The review of a report: every answer beside its photos, everything else that speaks for or against it beside them, and what is done
// about it at the foot, each with its key.

import { click, get, Refused } from '../lib/client.js'
import { draft, keep } from '../lib/drafts.js'
import { cap, push } from '../lib/keys.js'
import { meet, place } from '../lib/kinds.js'
import { h, show, typing } from '../lib/view.js'
import { label, lang, span, stateOf, t, when } from '../lib/words.js'
import { go, say } from './main.js'
import { map } from './map.js'
import { after, narrowed, noteSeen } from './queue.js'
import { past } from './record.js'
import { viewer } from './viewer.js'

/** @type {import('./main.js').Show} */
export function review(into, id) {
  /** @type {any} */
  let view = null
  /** what the server lets the reader do to it now @type {string[]} */
  let allowed = []
  let at = 0 // which item of the checklist the keys mean
  let gone = false
  const key = 'return ' + id
  /** what is to be said on which item: by its id @type {Record<string, string>} */
  let comments = draft(key) ?? {}

  let later = false // something has changed, and is shown when nobody is in the middle of something
  const busy = () => typing(document.activeElement) || document.querySelector('dialog[open]') !== null
  const news = () => { if (busy()) later = true; else read() }
  const idle = () => setTimeout(() => { if (later && !gone && !busy()) read() })
  into.addEventListener('focusout', idle)

  const read = async () => {
    later = false
    try {
      const [answer, page] = await Promise.all([get('/v1/reports/' + id), get(`/v1/records/${id}/page`)])
      await meet(answer.kept, answer.conflicts)
      if (gone) return
      if (view && busy()) { later = true; return }
      if (JSON.stringify(view) === JSON.stringify(answer) && String(page.may) === String(allowed)) return
      allowed = page.may
      const changed = view && view.report.version !== answer.report.version
      view = answer
      noteSeen(id, view.report.version)
      draw()
      if (changed) say(t('changedMeanwhile'))
    } catch (err) {
      if (gone) return
      if (view) say(/** @type {Error} */ (err).message, 'wrong')
      else show(into, h('p', { class: 'wrong', role: 'alert' }, /** @type {Error} */ (err).message), h('button', { onclick: read }, t('readAgain')), ' ', h('a', { href: '/desk' }, t('backToQueue')))
    }
  }

  /**
   * act sends a click, says what came of it, and reads the report again when somebody was faster.
   * @param {string} command
   * @param {any} body
   * @param {number} [version] that was seen when it was decided
   */
  const act = async (command, body, version = view.report.version) => {
    try {
      await click(`/v1/reports/${id}/${command}`, { version, ...body })
      return true
    } catch (err) {
      say(/** @type {Error} */ (err).message, 'wrong')
      if (err instanceof Refused && err.status === 409) news()
      return false
    }
  }
  const siteName = () => view.site?.fields.name ?? t('site')
  const decided = async (/** @type {string} */ word) => {
    keep(key, null)
    say(t(word, siteName()))
    const next = await after(id).catch(() => '')
    if (gone) return
    if (!next) say(`${t(word, siteName())} ${t(narrowed() ? 'lastOfChosen' : 'lastOfQueue')}`)
    go(next ? '/desk/reports/' + next : '/desk', true)
  }

  const may = {
    take: () => allowed.includes('take'),
    decide: () => allowed.includes('approve') && allowed.includes('return'),
  }
  const take = async () => { if (view && may.take() && await act('take', {})) { say(t('taken')); await read() } }
  const approve = () => { if (view && may.decide()) ask(approval()) }
  const sendBack = () => {
    if (!view || !may.decide()) return
    if (!Object.keys(comments).length) say(t('returnNeeds'), 'wrong')
    else ask(returning())
  }

  /** @param {HTMLElement} dialog */
  const ask = (dialog) => {
    const d = /** @type {HTMLDialogElement} */ (dialog)
    const off = push([])
    d.addEventListener('close', () => { off(); d.remove(); idle() })
    document.body.append(d)
    d.showModal()
  }

  const approval = () => {
    const { approval: a, report: { version } } = view
    const stops = [
      a.missing.length && t('missingN', a.missing.length), a.unexamined.length && t('unexaminedN', a.unexamined.length),
      a.conflicts.length && t('conflictsSay', a.conflicts.length), a.blocking.length && t('blockingN', a.blocking.length)].filter(Boolean)
    const known = [a.high.length && t('highN', a.high.length), view.kept.length && t('keptSay', view.kept.length)].filter(Boolean)
    const dialog = /** @type {HTMLDialogElement} */ (h('dialog', { 'aria-label': t('approve') },
      h('h2', {}, t('approveThis')), h('p', {}, siteName()),
      stops.length ? [h('p', { class: 'wrong' }, t('cannotYet')), h('ul', {}, stops.map((s) => h('li', {}, s)))]
        : known.length ? h('ul', { class: 'attention' }, known.map((s) => h('li', {}, s))) : h('p', { class: 'dim' }, t('nothingOpen')),
      h('div', { class: 'buttons' },
        h('button', { class: 'plain', type: 'button', onclick: () => dialog.close() }, t('cancel')),
        !stops.length && h('button', { type: 'button', autofocus: true, onclick: async () => {
          dialog.close()
          if (await act('approve', a.high.length ? { flags: a.high } : {}, version)) await decided('approved')
        } }, t('approve')))))
    return dialog
  }

  const returning = () => {
    const version = view.report.version
    const soon = new Date(Date.now() + 3 * 86400_000)
    const day = new Intl.DateTimeFormat('en-CA', { timeZone: 'Asia/Shanghai' }).format(soon)
    const until = /** @type {HTMLInputElement} */ (h('input', { type: 'date', id: 'until', value: day, required: true }))
    const items = Object.entries(comments).map(([item, comment]) => ({ item, comment }))
    const dialog = /** @type {HTMLDialogElement} */ (h('dialog', { 'aria-label': t('return') },
      h('form', { onsubmit: async (/** @type {Event} */ e) => {
        e.preventDefault()
        dialog.close()
        if (await act('return', { items, deadline: until.value + 'T18:00:00.000+08:00' }, version)) await decided('returned')
      } },
      h('h2', {}, t('returnThis', items.length)), h('p', {}, siteName()),
      h('dl', {}, items.map((i) => [h('dt', {}, nameOf(i.item)), h('dd', {}, i.comment)])),
      h('label', { for: 'until' }, t('deadline')), until,
      h('div', { class: 'buttons' }, h('button', { class: 'plain', type: 'button', onclick: () => dialog.close() }, t('cancel')), h('button', { autofocus: true }, t('return'))))))
    return dialog
  }

  /** @param {string} item */
  const nameOf = (item) => { const found = view.items.find((/** @type {any} */ i) => i.item.id === item)?.item; return found ? (lang() === 'en' && found.en) || found.zh : item }
  const person = (/** @type {string} */ who) => view.people.find((/** @type {any} */ p) => p.id === who)?.name ?? ''

  /** photos are all photos of the report in the order of the screen, each with the item that it belongs to. */
  const photos = () => [
    ...view.items.flatMap((/** @type {any} */ i) => i.photos.map((/** @type {any} */ p) => ({ photo: p, item: nameOf(i.item.id) }))),
    ...view.otherPhotos.map((/** @type {any} */ p) => ({ photo: p, item: t('otherPhotos') }))]
  /** @param {string} first */
  const look = (first) => {
    const list = photos()
    const start = list.findIndex((p) => p.photo.id === first)
    if (list.length) viewer(list, Math.max(0, start), view.photoPoints)
  }

  // --- what is drawn ---

  const draw = () => {
    const y = window.scrollY
    show(into, head(), h('div', { class: 'review' }, h('div', { class: 'answers' }, answers()), h('aside', {}, beside())), foot())
    window.scrollTo(0, y)
    move(at, false)
  }

  const head = () => {
    const f = view.report.fields
    return h('div', { class: 'title' },
      h('a', { href: '/desk', class: 'back' }, '‹ ', t('queue')),
      h('h1', {}, siteName()),
      h('p', {}, h('span', { class: 'state', 'data-state': view.report.state }, stateOf('report', view.report.state)), ' ', view.project?.fields.name, ' · ', h('a', { href: `/desk/report/${id}` }, t('wholeRecord')), ' · ',
        (f.inspectors ?? []).map(person).filter(Boolean).join('、'), ' · ', when(f.startedAt)))
  }

  const answers = () => [
    view.report.fields.summary && h('section', { class: 'summary' }, h('h2', {}, t('summary')), h('p', {}, view.report.fields.summary)),
    h('h2', {}, t('answers')),
    h('ol', { class: 'items' }, view.items.map(item)),
    view.otherPhotos.length > 0 && h('section', {}, h('h2', {}, t('otherPhotos')), h('div', { class: 'photos' }, view.otherPhotos.map(thumb)))]

  /** @param {any} i @param {number} n */
  const item = (i, n) => {
    const id = i.item.id
    const box = h('div', { class: 'comment' })
    const begin = may.decide() && h('button', { class: 'plain', type: 'button', onclick: () => edit(true) }, t('comment'))
    const edit = (/** @type {boolean} */ focus) => {
      if (begin) begin.hidden = true
      const area = /** @type {HTMLTextAreaElement} */ (h('textarea', {
        rows: 2, maxlength: 2000, 'aria-label': t('commentOn', nameOf(id)), placeholder: t('comment'),
        oninput: () => {
          if (area.value.trim()) comments[id] = area.value
          else delete comments[id]
          keep(key, Object.keys(comments).length ? comments : null)
          count()
        },
        onblur: () => { if (!area.value.trim()) closed() },
      }))
      area.value = comments[id] ?? ''
      show(box, area)
      if (focus) area.focus()
    }
    const closed = () => { show(box); if (begin) begin.hidden = false }
    if (comments[id] !== undefined) edit(false)
    const li = h('li', { 'data-item': id, onclick: () => move(n, false) },
      h('div', { class: 'words' }, h('div', { class: 'question' }, h('span', { class: 'n' }, n + 1), h('span', {}, nameOf(id)), begin),
      h('div', { class: 'answer' }, said(i.answer), i.answer?.note && h('small', {}, i.answer.note),
        i.previousAnswer && h('small', { class: 'dim' }, t('lastVisit', text(i.previousAnswer))),
        i.returned && h('small', { class: 'attention' }, t('lastReturned', i.returned))), box),
      i.photos.length > 0 && h('div', { class: 'photos' }, i.photos.map(thumb)))
    li.addEventListener('comment', () => edit(true))
    return li
  }

  /** @param {any} a */
  const text = (a) => {
    if (!a) return t('notAnswered')
    if (a.cannotObtain) return t('cannotObtain', a.cannotObtain)
    if (a.value === true) return t('yes')
    if (a.value === false) return t('no')
    return Array.isArray(a.value) ? a.value.join('、') : a.value === undefined ? t('notAnswered') : String(a.value)
  }
  /** @param {any} a */
  const said = (a) => h('p', { class: !a || a.value === undefined ? 'attention' : null }, text(a))

  /** @param {any} p */
  const thumb = (p) => h('button', { class: 'thumb', type: 'button', onclick: () => look(p.id), 'aria-label': `${t('photo')}: ${p.fields.caption ?? ''}` },
    p.fields.small ? h('img', { src: `/v1/photos/${p.id}/small`, alt: '', loading: 'lazy', width: 160, height: 120 }) : h('span', { class: 'none' }, t('notHere')),
    h('span', {}, p.fields.caption),
    view.flags.some((/** @type {any} */ f) => f.fields.targetId === p.id && f.state === 'raised') && h('span', { class: 'dot', title: t('flagsOpen') }))

  const beside = () => [
    section('flags', view.flags.length ? view.flags.map(flag) : h('p', { class: 'dim' }, t('noFlags'))),
    view.conflicts.length > 0 && section('conflictsTitle', h('p', { class: 'attention' }, t('conflictsSay', view.conflicts.length)),
      view.conflicts.map((/** @type {any} */ c) => h('p', {}, h('a', { href: place('conflict', c.id) }, c.fields.path ?? c.fields.field ?? t('open'))))),
    view.kept.length > 0 && section('keptTitle', h('p', { class: 'attention' }, t('keptSay', view.kept.length)),
      view.kept.map((/** @type {any} */ k) => h('p', {}, h('a', { href: place('parked', k.id) }, label('code', k.fields.code ?? ''), ' · ', when(k.createdAt))))),
    view.findings.length > 0 && section('findings', view.findings.map((/** @type {any} */ f) => h('article', {},
      h('h3', {}, h('a', { href: place('finding', f.id) }, f.fields.title)), h('p', {}, f.fields.facts),
      h('small', {}, [label('findingSeverity', f.fields.severity ?? ''), f.fields.redLine && label('redLine', f.fields.redLine), f.fields.violation && label('violation', f.fields.violation)].filter(Boolean).join(' · '))))),
    view.interviews.length > 0 && section('interviews', view.interviews.map(interview)),
    section('map', map({ site: view.site, photos: photos().map((p) => p.photo), position: view.report.fields.position })),
    view.works && section('works', h('dl', { class: 'facts' }, [['paid', 'paidPercent'], ['built', 'builtPercent'], ['planned', 'plannedPercent']].map(([word, field]) =>
      view.works[field ?? ''] !== undefined && [h('dt', {}, t(word ?? '')), h('dd', {}, view.works[field ?? ''] + ' %')]))),
    section('times', times()),
    view.previous && section('before', h('p', {}, when(view.previous.startedAt), ' ', view.previous.summary)),
    past(view.report),
  ]

  /** @param {any} i */
  const interview = (i) => h('article', {},
    h('h3', {}, h('a', { href: place('interview', i.id) }, i.fields.alias), i.fields.stratum && h('small', {}, label('household', i.fields.stratum))),
    i.fields.cadrePresent && h('p', { class: 'attention' }, t('cadrePresent')),
    i.fields.consent && !i.fields.consent.given && h('p', { class: 'attention' }, t('noConsent')),
    i.fields.text && h('p', {}, i.fields.text), h('small', {}, when(i.fields.startedAt), ' – ', when(i.fields.endedAt)))

  /** @param {string} word @param {...any} content */
  const section = (word, ...content) => h('section', {}, h('h2', {}, t(word)), content.flat())

  const times = () => {
    const f = view.report.fields
    return h('table', { class: 'times' },
      h('thead', {}, h('tr', {}, h('td', {}), h('th', { scope: 'col' }, t('deviceTime')), h('th', { scope: 'col' }, t('serverTime')))),
      h('tbody', {},
        h('tr', {}, h('th', { scope: 'row' }, t('startedAt')), h('td', {}, when(f.startedAt)), h('td', {}, '—')),
        h('tr', {}, h('th', { scope: 'row' }, t('endedAt')), h('td', {}, when(f.endedAt)), h('td', {}, '—')),
        h('tr', {}, h('th', { scope: 'row' }, t('submittedAt')), h('td', {}, '—'), h('td', {}, when(f.submittedAt),
          f.endedAt && f.submittedAt && h('small', {}, '+', span((Date.parse(f.submittedAt) - Date.parse(f.endedAt)) / 1000))))))
  }

  /** @param {any} f */
  const flag = (f) => {
    const open = f.state === 'raised'
    const box = h('div', {})
    const begin = () => {
      const reason = /** @type {HTMLInputElement} */ (h('input', { 'aria-label': t('reason'), placeholder: t('reason'), maxlength: 1000, required: true, value: draft('flag ' + f.id) ?? '',
        oninput: () => keep('flag ' + f.id, reason.value || null) }))
      const decide = async (/** @type {string} */ decision) => {
        if (!reason.reportValidity()) return
        try {
          await click(`/v1/flags/${f.id}/decide`, { version: f.version, decision, reason: reason.value })
          keep('flag ' + f.id, null)
        } catch (err) { say(/** @type {Error} */ (err).message, 'wrong') }
        await read()
      }
      show(box, h('form', { class: 'decide', onsubmit: (/** @type {Event} */ e) => e.preventDefault() }, reason,
        ['confirmed', 'explained', 'false_alarm'].map((d) => h('button', { class: 'plain', type: 'button', onclick: () => decide(d) }, label('flagDecision', d)))))
      reason.focus()
    }
    if (open && may.decide()) {
      if (draft('flag ' + f.id)) begin()
      else show(box, h('button', { class: 'plain', type: 'button', onclick: begin }, t('decideFlag')))
    }
    const about = photos().find((p) => p.photo.id === f.fields.targetId)
    return h('article', { class: 'flag' }, h('span', { class: 'severity s' + ['info', 'review', 'high', 'blocking'].indexOf(f.fields.severity) }, label('flagSeverity', f.fields.severity)),
      h('p', {}, f.fields[lang()] || label('flagCode', f.fields.code), ' ', about && h('button', { class: 'link', type: 'button', onclick: () => look(about.photo.id) }, about.photo.fields.caption || t('photo'))),
      !open && h('small', {}, label('flagDecision', f.fields.decision ?? ''), ' · ', f.fields.reason), box)
  }

  const counted = h('span', {})
  const count = () => {
    const n = Object.keys(comments).length
    show(counted, n > 0 && ` (${n})`)
  }
  const foot = () => {
    count()
    return h('footer', { class: 'bar' },
      may.take() && h('button', { onclick: take }, t('take'), cap('t')),
      may.decide() && [h('button', { onclick: approve }, t('approve'), cap('a')), h('button', { class: 'plain', onclick: sendBack }, t('return'), counted, cap('r'))],
      h('span', { class: 'dim' }, cap('j'), cap('k'), ' ', t('answers'), ' · ', cap('c'), ' ', t('comment'), ' · ', cap('p'), ' ', t('photo'), ' · ', cap('?'), ' ', t('keys')))
  }

  const lines = () => /** @type {HTMLElement[]} */ ([...into.querySelectorAll('.items > li')])
  /** @param {number} to @param {boolean} [scroll] */
  const move = (to, scroll = true) => {
    at = Math.max(0, Math.min(lines().length - 1, to))
    lines().forEach((l, i) => l.toggleAttribute('data-at', i === at))
    if (scroll) lines()[at]?.scrollIntoView({ block: 'nearest' })
  }

  show(into, h('p', { class: 'dim' }, t('loading')))
  read()
  const off = push([
    { key: 'j', word: 'nextItem', run: () => move(at + 1), repeat: true }, { key: 'k', word: 'previousItem', run: () => move(at - 1), repeat: true },
    { key: 'c', word: 'writeComment', run: () => { if (may.decide()) lines()[at]?.dispatchEvent(new Event('comment')) } },
    { key: 'p', word: 'firstPhoto', run: () => view && look(view.items[at]?.photos[0]?.id ?? '') },
    { key: 't', word: 'take', run: take }, { key: 'a', word: 'approve', run: approve }, { key: 'r', word: 'return', run: sendBack },
    { key: 'n', word: 'next', run: async () => { const next = await after(id).catch(() => ''); if (next) go('/desk/reports/' + next) } },
    { key: 'Escape', word: 'backToQueue', run: () => go('/desk') },
  ])
  return { changed: news, leave: () => { gone = true; off(); into.removeEventListener('focusout', idle) } }
}
