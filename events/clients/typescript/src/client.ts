// A program's connection to the broker: publishes events, and consumes them from its queue.
import { connect as open, type ChannelModel, type ConfirmChannel, type Options } from 'amqplib'
import { toMessage } from './binding.js'
import { CONNECT_LIMIT_MS, consume, type ConsumeOptions, type Subscription } from './consumer.js'
import { newEnvelope, toCloudEvent, type Attributes, type Envelope } from './envelope.js'
import type { Message } from './message.js'

const CONFIRM_LIMIT_MS = 10_000

/** The broker has not confirmed the event, or no queue is bound to it. Publish it again with the same id. */
export class NotPublished extends Error {
  override name = 'NotPublished'
}

export type PublishOptions = Attributes & {
  /** The envelope of the message whose handling publishes this one. */
  causedBy?: Envelope
}

/** Returns a client that publishes as `source`, such as `/billing`. Throws if the broker is unreachable. */
export async function connect(url: string, options: { source: string }): Promise<Client> {
  const client = new Client(url, options.source)
  await client.open()
  return client
}

type Route = Pick<Message<unknown>, 'name' | 'exchange' | 'routingKey'>

interface Line {
  connection: ChannelModel
  channel: ConfirmChannel
  /** The ids of messages that the broker has returned. */
  returned: Set<string>
  /** The reason for which the broker closed it, if known. */
  trouble?: Error
}

/**
 * Created by `connect`. Lost connections are replaced.
 *
 * It publishes over one connection and consumes over others: while an alarm is raised, the broker blocks the
 * connection that publishes, and acknowledgements must continue.
 */
export class Client {
  #line: Promise<Line> | undefined
  readonly #user: string

  constructor(readonly url: string, readonly source: string) {
    this.#user = decodeURIComponent(new URL(url).username || 'guest')
  }

  /** Opens the connection for publishing; reopens it if it was lost. */
  open(): Promise<Line> {
    this.#line ??= openLine(this.url).catch((error) => {
      this.#line = undefined
      throw error
    })
    return this.#line
  }

  /** Closes the connection for publishing. Consumers are stopped by their signals. */
  async close(): Promise<void> {
    const line = this.#line
    this.#line = undefined
    await line?.then(({ connection }) => connection.close()).catch(() => undefined)
  }

  /**
   * Publishes an event and returns when the broker has stored it in every bound queue. The subject is taken from the
   * data unless given. Throws InvalidData, EnvelopeError, and NotPublished if the broker rejects the event or no queue
   * is bound to it.
   */
  async publish<T>(message: Message<T>, data: T, { causedBy, ...attributes }: PublishOptions = {}): Promise<Envelope> {
    const { name, kind } = message
    if (kind !== 'event') throw new TypeError(`${name} is a ${kind}: only events can be published`)
    const body = message.write(data)
    const subject = attributes.subject ?? message.subject(data)
    const envelope = newEnvelope(name, this.source, { ...attributes, ...(subject && { subject }) }, causedBy)
    const { headers, contentType } = toMessage(toCloudEvent(envelope, body))
    const fixed = { userId: this.#user, persistent: true, mandatory: true }
    const properties = { headers, contentType, messageId: envelope.id, ...fixed }
    await this.#send(message, body, properties)
    return envelope
  }

  async #send(message: Route, body: Buffer, properties: Options.Publish): Promise<void> {
    let line: Line | undefined
    try {
      line = await this.open()
      await within(CONFIRM_LIMIT_MS, confirmed(line, message, body, properties))
    } catch (error) {
      if (error instanceof NotPublished) throw error
      // The channel, the connection or the broker may be broken: the next event uses new ones.
      await this.close()
      const cause = line?.trouble ?? (error as Error)
      throw new NotPublished(`${message.name}: ${cause.message}`, { cause })
    }
  }

  /**
   * Handles the messages of a queue one by one, in order, until the signal stops it. Each is acknowledged after its
   * handler has returned. A handler that fails is called again after each of the waits, then the message is rejected. A
   * message that cannot be read, or whose handler throws Refused, is rejected at once. Rejected messages go to the
   * queue's dead-letter exchange, and are logged with the reason.
   */
  async consume(queue: string, subscriptions: Subscription[], options: ConsumeOptions = {}): Promise<void> {
    await consume(this.url, queue, subscriptions, options)
  }
}

async function openLine(url: string): Promise<Line> {
  const connection = await open(url, { timeout: CONNECT_LIMIT_MS })
  const channel = await connection.createConfirmChannel()
  const line: Line = { connection, channel, returned: new Set() }
  // While nothing is being published, this is not an error; otherwise the pending confirm fails.
  for (const source of [connection, channel]) source.on('error', (error: Error) => void (line.trouble = error))
  channel.on('return', ({ properties }) => line.returned.add(properties.messageId))
  return line
}

/** Sends a message and waits for the publisher confirm. */
function confirmed({ channel, returned }: Line, to: Route, body: Buffer, properties: Options.Publish): Promise<void> {
  return new Promise((resolve, reject) => {
    channel.publish(to.exchange, to.routingKey, body, properties, (refusal) => {
      // The broker returns an unroutable message before it confirms it.
      const isReturned = returned.delete(properties.messageId ?? '')
      if (isReturned) reject(new NotPublished(`${to.name}: no queue is bound to it`))
      else if (refusal) reject(refusal)
      else resolve()
    })
  })
}

async function within<T>(limitMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no confirm within ${limitMs} ms`)), limitMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
