// A first afternoon: a fresh server becomes an office by the screens alone. The set-up with the code of the console, people with their codes,
// projects, one by hand and two of a table, a site, a template, who may see the site, a clue from its registration to its approval, a small campaign. `node office.mjs BASE
// CODE [PICTURES]`: where a server that nobody has set up serves, and the code that it printed.

import assert from 'node:assert/strict'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { accessible, browse, fits, until } from './browser.mjs'

const [base = '', code = '', pictures = ''] = process.argv.slice(2)
if (pictures) mkdirSync(pictures, { recursive: true })
const { browser, faults, open } = await browse()

/** labelled finds the input that bears a label, in the form that lies on top. */
const labelled = (page, label) => page.locator('dialog[open] form, main form.fields').last().getByLabel(new RegExp('^' + label.replace(/[().]/g, '\\$&') + '( \\*)?$'), { exact: true }).last()
async function fill(page, values) {
  for (const [label, value] of Object.entries(values)) {
    const input = labelled(page, label)
    if (await input.evaluate((e) => e.tagName) !== 'SELECT') { await input.fill(value); continue }
    await until(page, ([e, v]) => [...e.options].some((o) => o.label === v || o.value === v), [await input.elementHandle(), value])
    await input.selectOption({ label: value })
  }
}
const press = (page, name) => page.getByRole('button', { name: new RegExp('^(\\+ )?' + name) }).last().click()
/** submit sends the form on top and waits until it is gone, or fails with what the form says. */
async function submit(page, name) {
  const form = page.locator('dialog[open] form, main form.fields').last()
  assert.deepEqual(await form.evaluate((f) => [...f.querySelectorAll('input:invalid, select:invalid, textarea:invalid')].map((e) => e.labels?.[0]?.textContent ?? e.name)), [], name + ': to be filled in')
  await form.getByRole('button', { name, exact: true }).click()
  await until(page, () => !document.querySelector('dialog[open] form button:disabled, main form.fields button:disabled'))
  const wrong = await page.locator('form .wrong:not(:empty)').allTextContents()
  assert.deepEqual(wrong, [], name)
}
let pics = 0
async function looked(page, name) {
  await accessible(page, name)
  await fits(page, name)
  if (pictures) await page.screenshot({ path: join(pictures, `office-${++pics}-${name}.png`), fullPage: true })
}
const state = (page, want) => until(page, (w) => document.querySelector('.title .state')?.textContent === w, want)

// The set-up.
const { page: admin } = await open({ locale: 'zh-CN' })
await admin.goto(base)
await admin.waitForSelector('form.fields')
await looked(admin, 'set-up')
await fill(admin, { 控制台上的初始化代码: 'AAAA-AAAA-AAAA-AAAA', 单位名称: '七星关区纪委监委', '单位代码（小写字母、数字、连字符，不能再改）': 'qixingguan', '行政区划代码（GB/T 2260）': '520502', 您的姓名: '何俊杰', 登录名: 'he', '密码（至少 12 个字符）': 'four words of nothing in common' })
await press(admin, '初始化')
await admin.waitForSelector('form .wrong:not(:empty)')
assert.equal(await labelled(admin, '单位名称').inputValue(), '七星关区纪委监委', 'what was typed, after a wrong code')
await fill(admin, { 控制台上的初始化代码: code })
await press(admin, '初始化')
await admin.waitForSelector('header nav')

// People, each with a password and a code that is shown once.
const people = {}
for (const [login, name, role] of [['chen', '陈静怡', '监督室'], ['liang', '梁敏仪', '案管室'], ['zheng', '郑浩然', '承办部门'], ['zhou', '周文博', '分管领导'], ['li', '李志远', '检查人员']]) {
  await admin.goto(base + '/desk/people')
  await press(admin, '新增人员')
  await fill(admin, { 姓名: name, 登录名: login })
  await press(admin, '角色')
  await fill(admin, { 角色: role })
  await submit(admin, '新增人员')
  await admin.waitForSelector('dialog[open] code.code')
  if (login === 'chen') await looked(admin, 'codes')
  const [, password, once] = await admin.locator('dialog[open] code.code').allTextContents()
  people[login] = { name, password, once }
  await press(admin, '已转交')
}
await admin.goto(base + '/desk/people')
await until(admin, () => document.querySelectorAll('tbody tr').length === 6)

