// A message: its full name, and its schema. Data is validated against the schema when sent and when received.
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

/** Data does not match its schema. Contains the place and the expectation, never the value. */
export class InvalidData extends Error {
  override name = 'InvalidData'

  constructor(readonly message_name: string, readonly problems: string[]) {
    super(`${message_name}: ${problems.join('; ')}`)
  }
}

/** One version of a message, whose data is a `T`. */
export interface Message<T> {
  /** The full name, `contacts.contact-added.v1`: the CloudEvents type. */
  readonly name: string
  readonly owner: string
  readonly kind: 'event' | 'request' | 'reply' | 'job'
  readonly exchange: string
  readonly routingKey: string
  /** Returns the subject, if the schema names a field that contains it. */
  subject(data: T): string | undefined
  /** Encodes data as a body. Throws InvalidData. */
  write(data: T): Buffer
  /** Decodes a body. Throws InvalidData. */
  read(body: Buffer): T
}

interface About {
  name: string
  kind: Message<unknown>['kind']
  subject?: string
}

interface Bundle {
  $schema: string
  $id: string
  $defs: Record<string, object>
}

// verbose: errors contain the expectation of the schema.
const ajv = new Ajv2020({ allErrors: true, verbose: true, schemas: [], keywords: ['x-kith', 'x-personal-data'] })
addFormats.default(ajv)
// The format of Rust's `u32` in the schemas.
ajv.addFormat('uint32', { type: 'number', validate: (value) => value >= 0 && value <= 0xffff_ffff })

/** Defines the messages of a bundle of schemas. Called by the modules that generate.mjs generates. */
export function definedIn(bundle: Bundle): <T>(typeName: string) => Message<T> {
  ajv.addSchema(bundle)
  return <T>(typeName: string) => {
    const about = (bundle.$defs[typeName] as { 'x-kith': About })['x-kith']
    const fits = () => ajv.getSchema(`${bundle.$id}#/$defs/${typeName}`) as ValidateFunction
    return message<T>(about, fits)
  }
}

function message<T>({ name, kind, subject }: About, fits: () => ValidateFunction): Message<T> {
  const [owner, routingKey] = [name.slice(0, name.indexOf('.')), name.slice(name.indexOf('.') + 1)]
  const check = (document: unknown) => {
    const validate = fits()
    if (!validate(document)) throw new InvalidData(name, (validate.errors ?? []).map(problem).sort())
  }
  return {
    name,
    owner,
    kind,
    exchange: `events.${owner}`,
    routingKey,
    subject: (data) => (subject ? String((data as Record<string, unknown>)[subject]) : undefined),
    write(data) {
      // Validates what is sent: JSON omits undefined values, and writes a Date as text.
      const text = JSON.stringify(data) ?? 'null'
      check(JSON.parse(text))
      return Buffer.from(text)
    },
    read(body) {
      const document = parsed(body)
      if (document === undefined) throw new InvalidData(name, ['$: is not JSON'])
      check(document)
      return document as T
    },
  }
}

/** Parses the document; undefined if it is malformed, as the parser's own error contains a part of it. */
function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    return undefined
  }
}

/** Describes the place and the expectation. */
function problem({ instancePath, keyword, params, schema }: ErrorObject): string {
  const path = '$' + instancePath.split('/').slice(1).map(step).join('')
  if (keyword === 'required') return `${path}.${params.missingProperty}: is missing`
  return `${path}: should be of ${keyword} ${JSON.stringify(schema)}`
}

const step = (name: string) => (/^\d+$/.test(name) ? `[${name}]` : `.${name.replace(/~1/g, '/').replace(/~0/g, '~')}`)
