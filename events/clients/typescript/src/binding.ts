// Conversion of any CloudEvent to an AMQP message and back: the binary mode of the AMQP binding, which the SDK lacks.
import { CloudEvent, ValidationError, type CloudEventV1 } from 'cloudevents'

const WRITTEN = 'cloudEvents:'
const READ = /^cloudEvents[:_]/

/** The parts of an AMQP message. */
export interface Carried {
  headers: Record<string, unknown>
  contentType: string | undefined
  body: Buffer
}

/** The headers of a message are not those of a CloudEvent. */
export class NotACloudEvent extends Error {
  override name = 'NotACloudEvent'
}

/** Returns the message that carries an event; the data becomes the body unchanged. */
export function toMessage({ data, data_base64, datacontenttype, ...attributes }: CloudEventV1<Buffer>): Carried {
  const set = Object.entries(attributes).filter(([, value]) => value !== undefined && value !== null)
  const headers = Object.fromEntries(set.map(([name, value]) => [WRITTEN + name, value]))
  return { headers, contentType: datacontenttype, body: data ?? Buffer.alloc(0) }
}

/** Returns the event that a message carries. Throws NotACloudEvent. */
export function fromMessage({ headers, contentType, body }: Carried): CloudEventV1<Buffer> {
  const ours = Object.entries(headers).filter(([name]) => READ.test(name))
  const attributes = Object.fromEntries(ours.map(([name, value]) => [name.replace(READ, ''), value]))
  // The SDK would generate an id and a version.
  for (const name of ['specversion', 'id', 'source', 'type']) {
    if (!attributes[name]) throw new NotACloudEvent(`the attribute ${name} is missing`)
  }
  if (attributes.specversion !== '1.0') throw new NotACloudEvent('the attribute specversion is not 1.0')
  if ('time' in attributes) attributes.time = rfc3339(attributes.time)
  const event = { ...attributes, ...(contentType !== undefined && { datacontenttype: contentType }) }
  try {
    new CloudEvent(event as Partial<CloudEventV1<Buffer>>)
  } catch (error) {
    throw new NotACloudEvent(`not valid in CloudEvents 1.0: ${reasons(error)}`)
  }
  // Not the SDK's object: it uses the present time for an event without one.
  return { ...event, data: body } as unknown as CloudEventV1<Buffer>
}

/** Converts a time to text: AMQP also has its own timestamps, and other SDKs write milliseconds. */
function rfc3339(time: unknown): string {
  if (typeof time === 'number') return new Date(time).toISOString()
  const native = time as { '!'?: string; value?: number }
  if (native?.['!'] === 'timestamp') return new Date(Number(native.value) * 1000).toISOString()
  if (typeof time === 'string' && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)$/i.test(time)) return time
  throw new NotACloudEvent('the attribute time is not an RFC 3339 timestamp')
}

/** Returns the names of the invalid attributes; the SDK's own text may contain their values. */
function reasons(error: unknown): string {
  const found = error instanceof ValidationError ? (error.errors as { instancePath?: string }[] | undefined) : undefined
  return found?.map(({ instancePath }) => `the attribute ${instancePath?.slice(1)}`).join(', ') || 'an extension'
}
