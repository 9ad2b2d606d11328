// A message: its full name, and its schema, which data must fit going out and coming in.
import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormats from 'ajv-formats'

/** Data that does not fit its schema. Says where and what is asked for, never what was found there. */
export class InvalidData extends Error {
  override name = 'InvalidData'

  constructor(readonly message_name: string, readonly problems: string[]) {
    super(`${message_name}: ${problems.join('; ')}`)
  }
}

/** One version of a message, whose data is a `T`. */
export interface Message<T> {
  /** Its full name, `contacts.contact-added.v1`: the CloudEvents type. */
  readonly name: string
  readonly owner: string
  readonly kind: 'event' | 'request' | 'reply' | 'job'
  readonly exchange: string
  readonly routingKey: string
  /** What it is about, where its schema names a field that says so. */
  subject(data: T): string | undefined
  /** The body that carries it. Throws InvalidData. */
  write(data: T): Buffer
  /** What a body says. Throws InvalidData. */
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

// verbose: an error tells what the schema asks for.
const ajv = new Ajv2020({ allErrors: true, verbose: true, schemas: [], keywords: ['x-kith', 'x-personal-data'] })
addFormats.default(ajv)
// The format that Rust's `u32` has in the schemas.
ajv.addFormat('uint32', { type: 'number', validate: (value) => value >= 0 && value <= 0xffff_ffff })

/** Makes the messages of a bundle of schemas. Called by what generate.mjs has made. */
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
      // What is checked is what is sent: JSON leaves out what is undefined, and writes a Date as text.
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

/** The document, or undefined: the parser's own error shows a part of it. */
function parsed(body: Buffer): unknown {
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body))
  } catch {
    return undefined
  }
}

/** Where, and what the schema asks for. */
function problem({ instancePath, keyword, params, schema }: ErrorObject): string {
  const path = '$' + instancePath.split('/').slice(1).map(step).join('')
  if (keyword === 'required') return `${path}.${params.missingProperty}: is missing`
  return `${path}: should be of ${keyword} ${JSON.stringify(schema)}`
}

const step = (name: string) => (/^\d+$/.test(name) ? `[${name}]` : `.${name.replace(/~1/g, '/').replace(/~0/g, '~')}`)
