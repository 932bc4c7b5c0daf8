// Where the photos were taken: the site with its radius, its photo points, and the photos with their accuracy, to scale. No tiles: a map
// service would learn where the office looks.

import { svg } from '../lib/view.js'
import { t } from '../lib/words.js'

const size = 300 // px of the drawing

/**
 * map draws what is known of a place. Without any position it is empty.
 * @param {{site?: any, photos: any[], position?: {lat: number, lon: number}}} of position is the middle where the site has none
 */
export function map({ site, photos, position }) {
  const centre = site?.fields.position ?? position
  if (!centre) return svg('svg', { width: 0, height: 0 })
  const radius = site?.fields.radius ?? 100
  // GCJ-02 is drawn by what the server made of it in WGS-84.
  const put = photos.map((/** @type {any} */ p) => ({ at: p.fields.facts?.places?.[0]?.wgs84 ?? p.fields.position, accuracy: p.fields.position?.accuracy ?? 0, name: p.fields.caption ?? '' })).filter((p) => p.at)
  const points = Object.values(site?.fields.photoPoints ?? {}).filter((/** @type {any} */ p) => p.position)
  const metres = (/** @type {any} */ p) => [(p.lon - centre.lon) * 111320 * Math.cos(centre.lat * Math.PI / 180), (centre.lat - p.lat) * 110574]
  const reach = Math.max(radius, ...put.flatMap((p) => metres(p.at).map(Math.abs))) * 1.15
  const scale = size / 2 / reach
  const xy = (/** @type {any} */ p) => metres(p).map((m) => /** @type {number} */ (m) * scale + size / 2)
  const circle = (/** @type {any} */ p, /** @type {number} */ r, /** @type {string} */ c, /** @type {string} */ name) => {
    const [cx, cy] = xy(p)
    return svg('circle', { cx, cy, r, class: c }, svg('title', {}, name))
  }
  const step = [5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 50000, 100000].find((s) => s * scale > 40) ?? 100000
  return svg('svg', { class: 'map', viewBox: `0 0 ${size} ${size}`, role: 'img', 'aria-label': t('mapOf') },
    circle(centre, radius * scale, 'site', site?.fields.name ?? t('site')),
    points.map((/** @type {any} */ p) => circle(p.position, 5, 'point', p.label)),
    put.map((p) => [circle(p.at, Math.max(2, p.accuracy * scale), 'accuracy', p.name), circle(p.at, 3.5, 'photo', p.name)]),
    svg('path', { class: 'rule', d: `M10 ${size - 10}h${step * scale}` }), svg('text', { x: 10, y: size - 16 }, t('metres', step)))
}
