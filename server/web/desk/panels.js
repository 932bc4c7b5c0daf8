// What the page of a record shows besides, for the kinds that have more: a panel each, in the order in which they stand.

import { all, click, get, Refused } from '../lib/client.js'
import { every, kindOf, meet, met, name, place } from '../lib/kinds.js'
import { field, form } from '../lib/form.js'
import { link, shown } from '../lib/value.js'
import { h, show } from '../lib/view.js'
import { bytes, label, lang, stateOf, t, when } from '../lib/words.js'
import { graph } from './graph.js'
import { say } from './main.js'
import { map } from './map.js'

/**
 * @typedef {{el: HTMLElement, changed?: () => void}} Panel
 * @typedef {{refresh: () => void, may: string[]}} Page
 */

/** @type {Record<string, ((r: any, page: Page) => Panel)[]>} */
const byKind = {
  clue: [evidence, connections, takeAlong, seers],
  site: [placeOf, seers],
  campaign: [progress, seers],
  photo: [picture, rests, similar, hands],
  conflict: [sides],
  parked: [meant],
  template: [preview],
}

/** @param {any} r @param {Page} page @returns {Panel[]} */
export const panels = (r, page) => (byKind[r.kind] ?? []).map((p) => p(r, page))

/**
 * panel is a section that reads what it shows, and says when it cannot.
 * @param {string} word
 * @param {(box: HTMLElement) => Promise<void>} fill
 * @param {boolean} [closed] it is read when somebody opens it
 * @returns {Panel}
 */
function panel(word, fill, closed = false) {
  const box = h('div', {}, h('p', { class: 'dim' }, t('loading')))
  let begun = false
  const read = async () => {
    begun = true
    try { await fill(box) } catch (err) {
      show(box, err instanceof Refused && (err.status === 403 || err.status === 404) ? h('p', { class: 'dim' }, t('notForYou')) : h('p', { class: 'wrong' }, /** @type {Error} */ (err).message))
    }
  }
  if (!closed) read()
  const el = closed ? h('details', { ontoggle: () => { if (!begun) read() } }, h('summary', {}, t(word)), box) : h('section', {}, h('h2', {}, t(word)), box)
  return { el, changed: () => { if (begun) read() } }
}

/** dialog shows something over the page. @param {string} title @param {(close: () => void) => HTMLElement} content */
function dialog(title, content) {
  const d = /** @type {HTMLDialogElement} */ (h('dialog', { 'aria-label': title, class: 'wide' }, h('h2', {}, title)))
  d.append(content(() => d.close()))
  d.addEventListener('close', () => d.remove())
  document.body.append(d)
  d.showModal()
}

// --- clues ---

/** evidence is what is tied to a clue, each with what may be done about it. @param {any} r @returns {Panel} */
function evidence(r) {
  const spec = kindOf('link')
  const relation = spec?.fields.find((f) => f.name === 'relation')
  const self = panel('evidence', async (box) => {
    const { items } = await all(`/v1/clues/${r.id}/links`)
    await meet(items)
    const mine = spec?.acts.filter((a) => a.mine) ?? []
    show(box,
      items.length ? h('ul', { class: 'plainlist' }, items.map((l) => h('li', {},
        h('span', { class: 'state', 'data-state': l.state }, stateOf('link', l.state)), ' ',
        name(relation?.choices?.find((c) => c.code === l.fields.relation) ?? { name: l.fields.relation }), ' ', link(l.fields.targetId, l.fields.targetKind),
        h('small', {}, label('evidenceKind', l.fields.targetKind), l.fields.why && ' · ', l.fields.why, l.fields.withdrawReason && ` · ${l.fields.withdrawReason}`),
        l.fields.discredited && h('small', { class: 'attention' }, t('discredited')),
        h('div', { class: 'acts' }, mine.filter((a) => !a.from?.length || a.from.includes(l.state)).map((a) => h('button', { class: 'plain', type: 'button', onclick: () => decide(l, a) }, name(a))))))) : h('p', { class: 'dim' }, t('noEvidence')),
      !['merged', 'voided', 'received'].includes(r.state) && h('button', { class: 'plain', type: 'button', onclick: add }, '+ ', t('linkEvidence')))
  })
  const decide = async (/** @type {any} */ l, /** @type {import('../lib/kinds.js').Act} */ a) => {
    const send = async (/** @type {any} */ args) => { await click(`/v1/links/${l.id}/${a.verb}`, { version: l.version, ...args }); self.changed?.() }
    if (a.args?.length) dialog(name(a), (close) => form({ fields: a.args ?? [], key: a.verb + ' ' + l.id, submit: name(a), cancel: close, done: async (args) => { await send(args); close() } }))
    else await send({}).catch((err) => say(err.message, 'wrong'))
  }
  const add = () => dialog(t('linkEvidence'), (close) => form({
    fields: [
      { name: 'targetKind', type: 'enum', zh: '证据种类', en: 'kind of evidence', choices: spec?.fields.find((f) => f.name === 'targetKind')?.choices ?? [], required: true, mine: true },
      { name: 'targetId', type: 'text', zh: '证据编号（可从其页面地址复制）', en: 'id of the evidence (the end of its page\'s address)', required: true, mine: true },
      { name: 'relation', type: 'enum', zh: relation?.zh ?? '', en: relation?.en ?? '', choices: relation?.choices ?? [], required: true, mine: true },
      { name: 'why', type: 'text', zh: '理由', en: 'why', max: 1000, mine: true },
    ],
    key: 'link ' + r.id, submit: t('linkEvidence'), cancel: close,
    done: async (v) => {
      const id = String(v.targetId).trim().split('/').at(-1)
      await click(`/v1/clues/${r.id}/links`, { ...v, targetId: id })
      close()
      self.changed?.()
    },
  }))
  return self
}

