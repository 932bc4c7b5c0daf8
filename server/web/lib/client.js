// Asking the server. The session is a cookie that no script sees; every refusal comes in the problem format, in both languages.

import { lang, t } from './words.js'

/** Refused is what the server says when it does not do what was asked, or that it could not be reached. */
export class Refused extends Error {
  /**
   * @param {number} status 0: the server was not reached
   * @param {string} code
   * @param {string} message
   */
  constructor(status, code, message) {
    super(message)
    this.status = status
    this.code = code
  }
}

const patience = 30_000 // ms for one request

/**
 * ask does one request. On 401 the event `signed-out` is sent to the window, and what is on the screen stays.
 * @param {string} method
 * @param {string} path
 * @param {any} [body]
 * @param {Record<string, string>} [headers]
 * @returns {Promise<any>}
 */
export async function ask(method, path, body, headers = {}) {
  const init = { method, headers: { ...headers }, signal: AbortSignal.timeout(patience) }
  if (body !== undefined) {
    init.headers['Content-Type'] = 'application/json'
    Object.assign(init, { body: JSON.stringify(body) })
  }
  let response
  try {
    response = await fetch(path, init)
  } catch {
    throw new Refused(0, 'offline', t('offline'))
  }
  if (response.status === 204) return null
  let answer = null
  try {
    answer = await response.json()
  } catch {
    if (response.ok) throw new Refused(0, 'offline', t('offline')) // cut in the middle
  }
  if (response.ok) return answer
  if (response.status === 401 && !path.startsWith('/v1/auth/')) window.dispatchEvent(new Event('signed-out'))
  const message = answer ? (lang() === 'zh' ? answer.detailZh : answer.detail) : t('serverFailed', response.status)
  throw new Refused(response.status, answer?.code ?? 'unknown', message)
}

/** @param {string} path */
export const get = (path) => ask('GET', path)

/**
 * click does what a button says, exactly once: it is repeated under the same key when the answer is lost.
 * @param {string} path
 * @param {any} body
 */
export async function click(path, body) {
  const headers = { 'Idempotency-Key': crypto.randomUUID() }
  for (let attempt = 0; ; attempt++) {
    try {
      return await ask('POST', path, body, headers)
    } catch (err) {
      if (!(err instanceof Refused) || (err.status !== 0 && err.status !== 503) || attempt === 2) throw err
      await new Promise((resolve) => setTimeout(resolve, 500 * 2 ** attempt))
    }
  }
}

/**
 * all reads a list to its end.
 * @param {string} path
 * @param {number} [most]
 */
export async function all(path, most = 1000) {
  const items = []
  let after = ''
  do {
    const page = await get(path + (path.includes('?') ? '&' : '?') + 'limit=100' + (after && '&after=' + encodeURIComponent(after)))
    items.push(...page.items)
    after = page.next ?? ''
  } while (after && items.length < most)
  return { items, more: after !== '' }
}

/**
 * seldom runs something at most once in some time, however often it is asked for; the last time that it is asked for is not forgotten.
 * @param {() => void} run
 * @param {number} ms
 */
export function seldom(run, ms) {
  let timer = 0, due = 0
  return () => { timer ||= window.setTimeout(() => { timer = 0; due = Date.now() + ms; run() }, Math.max(0, due - Date.now())) }
}

/**
 * listen calls back when something that the person may see was written, at most once a second, and opens the stream again when it ends. A
 * stream begins with how everything stands, so what was written while there was none is heard of too.
 * @param {() => void} changed
 * @returns {() => void} ends it
 */
export function listen(changed) {
  let timer = 0, again = 0
  /** @type {EventSource} */
  let source
  const open = () => {
    source = new EventSource('/v1/sync/events')
    source.onmessage = () => {
      if (timer) return
      timer = window.setTimeout(() => { timer = 0; changed() }, 1000)
    }
    // A stream that was refused, because many were open, is given up by the browser.
    source.onerror = () => { if (source.readyState === EventSource.CLOSED) again = window.setTimeout(open, 10_000) }
  }
  open()
  return () => { clearTimeout(timer); clearTimeout(again); source.close() }
}
