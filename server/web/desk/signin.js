// Signing in. Over a screen that is open it lies as a dialog, so nothing that was typed is lost.

import { ask, Refused } from '../lib/client.js'
import { h, show } from '../lib/view.js'
import { t } from '../lib/words.js'

/** deviceFor is the id of this browser for a person's sign-in name: a device belongs to one person. @param {string} login */
export function deviceFor(login) {
  const key = 'device ' + login.trim().toLowerCase()
  let id = localStorage.getItem(key)
  if (!id) {
    id = newID()
    localStorage.setItem(key, id)
  }
  return id
}

/** newID makes a UUID of version 7 (RFC 9562), the form of every id here. */
function newID() {
  const b = crypto.getRandomValues(new Uint8Array(16))
  const now = Date.now()
  for (let i = 0; i < 6; i++) b[i] = Math.floor(now / 256 ** (5 - i)) % 256
  b[6] = 0x70 | ((b[6] ?? 0) & 0x0f)
  b[8] = 0x80 | ((b[8] ?? 0) & 0x3f)
  const hex = Array.from(b, (x) => x.toString(16).padStart(2, '0')).join('')
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join('-')
}

/**
 * A link of the demo signs in with one click. What stands behind # is sent to nobody, and it is heard on the machine itself alone: a
 * link from elsewhere signs nobody in as somebody else.
 */
function offered() {
  const given = new URLSearchParams(location.hash.slice(1))
  history.replaceState(null, '', location.pathname)
  if (!['localhost', '127.0.0.1', '[::1]'].includes(location.hostname) || !given.get('login')) return null
  return { login: given.get('login') ?? '', password: given.get('password') ?? '', device: given.get('device') ?? '' }
}

/**
 * signIn asks until somebody is signed in, and gives the id of who it is.
 * @param {HTMLElement} body
 * @param {boolean} [over] what is on the screen stays under it
 * @returns {Promise<string>}
 */
export function signIn(body, over = false) {
  return new Promise((resolve) => {
    const wrong = h('p', { class: 'wrong', role: 'alert' })
    const input = (/** @type {string} */ name, /** @type {any} */ props = {}) => /** @type {HTMLInputElement} */ (h('input', { name, id: 'in-' + name, required: true, ...props }))
    const login = input('login', { autocomplete: 'username', autocapitalize: 'none', spellcheck: 'false', value: localStorage.getItem('login') ?? '' })
    const password = input('password', { type: 'password', autocomplete: 'current-password' })
    const code = input('code', { autocomplete: 'one-time-code', required: false })
    const first = h('div', { hidden: true }, h('label', { for: 'in-code' }, t('code')), code, h('small', {}, t('codeWhy')))
    const button = /** @type {HTMLButtonElement} */ (h('button', {}, t('signIn')))
    const enter = async (/** @type {string} */ id) => {
      button.disabled = true
      show(wrong)
      try {
        const answer = await ask('POST', '/v1/auth/browser', {
          login: login.value, password: password.value, device: { id, name: t('officeComputer'), platform: 'web' },
          ...(code.value.trim() ? { code: code.value.trim() } : {}),
        })
        localStorage.setItem('login', login.value)
        frame.remove()
        resolve(answer.user.id)
      } catch (err) {
        show(wrong, /** @type {Error} */ (err).message)
        button.disabled = false
        if (err instanceof Refused && err.code === 'device_not_enrolled' && first.hidden) { // this computer is new to the person
          first.hidden = false
          code.focus()
        } else password.select()
      }
    }
    const form = h('form', { class: 'signin', onsubmit: (/** @type {Event} */ e) => { e.preventDefault(); enter(deviceFor(login.value)) } },
      h('h1', {}, t('desk')), over && h('p', {}, t('signInAgain')),
      h('label', { for: 'in-login' }, t('login')), login,
      h('label', { for: 'in-password' }, t('password')), password,
      first,
      wrong, button)
    const frame = over ? h('dialog', { class: 'signin' }, form) : h('main', { class: 'alone' }, form)
    frame.addEventListener('cancel', (e) => e.preventDefault())
    body.append(frame)
    if (frame instanceof HTMLDialogElement) frame.showModal()
    const demo = over ? null : offered()
    if (demo) {
      login.value = demo.login
      password.value = demo.password
      localStorage.setItem('device ' + demo.login, demo.device)
      enter(demo.device)
    }
    (login.value ? password : login).focus()
  })
}