/** as signs somebody in on a computer of their own, which is new to the server. */
async function as(login) {
  const { page } = await open({ locale: 'zh-CN' })
  await page.goto(base)
  await page.fill('#in-login', login)
  await page.fill('#in-password', people[login].password)
  await page.keyboard.press('Enter')
  await page.waitForSelector('#in-code:visible')
  await page.fill('#in-code', people[login].once)
  await page.keyboard.press('Enter')
  await page.waitForSelector('header nav')
  return page
}
async function make(page, path, values, more) {
  await page.goto(`${base}/desk/new/${path}`)
  await page.waitForSelector('form.fields')
  await fill(page, values)
  await more?.()
  await submit(page, '保存')
  await page.waitForSelector('.title .state')
}
async function command(page, name, values = {}, before) {
  await page.locator('footer').getByRole('button', { name: new RegExp('^' + name) }).click()
  await page.waitForSelector('dialog[open] form')
  await fill(page, values)
  await before?.()
  await submit(page, name)
  await page.waitForSelector('dialog', { state: 'detached' })
}

// Reference data: a project, a site that is drawn on the map, a template, and who may see the site.
const chen = await as('chen')
await make(chen, 'projects', { 项目编号: 'QXG-2026-001', 名称: '长冲村通组路硬化', 类型: '基础设施', 县区: '520502', '预算（元）': '1200000' })
await state(chen, '申报')
await command(chen, '变更阶段', { 变更为: '批复' })
await state(chen, '批复')
await make(chen, 'sites', { 名称: '长冲村通组路', 项目: '长冲村通组路硬化', 地区: '520502', '半径（米）': '150' }, async () => {
  await chen.getByPlaceholder('纬度').first().fill('27.3021')
  await chen.getByPlaceholder('经度').first().fill('105.2874')
})
await command(chen, '启用')
await state(chen, '有效')
await chen.waitForSelector('svg.map')
await chen.locator('summary', { hasText: '谁能看到' }).click()
await press(chen, '授权查看')
await fill(chen, { 人员: '李志远', 理由: '参加本次检查' })
await submit(chen, '保存')
await until(chen, () => [...document.querySelectorAll('details td')].some((d) => d.textContent.includes('李志远')))
await looked(chen, 'site')
await make(chen, 'templates', { 标题: '道路检查', 版本: '1' }, async () => {
  for (const [n, [id, zh, type]] of [['exists', '道路是否存在', '是否'], ['width', '路面宽度（米）', '数字']].entries()) {
    await chen.getByRole('button', { name: '+ 检查事项' }).click()
    const row = chen.locator('form.fields > fieldset > .rows > .row').nth(n)
    await row.locator('input').nth(0).fill(id)
    await row.locator('textarea').first().fill(zh)
    await row.locator('select').first().selectOption({ label: type })
  }
  await looked(chen, 'template')
})
await command(chen, '发布')
await state(chen, '已发布')

// A table becomes projects: what is wrong stands in its cell, the rest is made, and the same file again makes nothing twice.
const table = Buffer.from('项目编号,名称,类型,县区,预算（元）\nQXG-2026-002,凉水小学宿舍楼,教育,520502,"800,000"\nQXG-2026-003,冷链仓储中心,工厂,52,很多\nQXG-2026-004,蔬菜大棚,产业,520502,350000\n')
const projects = () => chen.evaluate(async () => (await (await fetch('/v1/projects')).json()).items.length)
for (let i = 0; i < 2; i++) {
  await chen.goto(base + '/desk/import')
  await chen.setInputFiles('#file', { name: '项目.csv', mimeType: 'text/csv', buffer: table })
  await chen.waitForSelector('tr[data-row]')
  assert.equal(await chen.locator('td.fault').count(), 3, 'cells with a fault')
  if (i === 0) await looked(chen, 'import')
  await press(chen, '导入 2 行')
  await until(chen, () => document.querySelectorAll('.came a').length === 2)
  assert.equal(await projects(), 3, 'projects')
}

