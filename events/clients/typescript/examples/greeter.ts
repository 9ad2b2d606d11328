// Greets every new contact.
import { connect, on } from 'kith-events'
import { ContactAdded } from 'kith-events/messages/contacts'

const { BROKER_URL = '', QUEUE = '' } = process.env
const stop = new AbortController()
process.once('SIGTERM', () => stop.abort())

const client = await connect(BROKER_URL, { source: '/greeter' })
await client.consume(QUEUE, [
  on(ContactAdded, async (added, envelope) => console.log(`hello ${added.name}, from ${envelope.source}`)),
], { signal: stop.signal })
await client.close()