/** connections is the graph of a clue. @param {any} r @returns {Panel} */
function connections(r) {
  return panel('graph', async (box) => {
    const g = await get(`/v1/clues/${r.id}/graph`)
    show(box, graph(g, r.id), g.cut && h('p', { class: 'attention' }, t('more')))
  })
}

/** takeAlong makes the file of a case and hands it over. @param {any} r @returns {Panel} */
function takeAlong(r) {
  const said = h('p', { role: 'status', class: 'dim' })
  const button = /** @type {HTMLButtonElement} */ (h('button', { class: 'plain', type: 'button', onclick: async () => {
    button.disabled = true
    show(said, t('exporting'))
    try {
      const answer = await fetch(`/v1/clues/${r.id}/export`, { method: 'POST', headers: { 'Idempotency-Key': crypto.randomUUID() } })
      if (!answer.ok || !answer.body) { const p = await answer.json(); throw new Error(p[lang() === 'zh' ? 'detailZh' : 'detail']) }
      const parts = [], reader = answer.body.getReader()
      let size = 0
      for (;;) {
        const { done, value } = await reader.read()
        if (done) break
        parts.push(value)
        size += value.length
        show(said, t('exportedSoFar', bytes(size)))
      }
      const url = URL.createObjectURL(new Blob(parts, { type: 'application/zip' }))
      const file = /filename="?([^";]+)/.exec(answer.headers.get('Content-Disposition') ?? '')?.[1] ?? 'case.zip'
      const a = /** @type {HTMLAnchorElement} */ (h('a', { href: url, download: file }))
      a.click()
      setTimeout(() => URL.revokeObjectURL(url), 60_000)
      show(said, t('exported', bytes(size)), ' ', h('code', { class: 'hash' }, (answer.headers.get('ETag') ?? '').replace(/"/g, '')))
    } catch (err) { show(said, h('span', { class: 'wrong' }, err instanceof TypeError ? t('offline') : /** @type {Error} */ (err).message)) }
    button.disabled = false
  } }, t('exportCase')))
  return { el: h('section', {}, h('h2', {}, t('caseFile')), h('p', { class: 'dim' }, t('exportWhy')), button, said) }
}

// --- who sees it ---

const ways = /** @type {Record<string, string>} */ ({ role: 'by_role', grant: 'by_grant', mandate: 'by_mandate' })

/** seers is who can see a record's scope, since when and why, and how more people come to see it. @param {any} r @returns {Panel} */
function seers(r) {
  const scope = `${r.kind}/${r.id}`
  const self = panel('whoSees', async (box) => {
    const [list, recusals] = await Promise.all([get('/v1/access?scope=' + scope), all('/v1/recusals?state=active&scope=' + scope)])
    show(box, h('table', { class: 'list' }, h('thead', {}, h('tr', {}, ['person', 'because', 'since'].map((w) => h('th', { scope: 'col' }, t(w))))),
      h('tbody', {}, list.items.map((/** @type {any} */ s) => h('tr', {}, h('td', {}, s.person.name ?? '…', s.recused && h('small', { class: 'attention' }, t('recused'))),
        h('td', {}, t(ways[s.by] ?? 'by_role'), h('small', {}, s.why || s.roles.map((/** @type {string} */ x) => label('role', x)).join('、'))),
        h('td', {}, when(s.since), s.until && h('small', {}, t('until', when(s.until))), s.grant && kindOf('grant')?.acts.some((a) => a.verb === 'end' && a.mine) && h('button', { class: 'plain', type: 'button', onclick: () => end('grants', s.grant) }, t('end'))))))),
    list.cut && h('p', { class: 'attention' }, t('more')),
    h('div', { class: 'acts' }, h('button', { class: 'plain', type: 'button', onclick: () => give('grants') }, '+ ', t('giveAccess')), h('button', { class: 'plain', type: 'button', onclick: () => give('recusals') }, '+ ', t('recuse'))),
    recusals.items.map((/** @type {any} */ x) => h('p', {}, t('recused'), ': ', met(x.fields.userId)?.name ?? x.fields.userId.slice(-8), ' · ', x.fields.why, ' ', h('button', { class: 'plain', type: 'button', onclick: () => end('recusals', x.id) }, t('end')))))
  }, true)
  const people = every().length ? /** @type {import('../lib/kinds.js').Field} */ ({ name: 'userId', type: 'id', of: 'person', zh: '人员', en: 'person', required: true, mine: true }) : null
  const give = (/** @type {string} */ path) => dialog(t(path === 'grants' ? 'giveAccess' : 'recuse'), (close) => form({
    fields: [...(people ? [people] : []), { name: 'why', type: 'text', zh: '理由', en: 'why', required: true, mine: true },
      ...(path === 'grants' ? [/** @type {import('../lib/kinds.js').Field} */ ({ name: 'until', type: 'time', zh: '截止', en: 'until', mine: true })] : [])],
    key: path + ' ' + r.id, submit: t('save'), cancel: close,
    done: async (v) => { await click('/v1/' + path, { ...v, scope }); close(); self.changed?.() },
  }))
  const end = (/** @type {string} */ path, /** @type {string} */ id) => dialog(t('end'), (close) => form({
    fields: kindOf(path.slice(0, -1))?.acts.find((a) => a.verb === 'end')?.args ?? [], key: 'end ' + id, submit: t('end'), cancel: close,
    done: async (v) => {
      const { version } = await get('/v1/records/' + id)
      await click(`/v1/${path}/${id}/end`, { version, ...v })
      close()
      self.changed?.()
    },
  }))
  return self
}

// --- places ---

/** placeOf draws where a site lies, and the points from which it is photographed. @param {any} r @returns {Panel} */
function placeOf(r) {
  return panel('map', async (box) => {
    const page = await get(`/v1/sites/${r.id}/page`)
    const photos = page.shown.find((/** @type {any} */ s) => s.kind === 'photo')?.items ?? []
    show(box, map({ site: r, photos }), photos.length > 0 && h('div', { class: 'photos' }, photos.filter((/** @type {any} */ p) => p.fields.small).slice(0, 8).map((/** @type {any} */ p) => h('a', { class: 'thumb', href: place('photo', p.id) },
      h('img', { src: `/v1/photos/${p.id}/small`, alt: p.fields.caption || t('photo'), loading: 'lazy', width: 160, height: 120 }), h('span', {}, when(p.fields.takenAt))))))
  })
}

// --- campaigns ---

/** progress is how far a campaign has come, by stratum, and how its sample was drawn. @param {any} r @returns {Panel} */
function progress(r) {
  return panel('progress', async (box) => {
    const p = await get(`/v1/campaigns/${r.id}/progress`)
    await meet(p)
    const sum = (/** @type {Record<string, number>} */ by) => Object.values(by).reduce((a, b) => a + b, 0)
    const row = (/** @type {any} */ s, /** @type {string} */ title) => h('tr', {}, h('th', { scope: 'row' }, title), h('td', { class: 'num' }, `${s.sample} / ${s.frame}`), h('td', { class: 'num' }, `${s.tasks.done ?? 0} / ${sum(s.tasks)}`),
      h('td', {}, h('progress', { max: Math.max(1, sum(s.tasks)), value: s.tasks.done ?? 0, 'aria-label': title })), h('td', { class: s.overdue ? 'num wrong' : 'num' }, s.overdue),
      h('td', {}, Object.entries(s.results).map(([code, n]) => `${label('revisitResult', code)} ${n}`).join(' · ')))
    show(box, h('div', { class: 'queue', tabindex: 0 }, h('table', { class: 'list' }, h('thead', {}, h('tr', {}, ['stratum', 'drawn', 'done', 'progress', 'overdue', 'results'].map((w) => h('th', { scope: 'col' }, t(w))))),
      h('tbody', {}, p.strata.map((/** @type {any} */ s) => row(s, label('stratum', s.stratum))), row(p.total, t('inAll'))))),
    p.cut && h('p', { class: 'attention' }, t('more')),
    p.draws.map((/** @type {any} */ d) => h('dl', { class: 'facts' },
      [['announcedAt', when(d.announcedAt)], ['seedHash', d.seedHash], ['source', d.source], ['drawnAt', d.drawnAt && when(d.drawnAt)], ['given', d.given], ['salt', d.salt], ['seed', d.seed], ['frameHash', d.frameHash], ['sampleHash', d.sampleHash], ['droppedFor', d.droppedFor]]
        .map(([word, v]) => v && [h('dt', {}, t(word)), h('dd', {}, h('code', { class: 'hash' }, v))]))),
    p.draws.length > 0 && h('p', { class: 'dim' }, t('drawAgain')), r.state === 'draft' && hashOf())
  })
}

/** hashOf helps to announce a seed: what is rolled is written down, and its hash is announced before anybody knows the frame. */
function hashOf() {
  const out = h('code', { class: 'hash', 'aria-live': 'polite' })
  const seed = /** @type {HTMLInputElement} */ (h('input', { id: 'seed-here', maxlength: 200, autocomplete: 'off', oninput: async () => {
    const sum = seed.value && await crypto.subtle.digest('SHA-256', new TextEncoder().encode(seed.value))
    show(out, sum ? Array.from(new Uint8Array(sum), (b) => b.toString(16).padStart(2, '0')).join('') : '')
  } }))
  return h('div', { class: 'field' }, h('label', { for: 'seed-here' }, t('seedHere')), seed, out)
}

// --- photos ---

/** @param {any} r @returns {Panel} */
function picture(r) {
  return { el: h('section', {}, h('h2', {}, t('photo')), r.fields.large || r.fields.small
    ? h('a', { href: `/v1/photos/${r.id}/large`, target: '_blank' }, h('img', { class: 'big', src: `/v1/photos/${r.id}/${r.fields.large ? 'large' : 'small'}`, alt: r.fields.caption ?? t('photo') })) : h('p', { class: 'dim' }, t('notHere')),
  r.fields.receipt && h('p', {}, h('a', { href: `/v1/photos/${r.id}/original`, target: '_blank' }, t('original')))) }
}

/** rests is what hangs on a photo: what falls in doubt with it. @param {any} r @returns {Panel} */
function rests(r) {
  return panel('restsOnThis', async (box) => {
    const i = await get(`/v1/photos/${r.id}/impact`)
    const records = [...i.findings, ...(i.others ?? []), ...i.revisits, ...i.clues.map((/** @type {any} */ c) => c.clue ?? { id: c.clueId, kind: 'clue' })]
    await meet(records)
    show(box, i.report && h('p', {}, h('a', { href: place('report', i.report.id) }, t('theReport'))), records.length
      ? h('ul', { class: 'plainlist' }, records.map((x) => h('li', {}, label('evidenceKind', x.kind), ' ', link(x.id, x.kind), x.state && h('small', {}, stateOf(x.kind, x.state))))) : h('p', { class: 'dim' }, t('nothingRests')),
    i.sameBytes.length > 0 && h('p', { class: 'attention' }, t('sameBytes', i.sameBytes.length)))
  })
}

/** similar are photos that look like one, beside it. @param {any} r @returns {Panel} */
function similar(r) {
  return panel('similar', async (box) => {
    const s = await get(`/v1/photos/${r.id}/similar?limit=12`)
    const thumb = (/** @type {any} */ p, /** @type {any} */ said) => h('a', { class: 'thumb', href: place('photo', p.id) }, p.fields.small ? h('img', { src: `/v1/photos/${p.id}/small`, alt: p.fields.caption || t('photo'), width: 160, height: 120 }) : h('span', { class: 'none' }, t('notHere')), h('span', {}, said))
    show(box, s.items.length ? h('div', { class: 'photos' }, s.items.map((/** @type {any} */ i) => thumb(i.photo, [i.samePoint ? t('samePoint') : t('bitsApart', i.distance), h('small', {}, when(i.photo.fields.takenAt))]))) : h('p', { class: 'dim' }, t('nothingSimilar')),
      s.total > s.items.length && h('p', { class: 'dim' }, t('more')))
  })
}

// --- what two people wrote, and what was refused ---

/** sides are the two values of a conflict, beside each other. @param {any} r @returns {Panel} */
function sides(r) {
  const f = r.fields, path = String(f.path ?? '').split('.')[0] ?? ''
  const about = kindOf(f.recordKind)?.fields.find((x) => x.name === path)
  const value = (/** @type {any} */ v) => (about ? shown({ ...about, keyed: false }, v) : shown({ name: path, type: 'json', mine: true }, v)) || '—'
  const side = (/** @type {string} */ word, /** @type {any} */ v, /** @type {string} */ who, /** @type {string} */ at) => h('div', {}, h('h3', {}, t(word)), h('div', { class: 'value' }, value(v)), h('small', {}, who && met(who)?.name, ' · ', at && when(at)))
  return { el: h('section', {}, h('h2', {}, about ? name(about) : f.path), h('p', {}, h('a', { href: place(f.recordKind, f.recordId) }, t('theRecord'))),
    h('div', { class: 'beside' }, side('stands', f.current, f.currentUser, f.currentAt), side('cameLater', f.offered, f.offeredUser, f.offeredAt))) }
}

/** meant is what an operation that was kept would have done, and why it was refused. @param {any} r @returns {Panel} */
function meant(r) {
  const f = r.fields, spec = kindOf(f.recordKind)
  const set = Object.entries(f.operation?.set ?? {})
  return { el: h('section', {}, h('h2', {}, t('wasMeant')), h('p', { class: 'attention' }, lang() === 'zh' ? f.messageZh ?? f.message : f.message),
    f.operation?.command && h('p', {}, spec?.acts.filter((a) => a.verb === f.operation.command).map(name)),
    h('dl', { class: 'facts' }, set.map(([path, v]) => { const about = spec?.fields.find((x) => x.name === (path.split('.')[0] ?? '')); return [h('dt', {}, about ? name(about) : path), h('dd', {}, shown(about && path.includes('.') ? { ...about, keyed: false } : about ?? { name: path, type: 'json', mine: true }, v))] })),
    f.sealed && h('p', { class: 'dim' }, t('isSealed'))) }
}

/** hands is the chain of hands of a photo. @param {any} r @returns {Panel} */
function hands(r) {
  return panel('custody', async (box) => {
    const c = await get(`/v1/photos/${r.id}/custody`)
    await meet(c)
    show(box, h('ol', { class: 'history' }, c.events.map((/** @type {any} */ e) => h('li', {}, h('time', {}, when(e.at)), ' ', h('b', {}, e[lang()]), ' ', e.by?.name))))
  }, true)
}

// --- templates ---

/** preview shows a template as the phone shows it, and what it costs who fills it in. @param {any} r @returns {Panel} */
function preview(r) {
  const items = r.fields.items ?? []
  const photos = items.reduce((/** @type {number} */ n, /** @type {any} */ i) => n + (i.minPhotos ?? 0), 0)
  const must = items.filter((/** @type {any} */ i) => i.required).length
  const seconds = items.reduce((/** @type {number} */ n, /** @type {any} */ i) => n + Math.max(i.minSeconds ?? 0, i.type === 'text' ? 40 : i.type === 'photo' ? 20 : 10) + 20 * (i.minPhotos ?? 0), 0)
  const types = /** @type {Record<string, string>} */ ({ number: 'number', yes_no: 'bool', choice: 'enum', choices: 'enum' })
  return { el: h('section', {}, h('h2', {}, t('preview')), h('p', { class: 'dim' }, t('burden', items.length, must, photos, Math.ceil(seconds / 60))),
    h('div', { class: 'phone' }, items.map((/** @type {any} */ i) => h('div', {}, field({
      name: i.id, type: types[i.type] ?? 'text', zh: i.zh, en: i.en, required: i.required, mine: true, choices: (i.choices ?? []).map((/** @type {string} */ c) => ({ code: c, zh: c, en: c })) }, undefined, () => {}).el,
    h('small', {}, [label('itemType', i.type), i.minPhotos && t('photosN', i.minPhotos), i.redLine && label('redLine', i.redLine)].filter(Boolean).join(' · ')))))) }
}
