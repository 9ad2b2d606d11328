// The client with the six services, on a real broker.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { connect as open } from 'amqplib'
import { NotPublished, connect, on, type Client, type ConsumeOptions, type Envelope, type Subscription } from '../src/index.js'
import { ContactAdded, ContactRemoved } from '../src/messages/contacts.js'
import { IdentityLinked } from '../src/messages/network.js'
import { Failed } from '../src/messages/notifications.js'
import { Member, PATIENCE_MS, askBroker, eventually, setting, urlOf, withProgram } from './kith.js'

const removed = (): ContactRemoved => ({ contact_id: randomUUID(), owner_id: randomUUID(), removed_at: '2026-11-01T09:30:00Z' })

async function withClient(url: string, source: string, run: (client: Client) => Promise<void>): Promise<void> {
  const client = await connect(url, { source })
  await run(client).finally(() => client.close())
}

/** Consumes until the block ends; fails if consuming has failed. Returns what was logged. */
async function consuming(client: Client, queue: string, subscriptions: Subscription[], run: () => Promise<void>, options: ConsumeOptions = {}) {
  const lines: string[] = []
  const stop = new AbortController()
  const consumption = client.consume(queue, subscriptions, { signal: stop.signal, log: (line) => lines.push(line), ...options })
  try {
    await Promise.race([run(), consumption])
  } finally {
    stop.abort()
    await consumption
  }
  return lines
}

test('a service of Kith acts on a published event', async () => {
  const member = await Member.register()
  const contactId = await member.addsContact('Tadeusz Łukasik')
  const personId = await eventually('the network links the contact', async () => (await member.get(`contacts/${contactId}`)).person_id ?? undefined)
  const linked: IdentityLinked = { contact_id: contactId, owner_id: member.accountId, person_id: personId, joined: true }

  await withClient(urlOf('network'), '/network', async (client) => {
    const sent = await client.publish(IdentityLinked, linked, { sequence: 2, actor: member.accountId })
    assert.deepEqual([sent.subject, sent.sequence], [contactId, 2])
  })

  const title = await eventually('the feed shows it', async () => {
    const { items } = await member.get('notifications')
    return items.find(({ kind }: { kind: string }) => kind === 'contact-joined')?.title
  })
  assert.equal(title, 'Tadeusz Łukasik has joined Kith')
})

test('an event of a service of Kith is received typed', async () => {
  const received: [ContactAdded, Envelope][] = []
  const keep = on(ContactAdded, async (added, envelope) => void received.push([added, envelope]))

  await withProgram({ consumes: [ContactAdded] }, ({ queue }, url) =>
    withClient(url, '/typescript', async (client) => {
      await consuming(client, queue, [keep], async () => {
        const member = await Member.register()
        const contactId = await member.addsContact('Zoë Müller')
        const [added, envelope] = await eventually('the event comes', async () => received.find(([{ owner_id }]) => owner_id === member.accountId))

        assert.deepEqual([added.contact_id, added.name], [contactId, 'Zoë Müller'])
        assert.deepEqual([envelope.name, envelope.source], ['contacts.contact-added.v1', '/contacts'])
        assert.deepEqual([envelope.subject, envelope.sequence, envelope.actor], [contactId, 1, member.accountId])
        assert.ok(envelope.traceparent && envelope.correlationId)
      })
    }))
})

test('the example of the guide greets a new contact', async () => {
  const example = fileURLToPath(new URL('../examples/greeter.js', import.meta.url))
  const guide = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
  assert.ok(guide.includes(readFileSync(new URL('../../examples/greeter.ts', import.meta.url), 'utf8')), 'the guide shows another text')

  await withProgram({ consumes: [ContactAdded] }, async ({ queue }, url) => {
    const greeter = spawn(process.execPath, [example], { env: { ...process.env, BROKER_URL: url, QUEUE: queue } })
    let said = ''
    greeter.stdout.on('data', (chunk) => (said += chunk))
    greeter.stderr.on('data', (chunk) => (said += chunk))
    const name = `Zoë ${randomUUID()}`
    await (await Member.register()).addsContact(name)
    const exit = once(greeter, 'exit')
    try {
      const greets = async () => said.includes(`hello ${name}, from /contacts`) || undefined
      await eventually('it greets', greets).catch((error) => assert.fail(`${error.message}; its output: ${said}`))
    } finally {
      greeter.kill('SIGTERM')
    }
    assert.deepEqual(await exit, [0, null])
  })
})

test('an invalid document is refused with its path and without its value', async () => {
  let isHandled = false
  const handler = on(ContactRemoved, async () => void (isHandled = true))

  await withProgram({ consumes: [ContactRemoved] }, ({ queue, deadQueue }, url) =>
    withClient(url, '/typescript', async (client) => {
      await publishedByHand(queue, '{"contact_id": "grandma\'s secret", "owner_id": 7}')
      const lines = await consuming(client, queue, [handler], async () => {
        assert.match(await eventually('the message is in the dead queue', () => messageIn(deadQueue)), /grandma/)
      })

      const [line, ...others] = lines
      assert.deepEqual(others, [])
      assert.match(line!, /^rejected: /)
      assert.match(line!, /\$\.contact_id: should be of format "uuid"/)
      assert.match(line!, /\$\.owner_id: should be of type "string"/)
      assert.doesNotMatch(line!, /grandma/)
      assert.doesNotMatch(line!.split('contacts.contact-removed.v1:')[1]!, /7/)
      assert.equal(isHandled, false)
    }))
})

