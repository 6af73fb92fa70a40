// A mail server that takes everything, for alerts: just enough of SMTP (RFC 5321) for one client at a time.

import { once } from 'node:events'
import { createServer } from 'node:net'

export class MailSink {
  // What was sent, whole messages.
  mails = []

  static async start(t) {
    const sink = new MailSink()
    sink.server = createServer((socket) => sink.#talk(socket)).listen(0, '127.0.0.1')
    await once(sink.server, 'listening')
    t.after(() => sink.server.close())
    return sink
  }

  get port() {
    return this.server.address().port
  }

  #talk(socket) {
    const say = (line) => socket.write(`${line}\r\n`)
    let message
    let rest = ''
    say('220 sink')
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      const lines = (rest + bytes).split('\r\n')
      rest = lines.pop()
      for (const line of lines) {
        if (message !== undefined) {
          if (line !== '.') message += `${line}\n`
          else {
            this.mails.push(message)
            message = undefined
            say('250 taken')
          }
        } else if (/^DATA/i.test(line)) {
          message = ''
          say('354 go on')
        } else if (/^QUIT/i.test(line)) socket.end('221 bye\r\n')
        else say('250 fine')
      }
    })
  }
}
