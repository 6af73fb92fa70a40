// Detection models: small, but whole ones, as an exporter writes them.

import { PASSWORD } from './house.mjs'

// An ONNX file: one operator (Flatten), from a window of `frame` samples of six channels to a row of numbers.
export function onnx({ frame = 128, by = 'a hand' } = {}) {
  const value = (name, shape) => [text(1, name), part(2, part(1, [number(1, 1), part(2, shape.map((size) => part(1, number(1, size))))]))]
  const graph = [
    part(1, [text(1, 'x'), text(2, 'y'), text(4, 'Flatten')]),
    text(2, 'g'),
    part(11, value('x', [1, frame, 6])),
    part(12, value('y', [1, frame * 6])),
  ]
  return flat([number(1, 8), text(2, by), text(3, '1.2'), part(7, graph), part(8, number(2, 17))])
}

// Publishes one, as a script does. Returns its id.
export async function publish(house, name, settings = {}) {
  const form = new FormData()
  form.set('file', new Blob([onnx({ by: name.slice(0, 20) })]), name)
  form.set('settings', JSON.stringify({ frame_size: 128, mean_threshold: 0.6, mean_kernel_size: 5, notification_cool_down: 60, required_sensors: [10, 4], ...settings }))
  return (await send(house, '/api/v1/models', form)).id
}

// Gives one, as a script does.
export function give(house, gift) {
  return send(house, '/api/v1/models/give', gift)
}

// What the app is told that asks under an Android id: a name, or a status.
export async function told(house, id) {
  const answer = await fetch(`${house.base}/tfmodel/check/latest/?androidid=${id}`)
  return answer.ok ? (await answer.json()).activeModel : answer.status
}

// Sends a form, or JSON, as the operator.
export async function send(house, address, body) {
  const headers = { authorization: `Basic ${btoa(`admin:${PASSWORD}`)}`, ...(body instanceof FormData ? {} : { 'content-type': 'application/json' }) }
  const answer = await fetch(house.base + address, { method: 'POST', headers, body: body instanceof FormData ? body : JSON.stringify(body) })
  if (!answer.ok) throw new Error(`${address}: ${answer.status} ${await answer.text()}`)
  return answer.status === 204 ? undefined : answer.json()
}

// Fields as Protocol Buffers have them.
const flat = (parts) => Buffer.concat([parts].flat(Infinity))
const varint = (value) => Buffer.from(value < 128 ? [value] : [value % 128 + 128, ...varint(Math.floor(value / 128))])
const number = (field, value) => [varint(field * 8), varint(value)]
const part = (field, parts) => [varint(field * 8 + 2), varint(flat(parts).length), flat(parts)]
const text = (field, value) => part(field, Buffer.from(value))
