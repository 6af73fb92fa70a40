// How a page must look: readable in light and dark, usable at 360 px and with the keyboard.

import assert from 'node:assert/strict'
import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { faults } from './faults.mjs'
import { DESKTOP } from './visitor.mjs'

const ROOT = new URL('../../../', import.meta.url).pathname
const WAYS = [
  { way: 'light', viewport: DESKTOP, colorScheme: 'light' },
  { way: 'dark', viewport: DESKTOP, colorScheme: 'dark' },
  { way: '360', viewport: { width: 360, height: 800 }, colorScheme: 'light' },
]
// Stops of the Tab key that are looked at, and how high a picture gets.
const STOPS = 30
const HIGHEST = 2000

// Looks at the page as it stands, in light, dark and narrow; fails with a sentence for each fault.
// With SCREENSHOTS=all the three become target/screenshots/<name>-<way>.png.
export async function examine(page, name, pictures = process.env.SCREENSHOTS === 'all' && 'target/screenshots') {
  const found = []
  for (const { way, viewport, colorScheme } of WAYS) {
    await page.setViewportSize(viewport)
    await page.emulateMedia({ colorScheme })
    found.push(...(await look(page)).map((fault) => `${name}, ${way}: ${fault}`))
    if (pictures) await picture(page, path.join(ROOT, pictures, `${name}-${way}.png`), viewport.width)
  }
  await page.setViewportSize(DESKTOP)
  await page.emulateMedia({ colorScheme: 'light' })
  assert.deepEqual(found, [])
}

// The same; and with SCREENSHOTS=1 the three become docs/screenshots/<name>-<way>.png, for the README.
export function shoot(page, name) {
  return examine(page, name, process.env.SCREENSHOTS && 'docs/screenshots')
}

// What is wrong with the page as it stands, a sentence each.
export async function look(page) {
  const found = await page.evaluate(faults)
  return [...found, ...(await blindStops(page))]
}

// Goes through the page with the Tab key: each stop must show that it is there.
async function blindStops(page) {
  const found = []
  const seen = new Set()
  await page.evaluate(() => document.activeElement.blur())
  for (let stop = 0; stop < STOPS; stop += 1) {
    await page.keyboard.press('Tab')
    const { key, fault } = await page.evaluate(focused)
    if (key === undefined || seen.has(key)) break
    seen.add(key)
    if (fault) found.push(fault)
  }
  // Back to the top, and nothing is focused in the picture.
  await page.evaluate(() => {
    document.activeElement.blur()
    window.scrollTo(0, 0)
  })
  return found
}

// Runs in the page: which element has the focus, and whether a ring or a changed border shows it.
function focused() {
  const element = document.activeElement
  if (element === document.body || element === null) return {}
  const key = [...document.querySelectorAll('*')].indexOf(element)
  const { outlineStyle, outlineWidth, outlineColor } = getComputedStyle(element)
  const ring = outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2 && !/^rgba.*, 0\)$/.test(outlineColor)
  const box = element.getBoundingClientRect()
  const inside = box.width > 0 && box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth
  const said = (element.innerText || element.id || element.tagName).trim().slice(0, 40)
  if (!ring) return { key, fault: `the focus does not show on "${said}"` }
  return { key, fault: inside ? undefined : `"${said}" takes the focus where nobody sees it` }
}

async function picture(page, file, width) {
  await mkdir(path.dirname(file), { recursive: true })
  const height = await page.evaluate(() => document.documentElement.scrollHeight)
  // In a window of that height, so that what sticks to its edge stands where a person sees it.
  await page.setViewportSize({ width, height: Math.min(height, HIGHEST) })
  await page.screenshot({ path: file, animations: 'disabled' })
}