// Two people change one record at once: the second sees what the first wrote, and nothing is overwritten unseen.
const second = await chen.context().newPage()
await chen.goto(base + '/desk/list/projects')
await chen.locator('tbody a', { hasText: '长冲村' }).first().click()
await state(chen, '批复')
await second.goto(chen.url())
await state(second, '批复')
await second.keyboard.press('e')
await fill(second, { 用途: '方便出行' })
await chen.keyboard.press('e')
await fill(chen, { 用途: '方便运输' })
await submit(chen, '保存')
await second.locator('dialog[open] form').getByRole('button', { name: '保存' }).click()
await second.waitForSelector('dialog[open] dl.facts')
assert((await second.textContent('dialog[open] dl.facts')).includes('方便运输'), 'what the other wrote is shown')
assert.equal(await labelled(second, '用途').inputValue(), '方便出行', 'what was typed is still there')
await second.locator('dialog[open] form').getByRole('button', { name: '保存' }).click()
await second.waitForSelector('dialog', { state: 'detached' })
await until(second, () => document.querySelector('main')?.textContent.includes('方便出行'))

// A clue goes from hand to hand.
const liang = await as('liang')
await make(liang, 'clues', { 标题: '工程款付入个人账户', 来源: '信访', 摘要: '第二笔款付入个人账户' })
await command(liang, '登记编号')
await state(liang, '已登记')
await command(liang, '分办', { 承办人: '郑浩然' })
await state(liang, '已分办')
const clue = liang.url()
const zheng = await as('zheng')
await until(zheng, () => document.querySelector('main')?.textContent.includes('工程款付入个人账户'))
await looked(zheng, 'start')
await zheng.goto(clue)
await state(zheng, '已分办')
await zheng.locator('footer').getByRole('button', { name: '拟处置' }).click()
await zheng.locator('dialog[open] select').first().selectOption({ index: 1 })
await zheng.locator('dialog[open] form').locator('input, textarea').last().fill('款项去向待查')
await submit(zheng, '拟处置')
await state(zheng, '拟处置')
const zhou = await as('zhou')
await zhou.locator('a.tile', { hasText: '拟处置' }).click()
await zhou.locator('tbody a').first().click()
await command(zhou, '批准处置')
await state(zhou, '已批准')
await looked(zhou, 'clue')

// A small campaign: planned, its seed announced, drawn, approved by the leader, run.
await make(chen, 'campaigns', { 标题: '通组路回头看', 开始: new Date(Date.now() + 8 * 3600_000).toISOString().slice(0, 10), 结束: new Date(Date.now() + 30 * 86400_000).toISOString().slice(0, 10), 模板: '道路检查' }, async () => {
  await chen.getByRole('button', { name: '+ 层' }).click()
  const row = chen.locator('.rows .row').first()
  await row.locator('select').first().selectOption({ label: '从未抽查的地方' })
  await row.locator('input[type=number]').first().fill('1')
})
await chen.waitForSelector('#seed-here')
await chen.fill('#seed-here', '6 1 3 3 5')
await until(chen, () => document.querySelector('#seed-here + code')?.textContent.length === 64)
const hash = await chen.textContent('#seed-here + code')
await command(chen, '公布种子产生办法', { 种子的哈希: hash })
await until(chen, () => document.querySelector('main')?.textContent.includes('种子的哈希'))
await command(chen, '抽样', { '已公布哈希的种子，或公开摇号的号码': '6 1 3 3 5' })
await zhou.goto(chen.url())
await command(zhou, '批准')
await state(zhou, '已批准')
await chen.goto(chen.url())
await command(chen, '启动')
await state(chen, '进行中')
await until(chen, () => document.querySelector('main')?.textContent.includes('长冲村通组路'))
await looked(chen, 'campaign')

assert.deepEqual(faults, [])
await browser.close()
console.log('an office from its set-up to a running campaign, by the screens alone')
