// Validates every AsyncAPI document of a folder; exits with 1 if one has an error or a warning.
//
// usage: node validate.mjs <folder>
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { read } from './diagnostics.mjs'

const [folder, ...more] = process.argv.slice(2)
if (!folder || more.length > 0) {
  console.error('usage: node validate.mjs <folder>')
  process.exit(2)
}
const files = (await readdir(folder)).filter((name) => /\.(json|ya?ml)$/.test(name)).sort()
if (files.length === 0) {
  console.error(`error: ${folder} contains no AsyncAPI document: build the catalogue first, with scripts/docs`)
  process.exit(1)
}
let troubled = 0
for (const file of files) {
  const { document, trouble, remarks } = await read(join(folder, file))
  for (const line of [...trouble, ...remarks]) console.log(line)
  if (trouble.length > 0 || !document) troubled += 1
  else console.log(`${file}: AsyncAPI ${document.version()}, ${document.operations().length} operations, valid`)
}
if (troubled > 0) {
  console.error(`error: ${troubled} of ${files.length} documents are not valid`)
  process.exit(1)
}
