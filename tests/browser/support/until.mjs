// The only way in which a test waits.

import { setTimeout as pause } from 'node:timers/promises'

// Asks `done` until it says something true, and returns that. Throws after 30 s with what was waited for.
export async function until(what, done) {
  const deadline = Date.now() + 30_000
  for (;;) {
    const answer = await done()
    if (answer) return answer
    if (Date.now() > deadline) throw new Error(`waited in vain until ${what}`)
    await pause(10)
  }
}
