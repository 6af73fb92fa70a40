// A house to test: the real program, in a folder of its own, on a port of its own.

import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { until } from './until.mjs'

const ROOT = path.resolve(import.meta.dirname ?? new URL('.', import.meta.url).pathname, '../../..')
const PROGRAM = path.resolve(ROOT, process.env.CARGO_TARGET_DIR ?? 'target', 'debug/wearhouse')

// The password of both users, and its hash with weak parameters, to be quick.
export const PASSWORD = 'correct horse battery staple'
const HASH = '$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHRzYWx0$tCc9fRe1ZCo/16K285DQzyaDkBqT0FS+sUtZTyzbH18'

const config = (more) => `server:
  listen: 127.0.0.1:0
storage:
  uploads: uploads
  reserve_mib: 1
security:
  secret: kUUI6oPpkMn1pfXWbmdS8eWTNbzTqaHO5Vl8aMRCXwY=
users:
  - name: admin
    role: operator
    password: ${HASH}
  - name: researcher
    role: researcher
    password: ${HASH}
${more}`

// Whoever stops the tests stops the house.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))

export class House {
  // What must be closed before the house ends: it waits for those who still listen.
  guests = []

  // Starts a house that ends with the test `t`. `more` is further sections of its config file.
  static async start(t, more = '') {
    const house = new House()
    t.after(() => house.#end())
    house.folder = await mkdtemp(path.join(tmpdir(), 'wearhouse-browser-'))
    house.config = path.join(house.folder, 'config.yml')
    await writeFile(house.config, config(more), { mode: 0o600 })
    await house.#run()
    return house
  }

  async #run() {
    const program = spawn(PROGRAM, ['serve', '--config', this.config, '--metrics-listen', '127.0.0.1:0'], { cwd: this.folder })
    this.#program = program
    this.#ended = once(program, 'exit')
    process.once('exit', this.#kill)
    this.said = ''
    program.stderr.on('data', (text) => { this.said += text })
    createInterface(program.stdout).on('line', (line) => {
      this.said += `${line}\n`
      this.base ??= line.match(/^wearhouse listens on (http:\S+)/)?.[1]
    })
    await until('the house is ready', async () => {
      if (program.exitCode !== null) throw new Error(`the program ended: ${this.said}`)
      return this.base && (await fetch(`${this.base}/readyz`).catch(() => undefined))?.ok
    })
  }

  // What a script of the operator is told: the JSON twin of a page.
  async json(address, method = 'GET') {
    const authorization = `Basic ${btoa(`admin:${PASSWORD}`)}`
    const answer = await fetch(this.base + address, { method, headers: { authorization } })
    if (!answer.ok) throw new Error(`${method} ${address}: ${answer.status} ${await answer.text()}`)
    return answer.status === 204 ? undefined : answer.json()
  }

  // Changes the catalog behind the house's back, once `there` counts something: time that a test cannot wait for.
  async sql(statement, there) {
    const ask = (text) => execFileSync('sqlite3', ['-cmd', '.timeout 5000', path.join(this.folder, 'uploads/.house/catalog.sqlite'), text], { encoding: 'utf8' })
    await until('there is something to change', () => Number(ask(there)) > 0)
    ask(statement)
  }

  // Grants what asks under this identifier, without a page.
  async grant(identifier) {
    const request = (await this.json('/api/v1/requests')).find((each) => each.identifier === identifier)
    await this.json(`/api/v1/requests/${request.id}/grant`, 'POST')
  }

  #program
  #ended
  #kill = () => this.#program.kill('SIGKILL')

  async #end() {
    for (const guest of this.guests) await guest.close()
    if (this.#program) {
      this.#program.kill('SIGTERM')
      await this.#ended
      process.off('exit', this.#kill)
    }
    if (this.folder) await rm(this.folder, { recursive: true })
  }
}
