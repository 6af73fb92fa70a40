// The weeks of a study at the desk: what is missing is seen and mailed, recordings are found, judged, described and taken home, a
// setting is changed, and nothing that somebody wrote runs.

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { examine, House, MailSink, run, shoot, until, visit, Watch } from './support.mjs'

const KITCHEN = 'kitchen watch[9774d56d682e549c]'
const day = (number) => new Date(Date.now() - (10 - number) * 24 * 60 * 60 * 1000)

// A run of the app on a day of its own.
const nth = (number) => run({ number, from: day(number), seconds: 2 })

test('a watch that asks while somebody looks appears by itself, and goes when it has its token', async (t) => {
  const house = await House.start(t)
  const page = await visit(t, house)
  await page.goto('/')
  await page.getByText('live', { exact: true }).waitFor()
  const watch = new Watch(house, KITCHEN)
  await watch.ask()
  await page.getByText('kitchen watch asks to be let in').waitFor()
  await page.goto('/tokenauth/check/')
  await page.getByRole('button', { name: 'Grant' }).click()
  await page.getByText('not collected yet').waitFor()
  await page.getByText('live', { exact: true }).waitFor()
  // Nothing moves below a hand that points at a button.
  await page.mouse.move(0, 0)
  await watch.ask()
  await page.getByText('Nobody is waiting.').waitFor()
})

test('a skipped run and a silent watch are shown, mailed once, and told no more once they are known', async (t) => {
  const sink = await MailSink.start(t)
  const house = await House.start(t, `alerts:
  mail_to: [study@example.org]
  mail_from: wearhouse@example.org
  smtp_host: 127.0.0.1
  smtp_port: ${sink.port}
  smtp_security: none
`)
  const silent = await Watch.letIn(house, 'drawer[aaaaaaaaaaaaaaaa]')
  const watch = await Watch.letIn(house, KITCHEN)
  await silent.bring(run({ number: 1, from: day(1), seconds: 1, id: 'aaaaaaaaaaaaaaaa' }))
  await house.sql("UPDATE devices SET last_upload_at = last_upload_at - 30 * 86400000 WHERE identifier LIKE 'drawer%'", "SELECT COUNT(*) FROM devices WHERE last_upload_at IS NOT NULL AND identifier LIKE 'drawer%'")
  for (const number of [5, 6, 8]) await watch.bring(nth(number))
  await until('both are missed', async () => {
    const missing = await house.json('/api/v1/missing')
    return missing.skipped.length === 1 && missing.silent.length === 1
  })
  // Whoever comes to the door makes the house look at once whom to tell of what.
  await new Watch(house, 'new one[bbbbbbbbbbbbbbbb]').ask()
  await until('it is mailed', () => ['Run 7 of kitchen watch is missing.', 'drawer has brought nothing since', 'new one asks'].every((text) => sink.mails.join().includes(text)))
  // A later mail does not say it again.
  await new Watch(house, 'next one[cccccccccccccccc]').ask()
  await until('what came later is mailed', () => sink.mails.join().includes('next one asks'))
  assert.equal(sink.mails.join().split('Run 7 of').length, 2)
  assert.doesNotMatch(sink.mails.join(), /9774d56d682e549c|aaaaaaaaaaaaaaaa/)
  const page = await visit(t, house)
  await page.goto('/')
  await page.getByText('Run 7 of kitchen watch never came').waitFor()
  await shoot(page, 'front')
  await page.goto('/missing/')
  await shoot(page, 'missing')
  await page.getByRole('link', { name: 'kitchen watch' }).first().click()
  await page.getByText('Run 7 never came').waitFor()
  assert.equal(await page.locator('.calendar .cell:not(.level-0)').count() >= 3, true)
  await shoot(page, 'device')
  await page.goto('/missing/')
  await page.getByRole('row').filter({ hasText: 'run 7' }).getByRole('button', { name: 'This is known' }).click()
  await page.getByRole('heading', { name: 'Skipped runs' }).waitFor({ state: 'detached' })
  await page.goto('/settings/')
  const before = sink.mails.length
  await page.getByRole('button', { name: 'Send a test mail' }).click()
  await page.getByText('Sent.').waitFor()
  assert.equal(sink.mails.length, before + 1)
})

