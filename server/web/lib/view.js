// Elements, made by hand: text is always text, so nothing that was written in the field can become markup.

/**
 * @typedef {Node | string | number | null | undefined | false | '' | any[]} Child
 * @typedef {Record<string, any>} Props
 */

/**
 * h makes an element. Of the props, `on…` are listeners, `class` and what else is no function are attributes; true is an attribute
 * without a value, and false, null and undefined are left out.
 * @param {string} tag
 * @param {Props} [props]
 * @param {...Child} children
 * @returns {HTMLElement}
 */
export function h(tag, props = {}, ...children) {
  return /** @type {HTMLElement} */ (fill(document.createElement(tag), props, children))
}

/**
 * svg makes an element of a drawing.
 * @param {string} tag
 * @param {Props} [props]
 * @param {...Child} children
 */
export function svg(tag, props = {}, ...children) {
  return fill(document.createElementNS('http://www.w3.org/2000/svg', tag), props, children)
}

/**
 * @param {Element} el
 * @param {Props} props
 * @param {Child[]} children
 */
function fill(el, props, children) {
  for (const [name, value] of Object.entries(props)) {
    if (name.startsWith('on')) el.addEventListener(name.slice(2), value)
    else if (value === true) el.setAttribute(name, '')
    else if (value !== false && value !== null && value !== undefined) el.setAttribute(name, String(value))
  }
  for (const child of children.flat(Infinity)) {
    if (child !== null && child !== undefined && child !== false) el.append(child instanceof Node ? child : String(child))
  }
  return el
}

/**
 * show replaces what an element holds.
 * @param {Element} el
 * @param {...Child} children
 */
export function show(el, ...children) {
  el.replaceChildren()
  fill(el, {}, children)
}

/**
 * typing reports whether the focus is where letters are text.
 * @param {EventTarget | null} target
 */
export function typing(target) {
  return target instanceof HTMLElement && (target.isContentEditable || ['INPUT', 'TEXTAREA', 'SELECT'].includes(target.tagName))
}
