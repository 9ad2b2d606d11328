// Handles the messages of a queue: each is acknowledged after its handler, or rejected with a reason.
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, type Channel, type ConsumeMessage } from 'amqplib'
import { NotACloudEvent, fromMessage } from './binding.js'
import { EnvelopeError, fromCloudEvent, type Envelope } from './envelope.js'
import { InvalidData, type Message } from './message.js'

const RECONNECT_WAIT_MS = 1_000
export const CONNECT_LIMIT_MS = 10_000

/** The message can never be handled, however often it is delivered. A handler may throw it too. */
export class Refused extends Error {
  override name = 'Refused'
}

export type Handler<T> = (data: T, envelope: Envelope) => Promise<void>

/** A message and its handler; created by `on`. */
export interface Subscription {
  readonly message: Message<unknown>
  readonly handler: Handler<unknown>
}

/** Subscribes a handler to a message: `on(ContactAdded, async (added, envelope) => ...)`. */
export const on = <T>(message: Message<T>, handler: Handler<T>) => ({ message, handler }) as unknown as Subscription

export interface ConsumeOptions {
  /** Stops consuming; the message being handled is finished first. */
  signal?: AbortSignal
  /** The waits before each retry of a failed handler (milliseconds); after the last retry, the message is rejected. */
  waitsMs?: number[]
  /** The prefetch: the number of unacknowledged messages. */
  prefetch?: number
  /** Receives a line when a message is rejected or redelivered, or a connection is replaced. Default: console.warn. */
  log?: (line: string, cause?: unknown) => void
}

type Settings = Required<Omit<ConsumeOptions, 'signal'>> & { signal: AbortSignal; byName: Map<string, Subscription> }

/** Handles the messages of a queue until stopped; reconnects if the connection is lost. */
export async function consume(url: string, queue: string, subscriptions: Subscription[], options: ConsumeOptions) {
  const settings: Settings = {
    signal: new AbortController().signal,
    waitsMs: [1_000, 5_000, 30_000],
    prefetch: 16,
    log: (line, cause) => (cause === undefined ? console.warn(line) : console.warn(line, cause)),
    ...options,
    byName: new Map(subscriptions.map((subscription) => [subscription.message.name, subscription])),
  }
  while (!settings.signal.aborted) {
    try {
      await takeFrom(url, queue, settings)
    } catch (error) {
      // The broker denies access: the queue does not exist, or the user may not read it.
      if ([403, 404].includes((error as { code?: number }).code ?? 0)) throw error
      settings.log(`${queue}: broker unreachable: ${(error as Error).message}`)
    }
    await pause(RECONNECT_WAIT_MS, undefined, { signal: settings.signal }).catch(() => undefined)
  }
}

/** Handles the messages of a queue until stopped, or until the connection or the queue is lost. */
async function takeFrom(url: string, queue: string, settings: Settings): Promise<void> {
  const connection = await connect(url, { timeout: CONNECT_LIMIT_MS })
  const end = new AbortController()
  const ended = () => end.abort()
  // A connection error is followed by the `close` event, which is handled.
  connection.on('error', () => undefined).on('close', ended)
  settings.signal.addEventListener('abort', ended, { once: true })
  // It may have been stopped while the connection was being opened.
  if (settings.signal.aborted) ended()
  try {
    const channel = await connection.createChannel()
    channel.on('error', () => undefined).on('close', ended)
    await channel.prefetch(settings.prefetch)
    let work = Promise.resolve()
    await channel.consume(queue, (delivery) => {
      if (delivery === null) return ended()
      work = work.then(() => (end.signal.aborted ? undefined : bringToAnEnd(channel, delivery, settings)))
    })
    if (!end.signal.aborted) await once(end.signal, 'abort')
    await work
    if (!settings.signal.aborted) settings.log(`${queue}: connection or queue lost`)
  } finally {
    settings.signal.removeEventListener('abort', ended)
    await connection.close().catch(() => undefined)
  }
}

/** Handles a message and acknowledges or rejects it. */
async function bringToAnEnd(channel: Channel, delivery: ConsumeMessage, settings: Settings): Promise<void> {
  let isHandled: boolean
  try {
    isHandled = await handle(delivery, settings)
  } catch (error) {
    settings.log(`rejected: ${(error as Error).message}`, (error as Error).cause)
    return atTheBroker(() => channel.nack(delivery, false, false), delivery, settings)
  }
  if (isHandled) atTheBroker(() => channel.ack(delivery), delivery, settings)
}

function atTheBroker(end: () => void, { properties }: ConsumeMessage, { log }: Settings): void {
  try {
    end()
  } catch {
    // The connection that delivered it is lost: the broker redelivers the message on the next one.
    log(`message ${properties.messageId} was not acknowledged and will be redelivered`)
  }
}

/** Calls the handler, again after each wait. Returns false if stopped before it succeeded. Throws Refused. */
async function handle(delivery: ConsumeMessage, { byName, waitsMs, signal, log }: Settings): Promise<boolean> {
  const { envelope, data, handler } = read(delivery, byName)
  const what = `${envelope.name} ${envelope.id}`
  for (const waitMs of [...waitsMs, undefined]) {
    try {
      await handler(data, envelope)
      return true
    } catch (error) {
      if (error instanceof Refused) throw new Refused(`${what}: ${error.message}`)
      if (waitMs === undefined) throw new Refused(`${what}: failed ${waitsMs.length + 1} times`, { cause: error })
      log(`${what} failed; retrying in ${waitMs} ms`, error)
    }
    await pause(waitMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return false
  }
  return false
}

/** Decodes a message and finds its handler. Throws Refused. */
function read({ properties, content }: ConsumeMessage, byName: Map<string, Subscription>) {
  try {
    const { headers = {}, contentType } = properties
    const envelope = fromCloudEvent(fromMessage({ headers, contentType, body: content }))
    const subscription = byName.get(envelope.name)
    if (!subscription) throw new Refused(`there is no handler for ${envelope.name}`)
    const data = subscription.message.read(content)
    checkSender(envelope.name, properties.userId)
    return { envelope, data, handler: subscription.handler }
  } catch (error) {
    const isExpected = [Refused, NotACloudEvent, EnvelopeError, InvalidData].some((kind) => error instanceof kind)
    // The text of any other error may contain data of the message.
    throw new Refused(`message ${properties.messageId}: ${isExpected ? (error as Error).message : 'cannot be read'}`)
  }
}

/** The broker refuses a user id that is not the sender's own, so this is the one header that cannot be forged. */
function checkSender(name: string, userId: unknown): void {
  const [owner] = name.split('.')
  const sender = userId || 'a publisher without a user id'
  if (sender !== owner) throw new Refused(`${name}: published by ${sender}, only ${owner} may publish it`)
}
