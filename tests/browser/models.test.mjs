// A detection model, from a file in the hand to a watch that runs it, and back.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { examine, give, House, onnx, publish, run, send, shoot, told, until, visit, Watch } from './support.mjs'

const ID = '9774d56d682e549c'
const KITCHEN = `kitchen watch[${ID}]`
const GARDEN = 'garden watch[bbbbbbbbbbbbbbbb]'
const LONG = `${'händewaschen_'.repeat(13)}v2.onnx`
const EVIL = '<img src=x onerror=alert(1)><script>alert(2)<script>.onnx'

// A watch that brings a run, which names the model that it had.
async function brings(house, watch, id, model, number = 1) {
  await watch.bring(run({ number, seconds: 1, id, model, from: new Date(Date.now() - (9 - number) * 60_000) }))
  await until('its run is read', async () => (await house.json('/api/v1/models/devices')).some((each) => each.runs === model))
}

async function choose(page, name, bytes) {
  await page.getByLabel('File', { exact: true }).setInputFiles({ name, mimeType: 'application/octet-stream', buffer: bytes })
}

test('a model is published, its shapes are seen, one watch gets it, and gives it back', async (t) => {
  const house = await House.start(t)
  const watch = await Watch.letIn(house, KITCHEN)
  const page = await visit(t, house, { forgive: [/status of 409/] })
  await page.goto('/tfmodel/')
  await page.getByText('No model has been published yet.').waitFor()
  await examine(page, 'models-empty')
  await choose(page, 'Hände waschen 1.onnx', onnx())
  await page.getByLabel('Version').fill('1.0')
  await page.getByLabel('Notes').fill('Trained on the pilot.')
  await page.getByLabel('Frame size').fill('128')
  await page.getByLabel('heart rate').check()
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await page.getByText('Published. No watch is to have it yet').waitFor()
  await page.getByText('x float32 [1, 128, 6]').waitFor()
  await page.getByText('y float32 [1, 768]').waitFor()
  await page.getByText('accelerometer; gyroscope; heart rate').waitFor()
  assert.equal(await told(house, ID), 404)
  await page.getByLabel('Watch (name, alias or Android id)').fill('kitchen watch')
  await page.getByRole('button', { name: 'To this watch' }).click()
  await page.getByText('Given. It is told of its model when it asks next.').waitFor()
  assert.equal(await told(house, ID), 'Hände waschen 1.onnx')
  await page.reload()
  await page.getByText('It is told so since').waitFor()

  const next = await publish(house, 'Hände waschen 2.onnx')
  await give(house, { to: 'everyone', model: next })
  await brings(house, watch, ID, 'Hände waschen 1.onnx')
  await page.reload()
  assert.equal(await page.getByText('behind').count(), 0)
  await page.getByRole('button', { name: 'Back to the one before' }).click()
  await page.getByText('Given. It is told of its model when it asks next.').waitFor()
  assert.equal(await told(house, ID), 'Hände waschen 2.onnx')
  await page.getByText('behind').waitFor()
  await examine(page, 'device-behind')
  await page.goto('/')
  await page.getByRole('link', { name: '1 watch runs an older model than it should' }).click()
  await page.waitForURL(`${house.base}/tfmodel/#watches`)
  await page.goto('/device/list/')
  await page.getByRole('link', { name: 'behind: the model of kitchen watch' }).waitFor()
  await examine(page, 'devices-behind')
  await brings(house, watch, ID, 'Hände waschen 2.onnx', 2)
  await page.reload()
  assert.equal(await page.getByText('behind').count(), 0)

  // For the pictures: one is up to date, one is not.
  const garden = await Watch.letIn(house, GARDEN)
  await brings(house, garden, 'bbbbbbbbbbbbbbbb', 'Hände waschen 1.onnx')
  await told(house, 'bbbbbbbbbbbbbbbb')
  await page.goto('/tfmodel/')
  await page.getByText('2 watches: 1 up to date, 1 behind').waitFor()
  await shoot(page, 'models')
  await page.getByRole('link', { name: 'Hände waschen 2.onnx' }).click()
  await page.getByRole('heading', { level: 1, name: 'Hände waschen 2.onnx' }).waitFor()
  await page.waitForLoadState()
  await shoot(page, 'model')
  await page.getByText('Remove…').click()
  await page.getByRole('button', { name: 'Remove this model' }).click()
  await page.getByText('this model is in use and stays').waitFor()
  assert.match(await page.locator('main').innerText(), /everyone.*kitchen watch/s)
})