test('recordings are filtered, tagged together, judged, described and taken home', async (t) => {
  const house = await House.start(t)
  const watch = await Watch.letIn(house, KITCHEN)
  const other = await Watch.letIn(house, 'attic[bbbbbbbbbbbbbbbb]')
  const uuids = [await watch.bring(nth(1)), await watch.bring(nth(2)), await other.bring(run({ number: 1, from: day(3), seconds: 1, id: 'bbbbbbbbbbbbbbbb' }))]
  await until('all are read', async () => (await house.json('/api/v1/datasets')).datasets.every((each) => each.run_number && each.started_at))
  const page = await visit(t, house)
  await page.goto('/recording/list/')
  await page.getByLabel('Words').fill('kitchen')
  await page.getByRole('button', { name: 'Search' }).click()
  assert.equal(await page.locator('tbody tr').count(), 2)
  for (const uuid of uuids.slice(0, 2)) await page.getByLabel(`Recording ${uuid}`).check()
  await page.locator('#bulk-tag').fill('pilot')
  await page.getByRole('button', { name: 'Put on' }).click()
  await page.locator('tbody .chip').first().waitFor()
  assert.match(page.url(), /q=kitchen/)
  await page.goto('/recording/list/?tag=pilot')
  assert.equal(await page.locator('tbody tr').count(), 2)
  await shoot(page, 'recordings-filtered')
  await page.getByRole('link', { name: uuids[0], exact: true }).click()
  await page.getByLabel('Verdict').selectOption('doubtful')
  await page.getByLabel('Reason').fill('the strap was loose')
  await page.getByRole('button', { name: 'Judge' }).click()
  await page.getByText('the strap was loose').first().waitFor()
  await page.getByText('Title and description…').click()
  await page.getByLabel('Title', { exact: true }).fill('Morning <b>run</b>')
  await page.getByLabel(/^Description/).fill('It *rained*. <img src=x onerror=alert(1)> <script>alert(2)</script> [here](javascript:alert(3))')
  await page.getByRole('button', { name: 'Save' }).click()
  await page.getByRole('heading', { level: 1, name: 'Morning <b>run</b>' }).waitFor()
  assert.equal(await page.locator('.prose em').innerText(), 'rained')
  assert.equal(await page.locator('.prose :is(img, script, [href^="javascript"])').count(), 0)
  await shoot(page, 'recording')
  const home = path.join(house.folder, 'home.zip')
  await page.goto('/recording/list/')
  for (const uuid of uuids) await page.getByLabel(`Recording ${uuid}`).check()
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'One zip' }).click()])
  await download.saveAs(home)
  execFileSync('unzip', ['-tqq', home])
  const folders = new Set(execFileSync('unzip', ['-Z1', home], { encoding: 'utf8' }).trim().split('\n').map((name) => name.split('/')[0]))
  assert.deepEqual([...folders].sort(), uuids.toSorted())
  assert.match(execFileSync('unzip', ['-p', home, `${uuids[0]}/README.md`], { encoding: 'utf8' }), /^# Morning <b>run<\/b>\n\nIt \*rained\*\./)
})

test('a setting is changed on the page, and every comment of the file is still there', async (t) => {
  const house = await House.start(t, 'zip:\n  # As long as the coffee takes.\n  quiet_minutes: 5 # for now\n')
  const page = await visit(t, house, { forgive: [/status of 422/] })
  await page.goto('/settings/')
  await shoot(page, 'settings')
  await page.getByLabel('quiet_minutes').fill('0')
  await page.getByRole('button', { name: 'Preview the change' }).click()
  await page.getByText('write a whole number from 1 to 10080').first().waitFor()
  await page.getByLabel('quiet_minutes').fill('7')
  await page.getByRole('button', { name: 'Preview the change' }).click()
  await page.getByText('quiet_minutes: 7 # for now').waitFor()
  await shoot(page, 'settings-preview')
  await page.getByRole('button', { name: /save/i }).click()
  await page.getByText('Saved.', { exact: true }).waitFor()
  assert.match(await readFile(house.config, 'utf8'), / {2}# As long as the coffee takes\.\n {2}quiet_minutes: 7 # for now\n/)
  await page.goto('/audit/')
  await page.getByText('zip.quiet_minutes').first().waitFor()
  await shoot(page, 'audit')
})

test('what is deleted goes to the trash, and comes back whole', async (t) => {
  const house = await House.start(t)
  const watch = await Watch.letIn(house, KITCHEN)
  const uuid = await watch.bring(nth(1))
  const page = await visit(t, house, { forgive: [/status of 404/] })
  await page.goto(`/recording/${uuid}/`)
  await page.getByText('Delete…').click()
  await page.getByRole('button', { name: 'Delete', exact: true }).click()
  await page.goto('/recording/list/')
  assert.equal(await page.getByText(uuid).count(), 0)
  const zip = await page.context().request.get(`/uploads/zips/${uuid}.zip`)
  assert.equal(zip.status(), 404)
  await page.goto('/trash/')
  await shoot(page, 'trash')
  await page.getByRole('row').filter({ hasText: uuid }).getByRole('button', { name: 'Restore' }).click()
  await page.goto('/recording/list/')
  await page.getByRole('link', { name: uuid, exact: true }).waitFor()
  assert.equal((await page.context().request.get(`/uploads/zips/${uuid}.zip`)).status(), 200)
})

test('participants wear a watch one after the other, and a recording belongs to whom it should', async (t) => {
  const house = await House.start(t)
  const watch = await Watch.letIn(house, KITCHEN)
  const uuids = [await watch.bring(nth(1)), await watch.bring(nth(5))]
  await until('both are read', async () => (await house.json('/api/v1/datasets')).datasets.every((each) => each.started_at))
  const page = await visit(t, house)
  await page.goto('/participant/list/')
  await page.getByLabel('Label', { exact: true }).fill('P 01')
  await page.getByRole('button', { name: 'Add' }).click()
  await page.goto('/participant/list/')
  await examine(page, 'participants')
  await page.getByRole('link', { name: 'P 01', exact: true }).click()
  await page.getByLabel('Watch (name, alias or Android id)').fill('kitchen watch')
  await page.getByLabel('First day').fill(day(4).toISOString().slice(0, 10))
  await page.getByRole('button', { name: 'Add' }).click()
  await page.getByRole('row').filter({ hasText: 'kitchen watch' }).waitFor()
  await page.waitForLoadState()
  await until('it is assigned', async () => (await house.json(`/api/v1/datasets/${uuids[1]}`)).participant?.label === 'P 01')
  assert.equal((await house.json(`/api/v1/datasets/${uuids[0]}`)).participant, null)
  await shoot(page, 'participant')
  await page.goto('/recording/list/?participant=none')
  assert.equal(await page.locator('tbody tr').count(), 1)
})
