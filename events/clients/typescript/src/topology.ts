// Creates, as the broker's administrator, a program's queue, bindings, and user with minimal rights. Like Kith's
// services, the program itself may configure nothing.
import type { Message } from './message.js'

// Crash loops end in the dead queue; a message whose handler fails goes there after the client's own attempts.
const DELIVERY_LIMIT = 20

/** The properties that decide a message's exchange and queues. */
type Route = Pick<Message<unknown>, 'exchange' | 'routingKey'>

export interface Needs {
  consumes?: Route[]
  publishes?: Route[]
  vhost?: string
}

const encoded = encodeURIComponent
/** Returns the pattern that matches exactly these names. */
const anyOf = (names: string[]) => (names.length ? `^(${names.map(literal).join('|')})$` : '^$')
const literal = (name: string) => name.replace(/[^\w]/g, '\\$&')
const exchangesOf = (messages: Route[]) => [...new Set(messages.map(({ exchange }) => exchange))].sort()

/** The topology of the program `name`: the user `name`, the queues `<name>.events` and `<name>.dead`. */
export class Topology {
  readonly queue: string
  readonly deadQueue: string
  readonly #deadExchange: string
  readonly #needs: Required<Needs>

  constructor(readonly name: string, needs: Needs) {
    this.queue = `${name}.events`
    this.deadQueue = `${name}.dead`
    this.#deadExchange = `dead.${name}`
    this.#needs = { consumes: [], publishes: [], vhost: '/', ...needs }
  }

  /** Creates what is missing. `managementUrl` is that of an administrator, with name and password. */
  async apply(managementUrl: string, password: string): Promise<void> {
    const { consumes, publishes } = this.#needs
    const call = administrator(managementUrl)
    for (const exchange of exchangesOf([...consumes, ...publishes])) {
      await call('PUT', this.#of('exchanges', exchange), { type: 'topic', durable: true })
    }
    if (consumes.length) await this.#makeQueues(call)
    await this.#makeUser(call, password)
  }

  /** Deletes the program's own user and queues; the exchanges of events stay. */
  async remove(managementUrl: string): Promise<void> {
    const call = administrator(managementUrl)
    const queues = [this.#of('queues', this.queue), this.#of('queues', this.deadQueue)]
    for (const path of [...queues, this.#of('exchanges', this.#deadExchange), `users/${encoded(this.name)}`]) {
      await call('DELETE', path)
    }
  }

  async #makeQueues(call: Call): Promise<void> {
    await call('PUT', this.#of('exchanges', this.#deadExchange), { type: 'fanout', durable: true })
    const lasting = { 'x-queue-type': 'quorum' }
    await call('PUT', this.#of('queues', this.deadQueue), { durable: true, arguments: lasting })
    await this.#bind(call, this.#deadExchange, this.deadQueue, '')
    const limited = { ...lasting, 'x-delivery-limit': DELIVERY_LIMIT, 'x-dead-letter-exchange': this.#deadExchange }
    await call('PUT', this.#of('queues', this.queue), { durable: true, arguments: limited })
    for (const { exchange, routingKey } of this.#needs.consumes) {
      await this.#bind(call, exchange, this.queue, routingKey)
    }
  }

  async #bind(call: Call, exchange: string, queue: string, routingKey: string): Promise<void> {
    const path = `bindings/${encoded(this.#needs.vhost)}/e/${encoded(exchange)}/q/${encoded(queue)}`
    await call('POST', path, { routing_key: routingKey })
  }

  async #makeUser(call: Call, password: string): Promise<void> {
    const { publishes, vhost } = this.#needs
    const [user, place] = [encoded(this.name), encoded(vhost)]
    const rights = { configure: '^$', write: anyOf(exchangesOf(publishes)), read: anyOf([this.queue]) }
    await call('PUT', `users/${user}`, { password, tags: '' })
    await call('PUT', `permissions/${place}/${user}`, rights)
    // Only the named events of an owner, although the exchange carries all of them.
    for (const exchange of exchangesOf(publishes)) {
      const keys = publishes.filter((message) => message.exchange === exchange).map(({ routingKey }) => routingKey)
      await call('PUT', `topic-permissions/${place}/${user}`, { exchange, write: anyOf(keys), read: '^$' })
    }
  }

  #of(kind: string, name: string): string {
    return `${kind}/${encoded(this.#needs.vhost)}/${encoded(name)}`
  }
}

type Call = (method: string, path: string, body?: object) => Promise<void>

function administrator(managementUrl: string): Call {
  const { origin, pathname, username, password } = new URL(managementUrl)
  const login = Buffer.from(`${decodeURIComponent(username)}:${decodeURIComponent(password)}`).toString('base64')
  const headers = { authorization: `Basic ${login}`, 'content-type': 'application/json' }
  return async (method, path, body) => {
    const url = `${origin}${pathname.replace(/\/$/, '')}/api/${path}`
    const signal = AbortSignal.timeout(30_000)
    const answer = await fetch(url, { method, headers, signal, ...(body && { body: JSON.stringify(body) }) })
    const isAway = method === 'DELETE' && answer.status === 404
    if (!answer.ok && !isAway) throw new Error(`${method} ${path}: rejected by the broker: ${await answer.text()}`)
  }
}