test('what cannot be published comes back as it was typed, and each field says what is wrong', async (t) => {
  const house = await House.start(t)
  const page = await visit(t, house, { forgive: [/status of 400/] })
  await page.goto('/tfmodel/')
  await choose(page, 'hands.onnx', Buffer.from('<!doctype html><html>not here</html>'))
  await page.getByLabel('Notes').fill('said & done')
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await page.getByText('Nothing was published.').waitFor()
  assert.match(await page.locator('#wrong-file').innerText(), /web page/)
  assert.equal(await page.getByLabel('Notes').inputValue(), 'said & done')
  const typed = { 'Frame size': '0', 'Mean threshold': '1,5', 'Mean over': 'twenty', 'Pause between notifications': '-1', 'Further settings': '{"a": 1', 'Sensors of the watch\'s maker': '7' }
  for (const [label, value] of Object.entries(typed)) await page.getByLabel(label).fill(value)
  for (const sensor of ['accelerometer 1', 'gyroscope 4']) await page.getByLabel(sensor, { exact: true }).uncheck()
  await choose(page, 'hands.onnx', onnx())
  await page.getByRole('button', { name: 'Publish', exact: true }).click()
  await page.locator('#wrong-frame_size').waitFor()
  for (const [label, value] of Object.entries(typed)) {
    const field = page.getByLabel(label)
    assert.equal(await field.inputValue(), value, label)
    assert.equal(await field.getAttribute('aria-invalid'), 'true', label)
    const described = await field.evaluate((element) => element.getAttribute('aria-describedby').split(' ').map((id) => document.getElementById(id).innerText).join(' '))
    assert.match(described, /write|choose/i, label)
  }
  assert.equal(await page.getByLabel('accelerometer 1', { exact: true }).isChecked(), false)
  await examine(page, 'models-wrong')
  await page.getByRole('alert').getByRole('link', { name: 'Mean over' }).click()
  await page.waitForURL(/#mean_kernel_size$/)
  assert.deepEqual((await house.json('/api/v1/models')).models, [])
})

test('many models with long names and names full of HTML fit their pages, and run nothing', async (t) => {
  const house = await House.start(t)
  const watch = await Watch.letIn(house, `${'a long alias of a watch '.repeat(3)}[${ID}]`)
  for (let number = 0; number < 30; number += 1) await publish(house, `${number} ${LONG}`)
  const evil = await publish(house, EVIL, { [EVIL]: EVIL, zones: { a: [1, 2] } })
  const long = (await house.json('/api/v1/models')).models.find((each) => each.name.startsWith('7 ')).id
  const name = (await house.json(`/api/v1/models/${evil}`)).name
  const [{ id: device }] = await house.json('/api/v1/devices')
  const participant = await participantOf(house, EVIL.slice(0, 30), device)
  for (const model of [evil, long]) {
    await give(house, { to: 'participant', participant, model })
    await give(house, { to: 'device', device, model })
    await give(house, { to: 'everyone', model: model === long ? evil : long })
  }
  await brings(house, watch, ID, name)
  assert.equal(await told(house, ID), `7 ${LONG}`)
  const page = await visit(t, house)
  const pages = { models: '/tfmodel/', model: `/tfmodel/${evil}/`, 'model-long': `/tfmodel/${long}/`, device: `/device/${device}/`, devices: '/device/list/', participant: `/participant/${participant}/` }
  for (const [page_, address] of Object.entries(pages)) {
    await page.goto(address)
    const shown = await page.locator('main').innerText()
    if (page_ !== 'model-long') assert.ok(shown.includes(page_ === 'participant' ? '<img' : name), `${address} shows it`)
    assert.equal(await page.locator('main :is(script, img, [onerror])').count(), 0, address)
    await examine(page, `${page_}-many-models`)
  }
})

// A participant who wears a device.
async function participantOf(house, label, device) {
  const { id } = await send(house, '/api/v1/participants', { label })
  await send(house, `/api/v1/participants/${id}/spans`, { device, from: '2026-11-01', until: null })
  return id
}
