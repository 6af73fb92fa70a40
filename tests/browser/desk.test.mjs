// What a researcher does at the desk, from an empty house to a zip in the hand.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import path from 'node:path'
import { test } from 'node:test'
import { examine, House, run, shoot, visit, Watch } from './support.mjs'

const KITCHEN = 'kitchen watch[9774d56d682e549c]'
const PAGES = { front: '/', requests: '/tokenauth/check/', devices: '/device/list/', recordings: '/recording/list/', models: '/tfmodel/', quarantine: '/quarantine/', settings: '/settings/' }

test('the first visit to an empty house finds every page, and the way to the first watch', async (t) => {
  const house = await House.start(t)
  const page = await visit(t, house)
  await page.goto('/')
  await page.getByRole('heading', { name: 'Connect the first watch' }).waitFor()
  for (const [name, address] of Object.entries(PAGES)) {
    if (name !== 'front') await page.locator(`header nav a[href="${address}"]`).click()
    await page.waitForURL(house.base + address)
    assert.equal(await page.locator('header [aria-current="page"]').getAttribute('href'), address)
    await (name === 'front' ? shoot : examine)(page, `${name}-empty`)
  }
})

test('a researcher who is no operator finds no way to the settings', async (t) => {
  const house = await House.start(t)
  const page = await visit(t, house, { user: 'researcher', forgive: [/status of 403/] })
  await page.goto('/')
  assert.equal(await page.getByRole('link', { name: 'Settings' }).count(), 0)
  assert.equal((await page.goto('/settings/')).status(), 403)
  await examine(page, 'refused')
})

test('a watch that asks is seen, granted, and collects its token once', async (t) => {
  const house = await House.start(t)
  const watch = new Watch(house, KITCHEN)
  assert.deepEqual([await watch.ask(), await watch.ask()], ['new', 'pending'])
  const page = await visit(t, house)
  await page.goto('/tokenauth/check/')
  const row = page.getByRole('row').filter({ hasText: 'kitchen watch' })
  assert.match(await row.innerText(), /9774d56d682e549c/)
  await shoot(page, 'requests')
  await row.getByRole('button', { name: 'Grant' }).click()
  await row.getByText('not collected yet').waitFor()
  assert.equal(page.url(), `${house.base}/tokenauth/check/`)
  assert.equal(await watch.ask(), 'grant')
  await page.reload()
  await page.getByText('Nobody is waiting.').waitFor()
  assert.equal(await watch.ask(), 'new')
  assert.match(await watch.newDataset(), /^[0-9a-f-]{36}$/)
})

test('what a watch brings appears under recordings, and goes home as one whole zip', async (t) => {
  const house = await House.start(t)
  const watch = await Watch.letIn(house, KITCHEN)
  const files = run()
  const uuid = await watch.bring(files)
  const page = await visit(t, house)
  await page.goto('/recording/list/')
  const row = page.getByRole('row').filter({ hasText: uuid })
  assert.match(await row.innerText(), /kitchen watch/)
  await shoot(page, 'recordings')
  await row.getByRole('link', { name: uuid, exact: true }).click()
  for (const name of Object.keys(files)) await page.getByText(`sent as ${name}`).waitFor()
  await shoot(page, 'recording')
  const zip = path.join(house.folder, 'home.zip')
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByText('Download the zip').click()])
  assert.equal(download.suggestedFilename(), `${uuid}.zip`)
  await download.saveAs(zip)
  execFileSync('unzip', ['-tqq', zip])
  const entries = execFileSync('unzip', ['-Z1', zip], { encoding: 'utf8' }).trim().split('\n')
  assert.deepEqual(entries.sort(), Object.keys(files).map((name) => name.replaceAll(':', '_')).sort())
  for (const [name, bytes] of Object.entries(files)) {
    assert.deepEqual(execFileSync('unzip', ['-p', zip, name.replaceAll(':', '_')]), Buffer.from(bytes), name)
  }
})

test('a recording goes on paper as a table, without what one presses', async (t) => {
  const house = await House.start(t)
  const uuid = await (await Watch.letIn(house, KITCHEN)).bring(run())
  const page = await visit(t, house)
  await page.goto(`/recording/${uuid}/`)
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' })
  // A sheet of A4, without its margins.
  await page.setViewportSize({ width: 718, height: 1000 })
  assert.equal(await page.getByRole('columnheader', { name: 'Received (UTC)' }).isVisible(), true)
  for (const pressed of ['header', '.button']) assert.equal(await page.locator(pressed).isVisible(), false, pressed)
  assert.equal(await page.locator('body').evaluate((body) => getComputedStyle(body).color), 'rgb(0, 0, 0)')
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true)
})

test('a house with many watches fits every page', async (t) => {
  const house = await House.start(t)
  for (let number = 0; number < 25; number += 1) {
    const watch = await Watch.letIn(house, `arm ${number}[${(0x9774d56d682e0000n + BigInt(number)).toString(16)}]`)
    for (const part of [1, 2]) {
      const uuid = await watch.newDataset()
      await watch.upload(uuid, `battery_${part}.csv`, '1\t80\n')
      await watch.upload(uuid, `screen_${part}_${'very_long_name_'.repeat(8)}.exe`, 'x'.repeat(number))
    }
    await new Watch(house, `${'a long alias of a watch '.repeat(3)}${number}`).ask()
  }
  const page = await visit(t, house)
  for (const [name, address] of Object.entries(PAGES)) {
    await page.goto(address)
    await examine(page, `${name}-many`)
  }
})
