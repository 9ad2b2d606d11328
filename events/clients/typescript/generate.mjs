// Makes the types of every message from the schema files: one module for each owner, in src/messages/.
import { mkdir, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { compile } from 'json-schema-to-typescript'
import { isDeepStrictEqual } from 'node:util'

const SCHEMAS = new URL('../../schemas/', import.meta.url)
const MESSAGES = new URL('src/messages/', import.meta.url)
const FILE_NAME = /^([a-z0-9]+(?:-[a-z0-9]+)*)\.v([1-9][0-9]*)\.json$/

/** `contact-added.v1.json` is `ContactAdded`; from version 2 on the number is part of the name. */
function typeName(fileName) {
  const found = FILE_NAME.exec(fileName)
  if (!found) throw new Error(`${fileName}: call or refer to a schema as <name>.v<number>.json, or to #/$defs/<Name>`)
  const name = found[1].split('-').map((word) => word[0].toUpperCase() + word.slice(1)).join('')
  return found[2] === '1' ? name : `${name}V${found[2]}`
}

/** `contact-view.v1.json` becomes `#/$defs/ContactView`. */
function withLocalReferences(value) {
  if (Array.isArray(value)) return value.map(withLocalReferences)
  if (value === null || typeof value !== 'object') return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => {
    const isOther = key === '$ref' && typeof item === 'string' && !item.startsWith('#/$defs/')
    return [key, isOther ? `#/$defs/${typeName(item)}` : withLocalReferences(item)]
  }))
}

/** Every schema of an owner under the name of its type, and what is in their `$defs` beside them. */
async function bundled(owner) {
  const folder = new URL(`${owner}/`, SCHEMAS)
  const definitions = {}
  for (const fileName of (await readdir(folder)).filter((name) => name.endsWith('.json')).sort()) {
    const { $id, $schema, $defs = {}, title, ...schema } = JSON.parse(await readFile(new URL(fileName, folder), 'utf8'))
    schema['x-kith'].name = `${owner}.${fileName.replace(/\.json$/, '')}`
    for (const [name, definition] of Object.entries({ ...$defs, [typeName(fileName)]: schema })) {
      const local = withLocalReferences(definition)
      if (definitions[name] && !isDeepStrictEqual(definitions[name], local)) {
        throw new Error(`${folder.pathname}${fileName}: ${name} is defined in two ways by ${owner}: give one of them another name`)
      }
      definitions[name] = local
    }
  }
  return { $schema: 'https://json-schema.org/draft/2020-12/schema', $id: `urn:kith:${owner}`, $defs: definitions }
}

const namesOf = (bundle) => Object.keys(bundle.$defs).filter((name) => bundle.$defs[name]['x-kith'])

/** The types of an owner, and under the same names the messages that they are the data of. */
async function moduleOf(bundle) {
  const { $id, ...schema } = structuredClone(bundle)
  const types = await compile(schema, 'Messages', {
    additionalProperties: false, bannerComment: '', format: false, unreachableDefinitions: true,
  })
  const messages = namesOf(bundle).map((name) => `export const ${name}: Message<${name}> = defined('${name}')\n`)
  return `// Made by generate.mjs.
import { definedIn, type Message } from '../message.js'

${types}
const defined = definedIn(${JSON.stringify(bundle, null, 1)})

${messages.join('')}`
}

/** Every message by its full name. */
function indexOf(bundles) {
  const all = bundles.flatMap(([owner, bundle]) =>
    namesOf(bundle).map((name) => `  '${bundle.$defs[name]['x-kith'].name}': ${owner}.${name},\n`))
  return `// Made by generate.mjs.
${bundles.map(([owner]) => `import * as ${owner} from './${owner}.js'\n`).join('')}
export { ${bundles.map(([owner]) => owner).join(', ')} }

/** Every message by its full name. */
export const MESSAGES = {
${all.join('')}}
`
}

await rm(MESSAGES, { recursive: true, force: true })
await mkdir(MESSAGES)
const folders = (await readdir(SCHEMAS, { withFileTypes: true })).filter((entry) => entry.isDirectory())
const bundles = await Promise.all(folders.map(({ name }) => name).sort().map(async (owner) => [owner, await bundled(owner)]))
for (const [owner, bundle] of bundles) await writeFile(new URL(`${owner}.ts`, MESSAGES), await moduleOf(bundle))
await writeFile(new URL('index.ts', MESSAGES), indexOf(bundles))
