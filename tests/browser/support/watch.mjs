// A watch, as it talks to the house: it knows a server, an identifier and, later, a token.

import { randomBytes } from 'node:crypto'
import { gzipSync } from 'node:zlib'

export class Watch {
  constructor(house, identifier) {
    Object.assign(this, { house, identifier, token: undefined })
  }

  // A watch that asked and was granted, without a page.
  static async letIn(house, identifier) {
    const watch = new Watch(house, identifier)
    await watch.ask()
    await house.grant(identifier)
    await watch.ask()
    return watch
  }

  // One question of the handshake; says `new`, `pending` or `grant`, and keeps the token that comes with the last.
  async ask() {
    const answer = await this.#get(`/tokenauth/request/?identifier=${encodeURIComponent(this.identifier)}`)
    this.token = answer.token ?? this.token
    return answer.status
  }

  async newDataset() {
    return (await this.#get('/recording/new/')).uuid
  }

  // Brings one file, as OkHttp writes it; returns the receipt.
  async upload(uuid, name, bytes) {
    const boundary = randomBytes(16).toString('hex')
    const quoted = name.replaceAll('"', '%22').replaceAll('\n', '%0A').replaceAll('\r', '%0D')
    const head = `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${quoted}"\r\n`
      + `Content-Type: application/octet-stream\r\nContent-Length: ${Buffer.byteLength(bytes)}\r\n\r\n`
    const body = Buffer.concat([Buffer.from(head), Buffer.from(bytes), Buffer.from(`\r\n--${boundary}--\r\n`)])
    const headers = { ...this.#bearer(), 'content-type': `multipart/form-data; boundary=${boundary}` }
    const answer = await fetch(`${this.house.base}/recording/new/?uuid=${uuid}`, { method: 'POST', headers, body })
    if (!answer.ok) throw new Error(`${name}: ${answer.status} ${await answer.text()}`)
    return answer.json()
  }

  // Brings all files of a run, in the order of their names; returns its uuid.
  async bring(files) {
    const uuid = await this.newDataset()
    for (const [name, bytes] of Object.entries(files).sort()) await this.upload(uuid, name, bytes)
    return uuid
  }

  async #get(address) {
    const answer = await fetch(this.house.base + address, { headers: this.#bearer() })
    if (!answer.ok) throw new Error(`${address}: ${answer.status} ${await answer.text()}`)
    return answer.json()
  }

  #bearer() {
    return this.token ? { authorization: `Bearer ${this.token}` } : {}
  }
}

// The files of a short run, under the names that the app gives: name → bytes.
export function run({ number = 1, from = new Date('2026-11-20T09:20:00Z'), seconds = 10, hertz = 50, id = '9774d56d682e549c', model } = {}) {
  const at = `${from.toISOString().slice(0, 16)}+0000`
  const named = (kind, extension) => `${kind}_${number}_${at}_${id}.${extension}`
  const begin = 1_000_000_000
  const stamp = (index) => begin + Math.round((index * 1e9) / hertz)
  const rows = (row) => Array.from({ length: seconds * hertz }, (_, index) => `${stamp(index)}\t${row(index)}\n`).join('')
  const sensor = (kind, row) => ({ [named(`android_sensor_${kind}`, 'zip')]: zipOf(named(`android_sensor_${kind}`, 'csv'), rows(row)) })
  const meta = { app_version: '1.0', date: from.toISOString(), start_time_stamp: begin, run_number: number, build_sdk: 30, android_id: id, ...(model && { tf_model: model }) }
  return {
    ...sensor('accelerometer', (index) => `${Math.sin(index / 7)}\t${Math.cos(index / 7)}\t9.81`),
    ...sensor('gyroscope', (index) => `0\t${Math.sin(index / 5)}\t0.1`),
    [named('battery', 'csv')]: `${begin}\t81\n`,
    [named('marker_time_stamps', 'csv')]: '',
    [named('metaInfo', 'json')]: JSON.stringify(meta),
  }
}

// A zip with one deflated file and a data descriptor, as java.util.zip.ZipOutputStream writes it.
function zipOf(name, text) {
  const packed = gzipSync(text)
  const [deflated, crcAndSize] = [packed.subarray(10, -8), packed.subarray(-8)]
  const sums = Buffer.concat([crcAndSize.subarray(0, 4), numbers([4, deflated.length]), crcAndSize.subarray(4)])
  // What both headers say: version, flags (descriptor, UTF-8), deflate, 2026-11-20 09:20.
  const both = numbers([2, 20], [2, 0x808], [2, 8], [2, 0x4a80], [2, 0x5d74])
  const bytes = Buffer.from(name)
  const local = Buffer.concat([Buffer.from('PK\x03\x04'), both, Buffer.alloc(12), numbers([2, bytes.length], [2, 0]), bytes])
  const data = Buffer.concat([local, deflated, Buffer.from('PK\x07\x08'), sums])
  const central = Buffer.concat([Buffer.from('PK\x01\x02'), numbers([2, 20]), both, sums, numbers([2, bytes.length]), Buffer.alloc(16), bytes])
  const end = numbers([4, 0], [2, 1], [2, 1], [4, central.length], [4, data.length], [2, 0])
  return Buffer.concat([data, central, Buffer.from('PK\x05\x06'), end])
}

function numbers(...pairs) {
  return Buffer.concat(pairs.map(([width, value]) => {
    const buffer = Buffer.alloc(width)
    buffer.writeUIntLE(value, 0, width)
    return buffer
  }))
}
