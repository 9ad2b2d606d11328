// The parser of server-sent events, against the rules of the HTML standard.
import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import { transformWithEsbuild } from 'vite'

const file = new URL('../src/stream.ts', import.meta.url)
const { code } = await transformWithEsbuild(await readFile(file, 'utf8'), file.pathname, { sourcemap: false })
const { EventParser, backOff } = await import(`data:text/javascript;base64,${Buffer.from(code).toString('base64')}`)

function parse(...chunks) {
  const events = []
  const parser = new EventParser((event) => events.push(event))
  for (const chunk of chunks) parser.push(chunk)
  return { events, parser }
}

test('an event has a name, an id and data of several lines', () => {
  const { events } = parse('id: 7\nevent: import\ndata: one\ndata: two\n\n')

  assert.deepEqual(events, [{ id: '7', event: 'import', data: 'one\ntwo' }])
})

for (const end of ['\n', '\r', '\r\n']) {
  test(`lines may end with ${JSON.stringify(end)}, and chunks anywhere`, () => {
    const text = ['event: a', 'data:1', '', 'data: 2', '', ''].join(end)

    for (let cut = 0; cut <= text.length; cut++) {
      const { events } = parse(text.slice(0, cut), text.slice(cut))
      assert.deepEqual(events.map(({ event, data }) => [event, data]), [['a', '1'], ['message', '2']], `cut at ${cut}`)
    }
    assert.equal(parse(...text).events.length, 2)
  })
}

test('comments and unknown fields are nothing, one space after the colon is dropped', () => {
  const { events } = parse(': here\nnonsense: 1\ndata:  two spaces\ndata\n\n')

  assert.deepEqual(events, [{ id: '', event: 'message', data: ' two spaces\n' }])
})

test('an event without data is not told, but its id counts', () => {
  const { events, parser } = parse('id: 9\n\n')

  assert.deepEqual(events, [])
  assert.equal(parser.lastId, '9')
})

test('the last id stays for events without one, and a half-received event is forgotten', () => {
  const { events, parser } = parse('id: 1\ndata: a\n\ndata: b\n\nid: 2\ndata: half')
  parser.reset()
  parser.push('data: c\n\n')

  assert.deepEqual(events.map(({ id, data }) => [id, data]), [['1', 'a'], ['1', 'b'], ['1', 'c']])
  assert.equal(parser.lastId, '1')
})

test('retry is taken when it is a number', () => {
  assert.equal(parse('retry: 2500\n\n').parser.retry, 2500)
  assert.equal(parse('retry: soon\n\n').parser.retry, null)
})

test('waiting doubles up to a limit and is spread', () => {
  assert.equal(backOff(0, 1000, 0), 500)
  assert.equal(backOff(0, 1000, 1), 1000)
  assert.equal(backOff(3, 1000, 1), 8000)
  assert.equal(backOff(40, 1000, 1), 30_000)
})
