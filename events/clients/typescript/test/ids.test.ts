// Ids that are not UUIDs: the test vectors that the Rust, Python and TypeScript readers of the envelope share.
import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { NotACloudEvent, fromMessage } from '../src/binding.js'
import { EnvelopeError, fromCloudEvent, type Envelope } from '../src/envelope.js'

interface Vector {
  attribute: 'id' | 'correlationid' | 'causationid' | 'actor'
  source: string
  text: string
  uuid: string | null
}

const FIELDS = { id: 'id', correlationid: 'correlationId', causationid: 'causationId', actor: 'actor' } as const
const vectors: Vector[] = JSON.parse(readFileSync(new URL('../../../../tests/vectors/ids.json', import.meta.url), 'utf8'))

function read({ attribute, source, text }: Vector): Envelope | undefined {
  const attributes = {
    specversion: '1.0',
    id: '00000000-0000-0000-0000-000000000007',
    type: 'contacts.contact-added.v1',
    time: '2026-11-01T09:30:00Z',
    source,
    [attribute]: text,
  }
  const headers = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`cloudEvents:${name}`, value]))
  try {
    return fromCloudEvent(fromMessage({ headers, contentType: 'application/json', body: Buffer.from('{}') }))
  } catch (error) {
    assert.ok(error instanceof EnvelopeError || error instanceof NotACloudEvent, String(error))
    return undefined
  }
}

test('an id that is not a UUID is read as the same UUID in every language', () => {
  assert.ok(vectors.length > 60)
  for (const vector of vectors) {
    const found = read(vector)?.[FIELDS[vector.attribute]] ?? null
    assert.equal(found, vector.uuid, `${vector.attribute} ${JSON.stringify(vector.text.slice(0, 40))} of ${vector.source}`)
  }
})
