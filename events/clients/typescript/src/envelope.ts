// The metadata of a Kith message: the CloudEvents attributes, and Kith's extensions.
import { createHash, randomUUID } from 'node:crypto'
import type { CloudEventV1 } from 'cloudevents'

/**
 * The attributes of a message. Kith is stricter than CloudEvents: a time is required. An id that is not a UUID is read as
 * one that is derived from it, as in Kith's services.
 */
export interface Envelope {
  /** The message's full name, `contacts.contact-added.v1`: the CloudEvents type. */
  name: string
  /** The sender, `/contacts`. */
  source: string
  /** Identifies the message; a repeat of the message has the same id. */
  id: string
  /** The time at which it was written: RFC 3339. */
  time: string
  /** The thing that it is about. */
  subject?: string
  /** The number among the events of its subject, from 1. The publisher assigns it in the transaction of the change. */
  sequence?: number
  /** W3C trace context: the trace and span in which it was sent. */
  traceparent?: string
  /** The first message of the chain that this one belongs to. */
  correlationId?: string
  /** The message whose handling sent this one. */
  causationId?: string
  /** The account on whose behalf it was sent. */
  actor?: string
}

/** The attributes that a publisher may set; the others are generated. */
export type Attributes = Partial<Omit<Envelope, 'name' | 'source'>>

/** An attribute is missing or malformed. */
export class EnvelopeError extends Error {
  override name = 'EnvelopeError'
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i
const TRACEPARENT = /^[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/
const TIME = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i
const MAX_SEQUENCE = 2 ** 40
const isUuid = (value: string) => UUID.test(value)

const FORMS: [keyof Envelope, (value: string) => boolean, string][] = [
  ['id', isUuid, 'a UUID'],
  ['time', (value) => TIME.test(value) && !Number.isNaN(Date.parse(value)), 'a timestamp of RFC 3339'],
  ['sequence', (value) => /^[1-9]\d*$/.test(value) && Number(value) <= MAX_SEQUENCE, `a whole number from 1 to ${MAX_SEQUENCE}`],
  ['traceparent', (value) => TRACEPARENT.test(value), 'a W3C traceparent'],
  ['correlationId', isUuid, 'a UUID'],
  ['causationId', isUuid, 'a UUID'],
  ['actor', isUuid, 'a UUID'],
]

const MAX_BYTES = 2048
const NAMESPACE_URL = Buffer.from('6ba7b8119dad11d180b400c04fd430c8', 'hex')

/** Returns the UUID of version 5 that RFC 9562 derives from a text. */
function uuidOf(text: string): string {
  const bytes = createHash('sha1').update(NAMESPACE_URL).update(text).digest().subarray(0, 16)
  bytes[6] = (bytes[6]! & 0x0f) | 0x50
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  return bytes.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}

/** Reads an id, which may be any text: one that is not a UUID is mapped to one. An id is unique within its scope. */
function idIn(event: CloudEventV1<Buffer>, name: string, scope = ''): string | undefined {
  if (event[name] === undefined) return undefined
  const text = String(event[name])
  if (text === '' || Buffer.byteLength(text) > MAX_BYTES || /\p{Cc}/u.test(text)) {
    const form = `text of 1 to ${MAX_BYTES} bytes without control characters`
    throw new EnvelopeError(`the attribute ${name} cannot be read: it should be ${form}`)
  }
  return isUuid(text) ? text.toLowerCase() : uuidOf(scope + text)
}

/** Validates the attributes that are set. Throws EnvelopeError. */
function checked(envelope: Envelope): Envelope {
  for (const [name, isInForm, form] of FORMS) {
    const value = envelope[name]
    if (value !== undefined && !isInForm(String(value))) {
      throw new EnvelopeError(`the attribute ${name.toLowerCase()} cannot be read: it should be ${form}`)
    }
  }
  return envelope
}

/** Returns an envelope with the given attributes, an id and a time, in the chain of the causing message, if any. */
export function newEnvelope(name: string, source: string, attributes: Attributes, cause?: Envelope): Envelope {
  const chain = cause && {
    correlationId: cause.correlationId ?? cause.id,
    causationId: cause.id,
    ...withoutUnset({ actor: cause.actor, traceparent: cause.traceparent }),
  }
  const made = { id: randomUUID(), time: new Date().toISOString() }
  return checked({ name, source, ...made, ...chain, ...withoutUnset(attributes) })
}

/** Returns a CloudEvent with these attributes and JSON data. */
export function toCloudEvent(envelope: Envelope, body: Buffer): CloudEventV1<Buffer> {
  const { name, sequence, correlationId, causationId, ...same } = envelope
  const extensions = { sequence: sequence?.toString(), correlationid: correlationId, causationid: causationId }
  const fixed = { specversion: '1.0', type: name, datacontenttype: 'application/json' }
  return { ...fixed, ...same, ...withoutUnset(extensions), data: body }
}

/** Returns the envelope of a CloudEvent; unknown attributes are ignored. Throws EnvelopeError. */
export function fromCloudEvent(event: CloudEventV1<Buffer>): Envelope {
  if (event.time === undefined) throw new EnvelopeError('the attribute time is missing')
  const text = (name: string) => (event[name] === undefined ? undefined : String(event[name]))
  const sequence = text('sequence')
  const envelope = {
    name: event.type,
    source: event.source,
    id: idIn(event, 'id', `${event.source}\n`),
    time: event.time,
    subject: event.subject,
    sequence: sequence === undefined ? undefined : Number(sequence),
    traceparent: text('traceparent'),
    correlationId: idIn(event, 'correlationid'),
    causationId: idIn(event, 'causationid'),
    actor: text('actor')?.toLowerCase(),
  }
  return checked(withoutUnset(envelope) as unknown as Envelope)
}

type Set<T> = { [Name in keyof T]?: Exclude<T[Name], undefined> }

function withoutUnset<T extends object>(attributes: T): Set<T> {
  return Object.fromEntries(Object.entries(attributes).filter(([, value]) => value !== undefined)) as Set<T>
}
