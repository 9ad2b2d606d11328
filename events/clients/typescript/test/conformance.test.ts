// The CloudEvents project's own test data, where it concerns events in AMQP's binary mode. It is not part of the
// repository: KITH_TEST_DATA names its folder. Without it, the tests are skipped.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import Ajv from 'ajv'
import addFormats from 'ajv-formats'
import type { CloudEventV1 } from 'cloudevents'
import { loadAll } from 'js-yaml'
import { NotACloudEvent, fromMessage, toMessage } from '../src/binding.js'
import { EnvelopeError, fromCloudEvent, newEnvelope, toCloudEvent } from '../src/envelope.js'

type Event = Record<string, any>

const REPOSITORY = fileURLToPath(new URL('../../../../../', import.meta.url))
const FOLDER = resolve(REPOSITORY, process.env.KITH_TEST_DATA ?? '../shared/data', 'contracts/cloudevents')
const options = { skip: existsSync(FOLDER) ? false : `${FOLDER} does not exist: set KITH_TEST_DATA` }
const text = (file: string) => readFileSync(resolve(FOLDER, file), 'utf8')

/** Returns the events among the examples. In the JSON format, an attribute that is null counts as not set. */
function specExamples(): Event[] {
  const events = JSON.parse(text('spec-examples.json')).map(({ event }: Event) => event)
  const isEvent = (event: unknown) => event !== null && typeof event === 'object' && !Array.isArray(event)
  return events.filter(isEvent).map((event: Event) => Object.fromEntries(Object.entries(event).filter(([, value]) => value !== null)))
}

function minimalEvents(): Event[] {
  const documents = loadAll(text('v1_minimum.yaml')) as Event[]
  return documents.map(({ ContextAttributes: { specversion: _, ...attributes }, Data }) => ({ specversion: '1.0', ...attributes, data: Data }))
}

/** Returns the data as a binary message carries it. */
function bodyOf({ data, data_base64, datacontenttype = 'application/json' }: Event): Buffer {
  if (data_base64) return Buffer.from(data_base64, 'base64')
  return Buffer.from(datacontenttype.includes('json') ? JSON.stringify(data) : data)
}

const attributesOf = ({ data, data_base64, ...attributes }: Event) => attributes
const carried = (event: Event, body: Buffer) => toMessage({ ...attributesOf(event), data: body } as unknown as CloudEventV1<Buffer>)

function assertNothingIsLost(event: Event, body: Buffer): void {
  const message = carried(event, body)
  const underscored = Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name.replace(':', '_'), value]))

  assert.ok(Object.keys(message.headers).every((name) => name.startsWith('cloudEvents:')))
  for (const headers of [message.headers, underscored]) {
    assert.deepEqual(fromMessage({ ...message, headers }), { ...attributesOf(event), data: body })
  }
}

test('every example of the specification comes back from headers without loss', options, () => {
  const examples = specExamples()

  assert.ok(examples.length >= 9)
  for (const event of examples) assertNothingIsLost(event, bodyOf(event))
})

test('every minimal event comes back from headers without loss', options, () => {
  const events = minimalEvents()

  assert.equal(events.length, 6)
  for (const event of events) assertNothingIsLost(event, Buffer.from(event.data))
})

test('what lacks a required attribute is refused by its name', options, () => {
  for (const event of specExamples()) {
    const message = carried(event, bodyOf(event))
    for (const required of JSON.parse(text('cloudevents.schema.json')).required) {
      const { [`cloudEvents:${required}`]: _, ...headers } = message.headers
      assert.throws(() => fromMessage({ ...message, headers }), new NotACloudEvent(`the attribute ${required} is missing`))
      const empty = { ...headers, [`cloudEvents:${required}`]: '' }
      assert.throws(() => fromMessage({ ...message, headers: empty }), NotACloudEvent)
    }
  }
})

test('a time that is none, another version and a malformed attribute are refused', options, () => {
  const message = carried(specExamples()[0]!, Buffer.from('{}'))
  const wrong = [['time', 'yesterday'], ['time', '2026-11-01T09:30:00'], ['specversion', '0.3'], ['subject', ''], ['id', 7]]
  for (const [attribute, value] of wrong) {
    const headers = { ...message.headers, [`cloudEvents:${attribute}`]: value }
    assert.throws(() => fromMessage({ ...message, headers }), (error) => error instanceof NotACloudEvent && error.message.includes(`${attribute}`))
  }
})

test('the binary mode of the feature file is read from headers', options, () => {
  const feature = text('http-protocol-binding.feature').split('Scenario Outline:')[1]!
  const sent = [...feature.matchAll(/^\s*ce-(\w+): (.+)$/gm)].map(([, name, value]) => [`cloudEvents:${name}`, value])
  const table = Object.fromEntries([...feature.matchAll(/^\s*\| +(\w+) \| (\S+) +\|$/gm)].map(([, name, value]) => [name, value]))
  const data = [...feature.matchAll(/"""\n(.+?)\n\s*"""/gs)][1]![1]!
  const contentTypes = [...feature.matchAll(/^\s*\| (application\/\S+(?: charset=\S+)?) +\|$/gm)].map(([, found]) => found!)

  assert.deepEqual([sent.length, contentTypes.length], [5, 2])
  for (const contentType of contentTypes) {
    const read = fromMessage({ headers: Object.fromEntries(sent), contentType, body: Buffer.from(data) })
    const { data: body, ...attributes } = read
    assert.deepEqual(attributes, { ...table, datacontenttype: contentType })
    assert.deepEqual(JSON.parse(body!.toString()), { message: 'Hello World!' })
  }
})

test("what an envelope writes is a CloudEvent by the specification's schema", options, () => {
  const ids = { correlationId: randomUUID(), causationId: randomUUID(), actor: randomUUID() }
  const traceparent = '00-00000000000000000000000000000001-0000000000000002-01'
  const envelope = newEnvelope('a.b.v1', '/a', { subject: 's', sequence: 3, traceparent, ...ids })

  const message = toMessage(toCloudEvent(envelope, Buffer.from('{"a":1}')))
  const written = Object.fromEntries(Object.entries(message.headers).map(([name, value]) => [name.slice('cloudEvents:'.length), value]))

  const ajv = new Ajv.default({ strict: false })
  addFormats.default(ajv)
  const isValid = ajv.compile(JSON.parse(text('cloudevents.schema.json')))
  assert.ok(isValid({ ...written, datacontenttype: message.contentType, data: { a: 1 } }), JSON.stringify(isValid.errors))
  const others = { ...message.headers, 'cloudEvents:ofanother': 'x' }
  assert.deepEqual(fromCloudEvent(fromMessage({ ...message, headers: others })), envelope)
})

test("which examples Kith's envelope refuses and why", options, () => {
  for (const event of [...specExamples(), ...minimalEvents()]) {
    const read = fromMessage(carried(event, Buffer.from('{}')))
    if (read.time === undefined) {
      assert.throws(() => fromCloudEvent(read), new EnvelopeError('the attribute time is missing'))
    } else {
      fromCloudEvent(read)
    }
  }
})

test('a native timestamp and milliseconds are read', options, () => {
  const message = carried(specExamples()[0]!, Buffer.from('{}'))
  for (const time of [1793525400000, { '!': 'timestamp', value: 1793525400 }]) {
    const headers = { ...message.headers, 'cloudEvents:time': time }
    assert.equal(fromMessage({ ...message, headers }).time, '2026-11-01T09:30:00.000Z')
  }
})
