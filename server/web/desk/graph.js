// The graph of a clue as a picture: the clue at the left, what hangs on it in columns by how far away it is.

import { kindOf, place, title } from '../lib/kinds.js'
import { h, svg } from '../lib/view.js'
import { label, t } from '../lib/words.js'

/** others are relations that no link has: what a record says of itself. */
const others = /** @type {Record<string, string>} */ ({ evidence: 'asEvidence', report: 'ofReport', merged: 'mergedInto' })

const wide = 150, high = 34, gapX = 70, gapY = 12

/**
 * graph draws nodes and edges, with a list of the same for who does not see pictures.
 * @param {{nodes: any[], edges: any[]}} g
 * @param {string} root
 */
export function graph(g, root) {
  /** @type {Map<string, number>} */
  const far = new Map([[root, 0]])
  for (let grown = true; grown;) {
    grown = false
    for (const e of g.edges) {
      for (const [a, b] of [[e.from, e.to], [e.to, e.from]]) {
        const d = far.get(a)
        if (d !== undefined && !far.has(b)) { far.set(b, d + 1); grown = true }
      }
    }
  }
  /** @type {any[][]} */
  const columns = []
  for (const n of g.nodes) (columns[far.get(n.id) ?? 1] ??= []).push(n)
  /** @type {Map<string, {x: number, y: number}>} */
  const at = new Map()
  columns.forEach((column, x) => column.sort((a, b) => a.kind.localeCompare(b.kind)).forEach((n, y) => at.set(n.id, { x: x * (wide + gapX), y: y * (high + gapY) })))
  const width = Math.max(1, columns.length) * (wide + gapX) - gapX, height = Math.max(...columns.map((c) => c?.length ?? 0), 1) * (high + gapY)
  const relation = (/** @type {string} */ r) => (others[r] ? t(others[r] ?? '') : label('relation', r))
  const nameOf = (/** @type {any} */ n) => (n.visible ? n.label || '' : t('notForYou'))
  const kindName = (/** @type {string} */ kind) => { const k = kindOf(kind); return k ? title(k) : label('evidenceKind', kind) }
  const short = (/** @type {string} */ s) => (s.length > 11 ? s.slice(0, 10) + '…' : s)
  return h('div', { class: 'graph' },
    svg('svg', { viewBox: `-2 -2 ${width + gapX} ${height + 4}`, width: width + gapX, height, 'aria-hidden': 'true' },
      g.edges.map((e) => {
        const a = at.get(e.from), b = at.get(e.to)
        if (!a || !b) return null
        const [l, r] = a.x <= b.x ? [a, b] : [b, a]
        const x1 = l.x + wide, y1 = l.y + high / 2, x2 = l.x === r.x ? r.x + wide : r.x, y2 = r.y + high / 2
        return svg('g', {}, svg('path', { class: 'edge ' + e.relation, d: `M${x1} ${y1} C${x1 + gapX / 2} ${y1} ${x2 - (l.x === r.x ? -gapX / 2 : gapX / 2)} ${y2} ${x2} ${y2}` }),
          svg('text', { class: 'relation', x: (x1 + x2) / 2, y: (y1 + y2) / 2 - 3, 'text-anchor': 'middle' }, relation(e.relation)))
      }),
      g.nodes.map((n) => {
        const p = at.get(n.id)
        const box = [svg('rect', { x: p?.x, y: p?.y, width: wide, height: high, rx: 4, class: n.id === root ? 'root' : n.visible ? '' : 'unseen' }),
          svg('text', { x: (p?.x ?? 0) + 8, y: (p?.y ?? 0) + 14, class: 'kind' }, kindName(n.kind)), svg('text', { x: (p?.x ?? 0) + 8, y: (p?.y ?? 0) + 28 }, short(nameOf(n)))]
        return n.visible && n.id !== root ? svg('a', { href: place(n.kind, n.id), tabindex: -1 }, box) : svg('g', {}, box)
      })),
    h('details', {}, h('summary', {}, t('asList')), h('ul', { class: 'plainlist' }, g.nodes.filter((n) => n.id !== root).map((n) => h('li', {}, kindName(n.kind), ' ',
      n.visible ? h('a', { href: place(n.kind, n.id) }, nameOf(n) || n.id.slice(-8)) : h('span', { class: 'dim' }, nameOf(n)), ' ',
      h('small', {}, g.edges.filter((e) => e.from === n.id || e.to === n.id).map((e) => relation(e.relation)).join('、')))))))
}
