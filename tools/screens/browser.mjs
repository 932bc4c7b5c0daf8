// A real browser for the stories: how one is opened, waited for, and looked at. NODE_PATH is not read by modules, so FIELDCLUE_NODE_MODULES
// names where the packages lie.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'

const require = createRequire(join(process.env.FIELDCLUE_NODE_MODULES ?? '', 'x.js'))
const { chromium } = require('playwright-core')
const axe = readFileSync(require.resolve('axe-core/axe.min.js'), 'utf8')

/** browse starts a browser. faults are what pages have thrown, or were refused by their own policy: a story ends with none. */
export async function browse(args = []) {
  const executablePath = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync)
  assert(executablePath, 'there is no Chromium on this machine')
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox', '--disable-dev-shm-usage', ...args] })
  const faults = []
  /** open begins a browser of its own, as a person has it. */
  async function open(options) {
    const context = await browser.newContext({ viewport: { width: 1366, height: 800 }, ...options })
    const page = await context.newPage()
    page.on('pageerror', (e) => faults.push(`${page.url()}: ${e.message}`))
    page.on('console', (m) => { if (m.type() === 'error' && /Content Security|Uncaught|TypeError/.test(m.text())) faults.push(m.text()) })
    return { context, page }
  }
  return { browser, faults, open }
}

/** until asks a page again and again: its policy forbids what waitForFunction does. */
export async function until(page, says, arg) {
  for (let tries = 0; tries < 600; tries++) {
    if (await page.evaluate(says, arg).catch(() => false)) return // it may be on its way to the next page
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
  assert.fail('not so after 30 s: ' + says)
}
/** accessible looks for violations of WCAG 2.2 AA on what is shown. axe runs in a world of its own: the page's policy lets nothing in. */
export async function accessible(page, where) {
  const cdp = await page.context().newCDPSession(page)
  const { frameTree } = await cdp.send('Page.getFrameTree')
  const { executionContextId: contextId } = await cdp.send('Page.createIsolatedWorld', { frameId: frameTree.frame.id, worldName: 'axe' })
  const run = `${axe};axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']})
    .then((r) => r.violations.map((v) => v.id + ': ' + v.help + ' ' + v.nodes.map((n) => n.html.slice(0, 120)).join(' | ')))`
  const { result, exceptionDetails } = await cdp.send('Runtime.evaluate', { contextId, expression: run, awaitPromise: true, returnByValue: true })
  assert.equal(exceptionDetails, undefined)
  assert.deepEqual(result.value, [], where)
}
/** fits holds that nothing sticks out to the right from a phone's width to a wide screen's. */
export async function fits(page, where) {
  const size = page.viewportSize()
  for (const width of [360, 768, 1366, 1920]) {
    await page.setViewportSize({ width, height: 800 })
    const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth)
    assert(over <= 0, `${where}: ${over} px too wide at ${width}`)
  }
  await page.setViewportSize(size)
}
