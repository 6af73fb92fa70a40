// What a page shows of its faults by itself. This function runs in the page, so it uses nothing from outside.

export function faults() {
  const found = []
  const root = document.documentElement
  const shown = (element) => element.checkVisibility({ visibilityProperty: true }) && element.getClientRects().length > 0
  const all = (selector) => [...document.querySelectorAll(selector)].filter(shown)
  const short = (text) => `"${text.trim().replace(/\s+/g, ' ').slice(0, 40)}"`

  if (root.scrollWidth > root.clientWidth) found.push(`the page is ${root.scrollWidth} px wide, the window ${root.clientWidth}`)
  for (const box of all('.scroll')) {
    if (box.scrollWidth > box.clientWidth) found.push(`a table is ${box.scrollWidth} px wide, its place ${box.clientWidth}`)
  }
  if (document.querySelectorAll('h1').length !== 1) found.push('there is not exactly one h1')
  if (!root.lang || !document.title) found.push('the page has no language or no title')
  const ids = [...document.querySelectorAll('[id]')].map((element) => element.id)
  for (const id of new Set(ids.filter((each, index) => ids.indexOf(each) !== index))) found.push(`the id ${id} is there twice`)
  for (const image of document.images) {
    if (!image.complete || image.naturalWidth === 0) found.push(`an image does not load: ${image.src}`)
    if (!image.hasAttribute('alt')) found.push(`an image says nothing: ${image.src}`)
  }
  for (const field of all('input:not([type=hidden]), select, textarea')) {
    const named = field.labels.length > 0 || field.getAttribute('aria-label') || field.getAttribute('aria-labelledby')
    if (!named) found.push(`no label for ${field.tagName.toLowerCase()} ${field.name}`)
  }
  for (const control of all('button, summary, a[href]')) {
    if (!control.innerText.trim() && !control.getAttribute('aria-label')) found.push(`no name for ${control.outerHTML.slice(0, 60)}`)
  }
  for (const control of all('button, .button, summary, select, input:not([type=hidden]), nav a')) {
    // A label is hit like its field.
    const fits = [control, ...(control.labels ?? [])].map((each) => each.getBoundingClientRect())
    if (!fits.some(({ width, height }) => width >= 24 && height >= 24)) found.push(`${short(control.innerText || control.name || control.tagName)} is too small to hit`)
  }

  // Colours: [red, green, blue, alpha], however they are written.
  const canvas = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true })
  const colour = (text) => {
    canvas.clearRect(0, 0, 1, 1)
    canvas.fillStyle = text
    canvas.fillRect(0, 0, 1, 1)
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data
    return [red, green, blue, alpha / 255]
  }
  const over = (top, below) => [0, 1, 2].map((each) => top[each] * top[3] + below[each] * (1 - top[3])).concat(1)
  const behind = (element) => {
    if (element === null) return colour(getComputedStyle(root).colorScheme.startsWith('dark') ? '#121212' : '#fff')
    const own = colour(getComputedStyle(element).backgroundColor)
    return own[3] === 1 ? own : over(own, behind(element.parentElement))
  }
  const light = ([red, green, blue]) => {
    const [r, g, b] = [red, green, blue].map((each) => (each / 255 <= 0.04045 ? each / 3294.6 : ((each / 255 + 0.055) / 1.055) ** 2.4))
    return 0.2126 * r + 0.7152 * g + 0.0722 * b
  }
  const contrast = (one, other) => {
    const [low, high] = [light(one), light(other)].sort((a, b) => a - b)
    return (high + 0.05) / (low + 0.05)
  }
  const judge = (element, style, text) => {
    const ground = behind(element)
    const ink = over(colour(element instanceof SVGElement ? style.fill : style.color), ground)
    const size = parseFloat(style.fontSize)
    const wanted = size >= 24 || (size >= 18.66 && style.fontWeight >= 700) ? 3 : 4.5
    const ratio = contrast(ink, ground)
    if (ratio < wanted) found.push(`${short(text)} has a contrast of ${ratio.toFixed(2)}, not ${wanted}`)
  }
  const words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT)
  while (words.nextNode()) {
    const element = words.currentNode.parentElement
    const text = words.currentNode.data
    if (text.trim() && shown(element) && !element.closest(':disabled')) judge(element, getComputedStyle(element), text)
  }
  for (const element of all('body *')) {
    for (const part of ['::before', '::after']) {
      const style = getComputedStyle(element, part)
      if (/\w/.test(style.content.replace(/^(none|normal)$/, ''))) judge(element, style, style.content)
    }
  }
  return [...new Set(found)]
}
