// What a hand at the keyboard may expect: what was typed is not lost, the Enter key does the obvious, and what was done is said.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { examine, House, run, until, visit, Watch } from './support.mjs'

const LONG = `${'morning run '.repeat(16)}end`

test('what was typed and refused is still there on the way back', async (t) => {
  const house = await House.start(t)
  const page = await visit(t, house, { forgive: [/status of 40\d/] })
  await page.goto('/participant/list/')
  for (const note of ['left handed', 'right handed']) {
    await page.goto('/participant/list/')
    await page.getByLabel('Label', { exact: true }).fill('P 01')
    await page.getByLabel('Note', { exact: true }).fill(note)
    await page.getByRole('button', { name: 'Add' }).click()
  }
  await page.getByText('Most browsers keep what you typed').waitFor()
  await page.goBack()
  assert.equal(await page.getByLabel('Note', { exact: true }).inputValue(), 'right handed')
  await page.getByRole('link', { name: 'P 01', exact: true }).click()
  await page.getByLabel('Watch (name, alias or Android id)').fill('nobody')
  await page.getByLabel('First day').fill('2026-11-20')
  await page.getByRole('button', { name: 'Add' }).click()
  await page.getByText('No device is called so').waitFor()
  await page.goBack()
  assert.equal(await page.getByLabel('Watch (name, alias or Android id)').inputValue(), 'nobody')
  await page.goto('/settings/')
  await page.getByLabel('quiet_minutes').fill('7')
  await page.getByRole('button', { name: 'Try the webhook' }).click()
  await page.getByText('Not sent.').waitFor()
  assert.equal(await page.getByLabel('quiet_minutes').inputValue(), '7')
})

test('the Enter key in a field sends no test message, and takes nothing home', async (t) => {
  const house = await House.start(t)
  const watch = await Watch.letIn(house, 'kitchen watch[9774d56d682e549c]')
  const uuid = await watch.bring(run({ seconds: 1 }))
  const page = await visit(t, house)
  await page.goto('/settings/')
  await page.getByLabel('quiet_minutes').fill('7')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'What changes' }).waitFor()
  const downloads = []
  page.on('download', (download) => downloads.push(download))
  await page.goto('/recording/list/')
  await page.getByLabel(`Recording ${uuid}`).check()
  await page.locator('#bulk-tag').fill('pilot')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Put on' }).click()
  await page.getByText('It is said of the recordings').waitFor()
  assert.deepEqual(downloads, [])
})

test('a page says what was done, and comes back where it was', async (t) => {
  const house = await House.start(t)
  const watch = await Watch.letIn(house, 'kitchen watch[9774d56d682e549c]')
  const uuids = []
  for (let number = 1; number <= 2; number += 1) uuids.push(await watch.bring(run({ number, seconds: 1 })))
  await until('both are read', async () => (await house.json('/api/v1/datasets')).datasets.every((each) => each.started_at))
  const page = await visit(t, house)
  await page.goto(`/recording/${uuids[0]}/`)
  await page.getByText('Title and description…').click()
  await page.getByLabel('Title', { exact: true }).fill(LONG)
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByText('Saved.', { exact: true }).waitFor()
  await page.goto('/recording/list/')
  assert.equal(await page.getByText('Deleted.').isVisible(), false)
  for (const uuid of uuids) await page.getByLabel(`Recording ${uuid}`).check()
  await page.getByText('Delete…').click()
  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  await page.getByText('Deleted. They lie in the trash').waitFor()
  await examine(page, 'recordings-deleted')
  // A page of the trash that does not begin with the last deleted one.
  const [{ deleted_at: at }] = (await house.json('/api/v1/trash')).datasets
  const second = `/trash/?after=${at + 1}.0`
  await page.goto(second)
  await page.getByRole('button', { name: 'Restore' }).first().click()
  await page.getByText('Restored. It stands among').waitFor()
  assert.ok(page.url().endsWith(`${second}#restored`), page.url())
  await examine(page, 'trash-restored')
})
