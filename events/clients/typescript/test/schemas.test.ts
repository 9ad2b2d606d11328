// Schema, type and example agree for every message; invalid data is reported by its path alone.
import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { newEnvelope } from '../src/envelope.js'
import { EnvelopeError, InvalidData, type Message } from '../src/index.js'
import { ContactAdded, ImportFinished } from '../src/messages/contacts.js'
import { MESSAGES } from '../src/messages/index.js'

const SCHEMAS = new URL('../../../../schemas/', import.meta.url)
const byName: Record<string, Message<any>> = MESSAGES

const files = readdirSync(SCHEMAS).flatMap((owner) =>
  readdirSync(new URL(`${owner}/`, SCHEMAS)).filter((file) => /\.v\d+\.json$/.test(file)).map((file) => ({
    name: `${owner}.${file.replace(/\.json$/, '')}`,
    schema: JSON.parse(readFileSync(new URL(`${owner}/${file}`, SCHEMAS), 'utf8')),
  })))

const bodyOf = (document: unknown) => Buffer.from(JSON.stringify(document))
const sampleOf = (name: string) => files.find((file) => file.name === name)!.schema.examples[0]

/** Returns the error that is thrown, which must be InvalidData. */
function refusalOf(attempt: () => unknown): InvalidData {
  try {
    attempt()
  } catch (error) {
    assert.ok(error instanceof InvalidData, String(error))
    return error
  }
  throw new Error('nothing was rejected')
}

test('every file is a message', () => {
  assert.ok(files.length > 0)
  assert.deepEqual(Object.keys(MESSAGES).sort(), files.map(({ name }) => name).sort())
  assert.equal(MESSAGES['contacts.contact-added.v1'], ContactAdded)
  assert.deepEqual([ContactAdded.exchange, ContactAdded.routingKey], ['events.contacts', 'contact-added.v1'])
})

test('every example is read and written without loss', () => {
  for (const { name, schema } of files) {
    assert.ok(schema.examples.length > 0, name)
    for (const example of schema.examples) {
      const written = byName[name]!.write(byName[name]!.read(bodyOf(example)))
      assert.deepEqual(JSON.parse(written.toString()), example, name)
    }
  }
})

test('a missing required field is named', () => {
  for (const { name, schema } of files) {
    for (const field of schema.required ?? []) {
      const { [field]: _, ...example } = schema.examples[0]
      assert.deepEqual(refusalOf(() => byName[name]!.read(bodyOf(example))).problems, [`$.${field}: is missing`], name)
    }
  }
})

test('invalid data is refused on the way out too', () => {
  const added = { ...sampleOf(ContactAdded.name), contact_id: "Zoe's secret", name: undefined, emails: [4711] }

  const { message } = refusalOf(() => ContactAdded.write(added))

  assert.match(message, /\$\.contact_id: should be of format "uuid"/)
  assert.match(message, /\$\.emails\[0\]: should be of type "string"/)
  assert.match(message, /\$\.name: is missing/)
  assert.doesNotMatch(message, /secret|4711/)
})

test('a number that no service of Kith could read is refused', () => {
  for (const added of [4294967296, -1, 1.5, true]) {
    const body = bodyOf({ ...sampleOf(ImportFinished.name), added })
    assert.match(refusalOf(() => ImportFinished.read(body)).message, /\$\.added: should be of /)
  }
})

test('what is no document is refused', () => {
  for (const body of ['', 'Zoe', '[1]', Buffer.from([0xff])]) {
    const { message } = refusalOf(() => ContactAdded.read(Buffer.from(body as string)))
    assert.match(message, /\$: /)
    assert.doesNotMatch(message, /Zoe/)
  }
})

test('what is sent in a handler belongs to the chain of its cause', () => {
  const traceparent = '00-00000000000000000000000000000001-0000000000000002-01'
  const cause = newEnvelope('a.b.v1', '/a', { traceparent, actor: randomUUID() })

  const sent = newEnvelope('a.c.v1', '/b', {}, cause)
  const after = newEnvelope('a.d.v1', '/c', { actor: randomUUID() }, sent)

  assert.deepEqual([sent.correlationId, sent.causationId, sent.actor, sent.traceparent], [cause.id, cause.id, cause.actor, traceparent])
  assert.deepEqual([after.correlationId, after.causationId], [cause.id, sent.id])
  assert.notEqual(after.actor, cause.actor)
})

test('an attribute that Kith could not read is refused', () => {
  const wrong = [{ sequence: 0 }, { sequence: 2 ** 40 + 1 }, { sequence: 1.5 }, { traceparent: '00-1-2-01' }, { time: '2026-11-01T09:30:00' }, { actor: 'me' }]
  for (const attributes of [...wrong, { id: '7' }, { traceparent: `00-${'0'.repeat(32)}-${'1'.repeat(16)}-01` }]) {
    assert.throws(() => newEnvelope('a.b.v1', '/a', attributes), EnvelopeError, JSON.stringify(attributes))
  }
})
