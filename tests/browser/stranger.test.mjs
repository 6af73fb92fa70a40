// What others try on a researcher's browser: names that are HTML, forms on other sites, frames.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { examine, House, otherSite, visit, Watch } from './support.mjs'

// Another port is another origin of the same site; `localhost` is another site.
const SITES = ['127.0.0.1', 'localhost']
const ELSEWHERE = { forgive: [/asked another host/, /status of 403/] }

test('names full of HTML are shown as text and run nothing', async (t) => {
  const house = await House.start(t)
  const identifier = '<script>alert(1)</script><img src=x onerror=alert(2)>'
  const watch = await Watch.letIn(house, identifier)
  const uuid = await watch.newDataset()
  const names = ['<img src=x onerror=alert(3)>.csv', '<svg onload=alert(4)>.csv', "'><script>alert(5)</script>.csv", '&lt;b&gt;.csv', '<b>bold</b>.exe']
  for (const name of names) await watch.upload(uuid, name, '1')
  await watch.ask()
  const page = await visit(t, house)
  const looksFor = {
    '/tokenauth/check/': identifier,
    '/device/list/': identifier,
    '/recording/list/': identifier,
    [`/recording/${uuid}/`]: names[0],
    '/quarantine/': names[4],
    [`/recording/list/?q=${encodeURIComponent('"><img src=x onerror=alert(six)>')}`]: 'Nothing found',
  }
  for (const [address, text] of Object.entries(looksFor)) {
    await page.goto(address)
    assert.ok((await page.locator('main').innerText()).includes(text), `${address} shows ${text}`)
    assert.equal(await page.locator('main :is(script, img, svg, b, [onerror], [onload])').count(), 0, address)
  }
  await page.goto(`/recording/${uuid}/`)
  const shown = await page.locator('main').innerText()
  for (const name of names.slice(0, 4)) assert.ok(shown.includes(name), `${name} in ${shown}`)
  await examine(page, 'html-names')
})

test('a form on another site grants nothing, and the same button on the desk does', async (t) => {
  const house = await House.start(t)
  const watch = new Watch(house, 'kitchen')
  await watch.ask()
  const [{ id }] = await house.json('/api/v1/requests')
  const port = await otherSite(t, `<form method="post" action="${house.base}/tokenauth/check/${id}/grant"><button>Win a prize</button></form>`)
  const page = await visit(t, house, ELSEWHERE)
  for (const site of SITES) {
    // Whoever works at the desk has logged in.
    await page.goto('/')
    await page.goto(`http://${site}:${port}/`)
    const [answer] = await Promise.all([page.waitForResponse((each) => each.request().method() === 'POST'), page.getByRole('button').click()])
    assert.equal(answer.status(), 403, site)
    await page.getByRole('heading').waitFor()
    assert.equal(await watch.ask(), 'pending', site)
  }
  await page.goto('/tokenauth/check/')
  await page.getByRole('button', { name: 'Grant' }).click()
  await page.getByText('not collected yet').waitFor()
  assert.equal(await watch.ask(), 'grant')
})

test('a script on another site grants nothing through the JSON either', async (t) => {
  const house = await House.start(t)
  const watch = new Watch(house, 'kitchen')
  await watch.ask()
  const [{ id }] = await house.json('/api/v1/requests')
  const port = await otherSite(t, '<h1>Prizes</h1>')
  const page = await visit(t, house, { forgive: [...ELSEWHERE.forgive, /CORS|Failed to load/] })
  for (const site of SITES) {
    await page.goto('/')
    await page.goto(`http://${site}:${port}/`)
    const address = `${house.base}/api/v1/requests/${id}/grant`
    const sent = page.waitForResponse((each) => each.url() === address && each.request().method() === 'POST')
    await page.evaluate((url) => fetch(url, { method: 'POST', mode: 'no-cors', credentials: 'include' }), address)
    assert.equal((await sent).status(), 403, site)
    assert.equal(await watch.ask(), 'pending', site)
  }
})

test('no page of the desk can be put into a frame', async (t) => {
  const house = await House.start(t)
  const port = await otherSite(t, `<iframe src="${house.base}/tokenauth/check/"></iframe>`)
  const own = await otherSite(t, `<iframe src="http://127.0.0.1:${port}/"></iframe>`)
  const page = await visit(t, house, { forgive: [...ELSEWHERE.forgive, /frame/] })
  await page.goto('/')
  const refused = page.waitForEvent('console', (message) => /frame/.test(message.text()))
  await page.goto(`http://127.0.0.1:${own}/`)
  await refused
  const texts = await Promise.all(page.frames().map((frame) => frame.locator('body').innerText()))
  // The frame of a site that allows it is there, and the desk within it is not.
  assert.equal(page.frames().length, 3)
  assert.equal(page.frames()[1].url(), `http://127.0.0.1:${port}/`)
  assert.ok(!texts.some((text) => /Requests|Wearhouse/.test(text)), texts.join('|'))
})
