// A researcher in a real browser.

import assert from 'node:assert/strict'
import { createServer } from 'node:http'
import { once } from 'node:events'
import { after } from 'node:test'
import { chromium } from 'playwright-core'
import { PASSWORD } from './house.mjs'

const ARGUMENTS = ['--no-sandbox', '--disable-quic', '--disable-background-networking']
export const DESKTOP = { width: 1280, height: 800 }

let browser
after(async () => (await browser)?.close())

// A new visitor's page, which ends with the test. A dialog, a fault in the console or another host's file fails the test.
export async function visit(t, house, { user = 'admin', forgive = [] } = {}) {
  browser ??= chromium.launch({ executablePath: '/usr/bin/chromium', args: ARGUMENTS })
  const httpCredentials = { username: user, password: PASSWORD }
  const context = await (await browser).newContext({ baseURL: house.base, viewport: DESKTOP, colorScheme: 'light', httpCredentials })
  house.guests.push(context)
  const page = await context.newPage()
  const faults = watchOver(page, house)
  t.after(() => assert.deepEqual(faults.filter((fault) => !forgive.some((pattern) => pattern.test(fault))), []))
  return page
}

function watchOver(page, house) {
  const faults = []
  const home = new URL(house.base).host
  page.on('dialog', (dialog) => {
    faults.push(`a dialog: ${dialog.message()}`)
    return dialog.dismiss()
  })
  page.on('pageerror', (error) => faults.push(`a script's fault: ${error.message}`))
  page.on('console', (message) => message.type() === 'error' && faults.push(`console: ${message.text()}`))
  page.on('request', (request) => {
    const { protocol, host } = new URL(request.url())
    if (protocol !== 'data:' && host !== home) faults.push(`asked another host: ${request.url()}`)
  })
  return faults
}

// A site of somebody else on this machine, with one page; ends with the test. Returns its port.
export async function otherSite(t, html) {
  const server = createServer((_, answer) => answer.setHeader('content-type', 'text/html').end(html))
  server.listen(0)
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return server.address().port
}
