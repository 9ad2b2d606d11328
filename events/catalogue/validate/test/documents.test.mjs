// Tests of the check itself: it accepts valid documents, also third-party ones, and rejects invalid ones.
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { read } from '../diagnostics.mjs'

const HERE = fileURLToPath(new URL('..', import.meta.url))
const OTHERS = join(process.env.KITH_TEST_DATA ?? join(HERE, '../../../../shared/data'), 'contracts/asyncapi')

let folder
before(async () => (folder = await mkdtemp(join(tmpdir(), 'catalogue-'))))
after(() => rm(folder, { recursive: true }))

/** Returns a small valid document with another payload. */
function withPayload(payload) {
  return {
    asyncapi: '3.1.0',
    info: { title: 'one message', version: '1' },
    channels: { added: { address: 'added', messages: { added: { payload } } } },
    operations: {
      sendAdded: { action: 'send', channel: { $ref: '#/channels/added' }, messages: [{ $ref: '#/channels/added/messages/added' }] }
    }
  }
}

async function written(document) {
  const path = join(folder, 'document.json')
  await writeFile(path, JSON.stringify(document))
  return path
}

test('a valid document has no trouble, whatever the dialect of its payload', async () => {
  for (const version of ['draft-07', '2020-12']) {
    const payload = { schemaFormat: `application/schema+json;version=${version}`, schema: { type: 'object' } }

    const { document, trouble } = await read(await written(withPayload(payload)))

    assert.deepEqual(trouble, [])
    assert.equal(document.operations().length, 1)
  }
})

test('a payload that is no schema is refused', async () => {
  const payload = { schemaFormat: 'application/schema+json;version=draft-07', schema: { type: 'no such type' } }

  const { trouble } = await read(await written(withPayload(payload)))

  assert.ok(trouble.length > 0)
})

test('a document that is broken ends the check with a failure, and the place is named', async () => {
  const document = withPayload({ type: 'object' })
  document.operations.sendAdded.messages[0].$ref = '#/channels/removed/messages/added'
  await written(document)

  const { status, stdout } = spawnSync('node', ['validate.mjs', folder], { cwd: HERE, encoding: 'utf8' })

  assert.equal(status, 1)
  assert.match(stdout, /document\.json: error .* at #\/operations\/sendAdded/)
})

test('an action that does not exist is refused', async () => {
  const document = withPayload({ type: 'object' })
  document.operations.sendAdded.action = 'publish'

  const { trouble } = await read(await written(document))

  assert.ok(trouble.length > 0)
})

test('the examples of the AsyncAPI specification are taken', { skip: existsSync(OTHERS) ? false : `${OTHERS} does not exist` }, async () => {
  const names = (await readdir(OTHERS, { recursive: true })).filter((name) => /asyncapi\.ya?ml$/.test(name))
  assert.ok(names.length >= 15, `only ${names.length} documents in ${OTHERS}`)
  for (const name of names) {
    const { document, trouble } = await read(join(OTHERS, name))

    assert.deepEqual(trouble, [], name)
    assert.ok(document, name)
  }
})
