// Takes messages from a queue and sees to it that each is handled and then acknowledged, or given up for a reason.
import { once } from 'node:events'
import { setTimeout as pause } from 'node:timers/promises'
import { connect, type Channel, type ConsumeMessage } from 'amqplib'
import { NotACloudEvent, fromMessage } from './binding.js'
import { EnvelopeError, fromCloudEvent, type Envelope } from './envelope.js'
import { InvalidData, type Message } from './message.js'

const RECONNECT_WAIT_MS = 1_000
export const CONNECT_LIMIT_MS = 10_000

/** A message that will never be handled, however often it comes. A handler may throw it too. */
export class Refused extends Error {
  override name = 'Refused'
}

export type Handler<T> = (data: T, envelope: Envelope) => Promise<void>

/** What is done with one message; made by `on`. */
export interface Subscription {
  readonly message: Message<unknown>
  readonly handler: Handler<unknown>
}

/** Says who handles a message: `on(ContactAdded, async (added, envelope) => ...)`. */
export const on = <T>(message: Message<T>, handler: Handler<T>) => ({ message, handler }) as unknown as Subscription

export interface ConsumeOptions {
  /** Stops it: the message in hand is finished first. */
  signal?: AbortSignal
  /** How long to wait before a handler that failed is called again (milliseconds); then the message is given up. */
  waitsMs?: number[]
  /** How many messages are fetched ahead. */
  prefetch?: number
  /** Told why a message is given up, comes again, or a connection is replaced. Default: console.warn. */
  log?: (line: string, cause?: unknown) => void
}

type Settings = Required<Omit<ConsumeOptions, 'signal'>> & { signal: AbortSignal; byName: Map<string, Subscription> }

/** Handles what is in a queue until stopped, over a new connection whenever the last is lost. */
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
      // The broker says no: the queue is not there, or not ours to read.
      if ([403, 404].includes((error as { code?: number }).code ?? 0)) throw error
      settings.log(`${queue}: the broker cannot be reached: ${(error as Error).message}`)
    }
    await pause(RECONNECT_WAIT_MS, undefined, { signal: settings.signal }).catch(() => undefined)
  }
}

/** Handles what is in a queue until stopped, or until the connection or the queue is gone. */
async function takeFrom(url: string, queue: string, settings: Settings): Promise<void> {
  const connection = await connect(url, { timeout: CONNECT_LIMIT_MS })
  const end = new AbortController()
  const ended = () => end.abort()
  // Errors of the connection come with its end, which is what counts.
  connection.on('error', () => undefined).on('close', ended)
  settings.signal.addEventListener('abort', ended, { once: true })
  // It may have been stopped while the connection was made.
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
    if (!settings.signal.aborted) settings.log(`${queue}: the connection or the queue is gone`)
  } finally {
    settings.signal.removeEventListener('abort', ended)
    await connection.close().catch(() => undefined)
  }
}

/** Handles a message and acknowledges it, or gives it up. */
async function bringToAnEnd(channel: Channel, delivery: ConsumeMessage, settings: Settings): Promise<void> {
  let isHandled: boolean
  try {
    isHandled = await handle(delivery, settings)
  } catch (error) {
    settings.log(`refused: ${(error as Error).message}`, (error as Error).cause)
    return atTheBroker(() => channel.nack(delivery, false, false), delivery, settings)
  }
  if (isHandled) atTheBroker(() => channel.ack(delivery), delivery, settings)
}

function atTheBroker(end: () => void, { properties }: ConsumeMessage, { log }: Settings): void {
  try {
    end()
  } catch {
    // The connection that brought it is gone: the broker hands it out again on the next one.
    log(`message ${properties.messageId} is not acknowledged and will come again`)
  }
}

/** Calls the handler, again after each wait. False when stopped before it succeeded. Throws Refused. */
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
      log(`${what} failed, again in ${waitMs} ms`, error)
    }
    await pause(waitMs, undefined, { signal }).catch(() => undefined)
    if (signal.aborted) return false
  }
  return false
}

/** What was sent, and who handles it. Throws Refused. */
function read({ properties, content }: ConsumeMessage, byName: Map<string, Subscription>) {
  try {
    const { headers = {}, contentType } = properties
    const envelope = fromCloudEvent(fromMessage({ headers, contentType, body: content }))
    const subscription = byName.get(envelope.name)
    if (!subscription) throw new Refused(`there is no handler for ${envelope.name}`)
    return { envelope, data: subscription.message.read(content), handler: subscription.handler }
  } catch (error) {
    const isExpected = [Refused, NotACloudEvent, EnvelopeError, InvalidData].some((kind) => error instanceof kind)
    // What else may be thrown here might show what is in the message.
    throw new Refused(`message ${properties.messageId}: ${isExpected ? (error as Error).message : 'cannot be read'}`)
  }
}
