// The judge of the pages: a fault that it does not see, it sees on no page.

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { House, look, visit } from './support.mjs'

const GOOD = ':root { color-scheme: light; } body { background: #fff; color: #000; } :focus-visible { outline: 3px solid; } input, button { min-height: 24px; }'
const page = (body, style = '') =>
  `<!doctype html><html lang="en"><head><title>t</title><style>${GOOD} ${style}</style></head><body><h1>h</h1>${body}</body></html>`
const FAULTS = [
  ['a page too wide', page('<div style="width: 2000px">.</div>'), /2000|px wide/],
  ['a table too wide', page('<div class="scroll" style="overflow-x: auto"><p style="width: 3000px">.</p></div>'), /a table is 3000 px wide/],
  ['two headings', page('<h1>again</h1>'), /not exactly one h1/],
  ['no title', page('').replace('<title>t</title>', ''), /no title/],
  ['one id twice', page('<p id="a">a</p><p id="a">b</p>'), /id a is there twice/],
  ['a broken image', page('<img alt="" src="data:image/png;base64,AA">'), /does not load/],
  ['an image without words', page('<img src="data:image/svg+xml,%3Csvg xmlns=%22http://www.w3.org/2000/svg%22/%3E">'), /says nothing/],
  ['a field without a label', page('<input name="q">'), /no label for input q/],
  ['a link without a name', page('<a href="/" style="display: block; height: 30px"><b></b></a>'), /no name for <a/],
  ['a tiny button', page('<button style="height: 10px; padding: 0">go</button>'), /"go" is too small/],
  ['pale text', page('<p style="color: #888">pale</p>'), /"pale" has a contrast of 3.54/],
  ['pale text on a veil', page('<p style="color: #000; background: #000c">veil</p>'), /"veil" has a contrast/],
  ['pale text before a cell', page('<p class="x">.</p>', '.x::before { content: "said"; color: #aaa; }'), /said/],
  ['pale text in a drawing', page('<svg><text y="20" fill="#bbb">drawn</text></svg>'), /"drawn" has/],
  ['a hidden focus', page('<a href="/">link</a>', ':focus-visible { outline: none; }'), /focus does not show on "link"/],
  ['a focus out of sight', page('<a href="/" style="position: fixed; left: -999px">away</a>'), /where nobody sees it/],
]

test('the judge sees each fault, and none where none is', async (t) => {
  const house = await House.start(t)
  const visitor = await visit(t, house, { forgive: [/data:image/] })
  for (const [what, html, said] of FAULTS) {
    await visitor.setContent(html)
    const found = await look(visitor)
    assert.ok(found.some((fault) => said.test(fault)), `${what}: ${JSON.stringify(found)}`)
    assert.equal(found.length, 1, `${what}: ${JSON.stringify(found)}`)
  }
  await visitor.setContent(page('<p>text <a href="/">link</a></p><label>Name <input></label> <button>go</button>'))
  assert.deepEqual(await look(visitor), [])
})
