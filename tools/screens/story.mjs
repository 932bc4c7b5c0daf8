// A supervisor's work in a real browser, with the keyboard alone: signs in, looks, returns, approves; the link is cut, the session ends, and
// nothing that was typed is lost. `node story.mjs LINK... [PICTURES]`: the links are those to the desk that the demo prints, PICTURES is a folder
// for pictures of every screen in both languages and themes.

import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { accessible, browse, fits, until } from './browser.mjs'

const links = Object.fromEntries(process.argv.slice(2).filter((a) => a.includes('#')).map((l) => [new URLSearchParams(new URL(l).hash.slice(1)).get('login'), l]))
const pictures = process.argv.slice(2).find((a) => !a.includes('#')) ?? ''
const link = links['chen.supervisor'] ?? '', inspector = links['li.inspector'] ?? ''
const base = new URL(link).origin
if (pictures) mkdirSync(pictures, { recursive: true })

// Every word that a screen says is there, and every word that is there is said.
const web = new URL('../../server/web/', import.meta.url).pathname
const sources = ['desk', 'lib'].flatMap((d) => readdirSync(join(web, d)).map((f) => readFileSync(join(web, d, f), 'utf8'))).join('\n')
const known = [...readFileSync(join(web, 'lib/words.js'), 'utf8').matchAll(/^ {2}(\w+): \['(?:[^'\\]|\\.)+', '(?:[^'\\]|\\.)+'\],$/gm)].map((m) => m[1])
const quoted = new Set([...sources.matchAll(/'(\w+)'/g)].map((m) => m[1]))
assert(known.length > 100, `${known.length} words`)
assert.deepEqual(known.filter((w) => !quoted.has(w)), [], 'words that no screen says')
const unknown = [...sources.matchAll(/\b(?:t|section|fact|button)\('(\w+)'|word: '(\w+)'/g)].map((m) => m[1] ?? m[2]).filter((w) => !known.includes(w))
assert.deepEqual(unknown, [], 'words that are not there')

const { browser, faults, open } = await browse()
const looked = async (page, name) => {
  await accessible(page, name)
  await fits(page, name)
  if (pictures) await page.screenshot({ path: join(pictures, name + '.png') })
}

// Every screen, in both languages and themes. Nothing is decided.
for (const [locale, colorScheme] of [['zh-CN', 'light'], ['zh-CN', 'dark'], ['en-GB', 'light'], ['en-GB', 'dark']]) {
  const { context, page } = await open({ locale, colorScheme })
  const name = (n) => `${n}-${locale.slice(0, 2)}-${colorScheme}`
  await page.goto(base)
  await page.waitForSelector('form')
  await looked(page, name('sign-in'))
  await page.goto('about:blank')
  await page.goto(link)
  await page.waitForSelector('.queue tbody tr')
  assert(!page.url().includes('password'), 'the link stays in the address')
  assert.equal(await page.evaluate(() => document.cookie), '', 'a script can read the session')
  await looked(page, name('queue'))
  for (const [key, tab] of [['2', 'returned'], ['3', 'decided']]) {
    await page.keyboard.press(key)
    await page.waitForSelector('.queue tbody tr, .empty')
    await looked(page, name(tab))
  }
  await page.keyboard.press('i')
  await page.waitForSelector('.notices, .empty')
  await looked(page, name('inbox-empty'))
  await page.keyboard.press('q')
  await page.waitForSelector('.tabs')
  await page.keyboard.press('1')
  await page.waitForSelector('.queue tbody tr')
  await page.keyboard.press('Enter')
  await page.waitForSelector('.items li')
  await until(page, () => [...document.images].every((i) => i.complete || i.loading === 'lazy'))
  await looked(page, name('review'))
  await page.keyboard.press('p')
  await page.waitForSelector('.viewer img')
  for (const key of ['v', 'i', '+', 'ArrowRight']) await page.keyboard.press(key)
  await looked(page, name('viewer'))
  await page.keyboard.press('Escape')
  await page.keyboard.press('?')
  await looked(page, name('keys'))
  await page.keyboard.press('Escape')
  await page.waitForSelector('dialog', { state: 'detached' })
  await page.keyboard.press('a')
  await page.waitForSelector('dialog[open]')
  await looked(page, name('approve'))
  await page.keyboard.press('Escape')
  await context.close()
}

// Records of every kind, as those see them whose work they are.
const walks = {
  'chen.supervisor': ['start', 'records', 'list/campaigns', 'campaign/$campaigns', 'site/$sites', 'project/$projects', 'template/$templates', 'new/templates', 'new/sites', 'list/findings?state=classified', 'finding/$findings', 'list/flags', 'interview/$interviews'],
  'liang.clues': ['start', 'list/clues', 'clue/$clues', 'new/clues', 'list/registers'],
  'zhou.leader': ['start', 'clue/$clues', 'list/mandates'],
  'he.admin': ['start', 'people', 'people/$people', 'office'],
}
let screens = 0
for (const [login, paths] of Object.entries(walks)) {
  const { context, page } = await open({ locale: 'zh-CN' })
  await page.goto(links[login])
  await page.waitForSelector('header nav')
  for (const where of paths) {
    const list = /\$(\w+)/.exec(where)?.[1]
    const id = list && await page.evaluate(async (l) => (await (await fetch('/v1/' + l)).json()).items[0]?.id, list)
    const path = '/desk/' + where.replace('$' + list, id)
    for (const [language, dark] of [['zh', false], ['en', true]]) {
      await page.evaluate((l) => localStorage.setItem('lang', l), language)
      await page.emulateMedia({ colorScheme: dark ? 'dark' : 'light' })
      await page.goto(base + path)
      await page.waitForSelector('main h1')
      await until(page, (loading) => ![...document.querySelectorAll('main .dim')].some((d) => loading.includes(d.textContent) && d.checkVisibility()), ['读取中…', 'Loading…'])
      await page.evaluate(() => document.querySelectorAll('main details').forEach((d) => { /** @type {any} */ (d).open = true }))
      await until(page, (loading) => ![...document.querySelectorAll('main .dim')].some((d) => loading.includes(d.textContent)), ['读取中…', 'Loading…'])
      assert.equal(await page.locator('main .wrong[role=alert]').count(), await page.locator('main form .wrong[role=alert]').count(), 'a fault on ' + path)
      await looked(page, `${login.split('.')[1]}-${where.split(/[/?$]/).slice(0, 2).join('-')}-${language}`)
      if (language === 'en') {
        const chinese = await page.evaluate(() => [...document.querySelectorAll('h2, th, dt, label, legend, button, .state, header a')].filter((e) => e.textContent !== '中文' && /[\u4e00-\u9fff]/.test(e.textContent) && !e.closest('.phone')).map((e) => e.textContent))
        assert.deepEqual(chinese, [], 'not translated on ' + path)
      }
      screens++
    }
  }
  await context.close()
}

// The work: one report goes back with a comment that outlives a cut link, a reload and the end of the session; the other is approved.
const { context, page } = await open({ locale: 'zh-CN' })
await page.goto(link)
await page.waitForSelector('.queue tbody tr')
const rows = await page.locator('.queue tbody tr').count()
assert.equal(rows, 2, 'reports that wait')
// A filter is kept by the keyboard: what was typed narrows the list, and Escape leaves the field.
await page.keyboard.press('/')
await page.keyboard.type('没有这样的地方')
await page.waitForSelector('.empty')
await page.keyboard.press('Control+a')
await page.keyboard.press('Delete')
await page.keyboard.press('Escape')
await until(page, () => document.querySelectorAll('.queue tbody tr').length === 2)
// g and a letter lead to a place, from everywhere.
for (const [key, path] of [['l', '/desk/records'], ['i', '/desk/inbox'], ['q', '/desk']]) {
  await page.keyboard.press('g')
  await page.keyboard.press(key)
  await until(page, (p) => location.pathname === p, path)
}
await page.waitForSelector('.queue tbody tr')
let keys = 0
const press = async (key) => { keys++; await page.keyboard.press(key) }
await press('Enter')
await page.waitForSelector('.items li')
const first = page.url()
await press('j')
await press('c')
const comment = '请补拍公示牌正面'
await page.keyboard.type(comment)
await page.keyboard.press('Escape')

await context.setOffline(true)
await press('r')
await page.waitForSelector('dialog[open]')
await press('Enter')
await page.waitForSelector('.said[data-kind=wrong]:not(:empty)')
await page.waitForSelector('dialog', { state: 'detached' })
assert.equal(await page.inputValue('textarea'), comment, 'the comment after a cut')
await context.setOffline(false)
await page.reload()
await page.waitForSelector('textarea')
assert.equal(await page.inputValue('textarea'), comment, 'the comment after a reload')

const cookies = await context.cookies()
assert.equal(cookies.length, 1)
assert(cookies[0].httpOnly && cookies[0].secure && cookies[0].sameSite === 'Strict' && cookies[0].name.startsWith('__Host-'))
await context.clearCookies()
await press('r')
await page.waitForSelector('dialog[open]')
await press('Enter')
await page.waitForSelector('dialog.signin[open]')
assert.equal(await page.inputValue('.items textarea'), comment, 'the comment when the session had ended')
const given = new URLSearchParams(new URL(link).hash.slice(1))
await page.fill('#in-login', given.get('login'))
await page.fill('#in-password', given.get('password'))
await page.keyboard.press('Enter')
await page.waitForSelector('dialog.signin', { state: 'detached' })

await press('r')
await page.waitForSelector('dialog[open]')
await press('Enter')
await until(page, (was) => location.href !== was && document.querySelector('.items li') !== null, first)
assert(page.url().includes('/desk/reports/'), 'the next report stands there at once')
await press('a')
await page.waitForSelector('dialog[open]')
await press('Enter')
await page.waitForSelector('.empty')
await press('2')
await page.waitForSelector('.queue tbody tr')
assert.equal(await page.locator('.queue tbody tr').count(), 1, 'what is with the inspector')
const report = await page.evaluate(async (id) => (await fetch('/v1/reports/' + id)).json(), first.split('/').at(-1))
assert.equal(report.report.state, 'returned')
assert.deepEqual(report.items.filter((i) => i.returned).map((i) => i.returned), [comment])

// The inspector finds what came back on top of the inbox, with the comment, and the number in the head falls when it was read.
if (inspector) {
  const { page: other } = await open({ locale: 'zh-CN' })
  await other.goto(inspector)
  await other.waitForSelector('header nav')
  await other.keyboard.press('i')
  await other.waitForSelector('.notices > li')
  await looked(other, 'inbox')
  assert((await other.textContent('.notices > li')).includes(comment), 'the comment is in the inbox')
  const unread = await other.locator('.notices > li[data-unread]').count()
  await other.keyboard.press('m')
  await until(other, (n) => document.querySelectorAll('.notices > li[data-unread]').length === n - 1, unread)
  await until(other, (n) => document.querySelector('header nav')?.textContent.includes(String(n - 1)), unread)
}
assert.deepEqual(faults, [])
await browser.close()
console.log(`screens: ${known.length} words in two languages; 10 screens of reviewing and ${screens / 2} of records and administration in 2 languages and themes without violation, at 4 widths; two reports decided with ${keys} keys beside the text`)