test('a handler that fails is called again, and then the event is given up', async () => {
  const calls: string[] = []
  const event = removed()
  const failing = on(ContactRemoved, async ({ contact_id }) => {
    calls.push(contact_id)
    throw new Error('the database is away')
  })

  await withProgram({ consumes: [ContactRemoved] }, ({ queue, deadQueue }, url) =>
    withClient(url, '/typescript', async (client) => {
      await withClient(urlOf('contacts'), '/contacts', async (contacts) => void (await contacts.publish(ContactRemoved, event, { sequence: 1 })))
      const untilDead = () => eventually('the message is in the dead queue', () => messageIn(deadQueue)).then(() => undefined)
      await consuming(client, queue, [failing], untilDead, { waitsMs: [10, 10] })
    }))

  assert.deepEqual(calls, Array(3).fill(event.contact_id))
})

test('an event that came while the connection was lost is handled', async () => {
  const handled: string[] = []
  const keep = on(ContactRemoved, async ({ contact_id }) => void handled.push(contact_id))
  const [before, forged, after] = [removed(), removed(), removed()]
  const untilHandled = ({ contact_id }: ContactRemoved) =>
    eventually('it is handled', async () => handled.includes(contact_id) || undefined)

  await withProgram({ consumes: [ContactRemoved], publishes: [ContactRemoved] }, ({ name, queue }, url) =>
    withClient(urlOf('contacts'), '/contacts', (contacts) =>
      withClient(url, '/typescript', async (client) => {
        await consuming(client, queue, [keep], async () => {
          await contacts.publish(ContactRemoved, before, { sequence: 1 })
          await untilHandled(before)
          await eventually('both connections are cut', () => connectionsCut(name))
          await eventually('it publishes again', () => client.publish(ContactRemoved, forged, { sequence: 1 }).catch(unlessNotPublished))
          await contacts.publish(ContactRemoved, after, { sequence: 1 })
          await untilHandled(after)
        })
      })))
})

test('an event that another program than its owner has published is rejected', async () => {
  let isHandled = false
  const handler = on(ContactRemoved, async () => void (isHandled = true))

  await withProgram({ consumes: [ContactRemoved], publishes: [ContactRemoved] }, ({ name, queue, deadQueue }, url) =>
    withClient(url, '/contacts', async (client) => {
      await client.publish(ContactRemoved, removed(), { sequence: 1 })
      const untilDead = () => eventually('the message is in the dead queue', () => messageIn(deadQueue)).then(() => undefined)
      const lines = await consuming(client, queue, [handler], untilDead)

      assert.ok(lines.some((line) => line.includes(`published by ${name}, only contacts may publish it`)), lines.join('\n'))
      assert.equal(isHandled, false)
    }))
})

test("what is another program's is refused", async () => {
  await withProgram({ publishes: [IdentityLinked] }, (_, url) =>
    withClient(url, '/typescript', async (client) => {
      await assert.rejects(client.publish(ContactRemoved, removed(), { sequence: 1 }), /contact-removed\.v1: .*ACCESS_REFUSED/s)
      await assert.rejects(client.consume('contacts.events', [], { signal: AbortSignal.timeout(PATIENCE_MS) }), /ACCESS_REFUSED/)
    }))
})

test('an event that nobody listens to is taken by the history', async () => {
  const ids = { notification_id: randomUUID(), account_id: randomUUID() }
  const said = { kind: 'import-finished', channel: 'email', reason: 'no such mailbox', failed_at: '2026-11-01T09:30:00Z' } as const
  await withProgram({ publishes: [Failed] }, (_, url) =>
    withClient(url, '/notifications', (client) =>
      assert.doesNotReject(client.publish(Failed, { ...ids, ...said }, { sequence: 1 }))))
})

function unlessNotPublished(error: unknown): undefined {
  if (!(error instanceof NotPublished)) throw error
}

async function publishedByHand(queue: string, body: string): Promise<void> {
  const attributes = { specversion: '1.0', id: randomUUID(), source: '/by-hand', type: ContactRemoved.name, time: new Date().toISOString() }
  const headers = Object.fromEntries(Object.entries(attributes).map(([name, value]) => [`cloudEvents_${name}`, value]))
  const connection = await open(setting('KITH_AMQP_URL'))
  const channel = await connection.createConfirmChannel()
  channel.sendToQueue(queue, Buffer.from(body), { headers })
  await channel.waitForConfirms()
  await connection.close()
}

async function messageIn(queue: string): Promise<string | undefined> {
  const connection = await open(setting('KITH_AMQP_URL'))
  const message = await (await connection.createChannel()).get(queue, { noAck: true })
  await connection.close()
  return message ? message.content.toString() : undefined
}

/** Closes the connections of a user, once the broker lists both. */
async function connectionsCut(user: string): Promise<number | undefined> {
  const listed = (await askBroker('GET', 'connections')) as { name: string; user: string }[]
  const names = listed.filter((connection) => connection.user === user).map(({ name }) => name)
  if (names.length < 2) return undefined
  for (const name of names) await askBroker('DELETE', `connections/${encodeURIComponent(name)}`)
  return names.length
}
