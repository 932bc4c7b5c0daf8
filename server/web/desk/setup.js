// The first set-up of a server, with the code that stands on its console: the office, and who administers it.

import { ask } from '../lib/client.js'
import { form } from '../lib/form.js'
import { h } from '../lib/view.js'
import { lang, t } from '../lib/words.js'
import { deviceFor } from './signin.js'

/** setUp asks until the office is there, and leaves its administrator signed in. @param {HTMLElement} body @returns {Promise<void>} */
export function setUp(body) {
  return new Promise((resolve) => {
    const frame = h('main', { class: 'alone' }, h('div', { class: 'setup' }, h('h1', {}, t('setUp')), h('p', {}, t('setUpWhy')), form({
      fields: [
        { name: 'code', type: 'text', zh: '控制台上的初始化代码', en: 'code on the console', required: true, mine: true },
        { name: 'orgName', type: 'text', zh: '单位名称', en: 'name of the organisation', required: true, mine: true },
        { name: 'orgCode', type: 'text', zh: '单位代码（小写字母、数字、连字符，不能再改）', en: 'its code (a-z, 0-9, -; never changed)', max: 40, required: true, mine: true },
        { name: 'region', type: 'region', zh: '行政区划代码（GB/T 2260）', en: 'its region (GB/T 2260)', required: true, mine: true },
        { name: 'name', type: 'text', zh: '您的姓名', en: 'your name', max: 50, required: true, mine: true },
        { name: 'login', type: 'text', zh: '登录名', en: 'your sign-in name', required: true, mine: true },
        { name: 'password', type: 'password', zh: '密码（至少 12 个字符）', en: 'your password (at least 12 characters)', required: true, mine: true },
      ],
      key: 'set-up', submit: t('setUp'), cancel: () => location.reload(),
      done: async (v) => {
        const device = { id: deviceFor(v.login), name: t('officeComputer'), platform: 'web' }
        const made = await ask('POST', '/v1/setup', { code: v.code, org: { code: v.orgCode, name: v.orgName, region: v.region }, name: v.name, login: v.login, password: v.password, device })
        await ask('POST', '/v1/auth/browser', { login: v.login, password: v.password, device })
        // The session that the set-up itself gave is for a program; this page has one of its own.
        await ask('POST', '/v1/auth/sign-out', undefined, { Authorization: 'Bearer ' + made.accessToken }).catch(() => {})
        localStorage.setItem('login', v.login)
        frame.remove()
        resolve()
      },
    })))
    document.documentElement.lang = lang() === 'zh' ? 'zh-CN' : 'en'
    body.append(frame)
  })
}
