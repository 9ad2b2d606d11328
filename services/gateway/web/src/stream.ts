// Server-sent events over fetch, because the browser's EventSource cannot send a bearer token.

export interface StreamEvent {
  id: string
  event: string
  data: string
}

export type StreamState = 'connecting' | 'open' | 'waiting'

interface StreamOptions {
  /** Opens a connection that resumes after the given event; rejects when refused. */
  connect: (lastEventId: string, signal: AbortSignal) => Promise<Response>
  onEvent: (event: StreamEvent) => void
  onState: (state: StreamState) => void
}

const FIRST_WAIT = 1000
const LONGEST_WAIT = 30_000
/** The gateway sends keep-alive comments; a connection that is silent for longer is dead. */
const LONGEST_SILENCE = 60_000

/** Turns text chunks into events, by the rules of the HTML standard. */
export class EventParser {
  lastId = ''
  retry: number | null = null
  private id = ''
  private event = ''
  private data: string[] = []
  private rest = ''
  private afterReturn = false

  constructor(private readonly emit: (event: StreamEvent) => void) {}

  push(chunk: string) {
    // A line end of two characters may be split over two chunks.
    const text = this.afterReturn && chunk.startsWith('\n') ? chunk.slice(1) : chunk
    if (chunk) this.afterReturn = chunk.endsWith('\r')
    const lines = (this.rest + text).split(/\r\n|\r|\n/)
    this.rest = lines.pop() ?? ''
    for (const line of lines) this.readLine(line)
  }

  /** Discards a partial event when its connection is lost. */
  reset() {
    this.id = this.lastId
    this.event = ''
    this.data = []
    this.rest = ''
    this.afterReturn = false
  }

  private readLine(line: string) {
    if (line === '') return this.dispatch()
    const colon = line.indexOf(':')
    const field = colon < 0 ? line : line.slice(0, colon)
    const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '')
    if (field === 'event') this.event = value
    if (field === 'data') this.data.push(value)
    if (field === 'id' && !value.includes('\0')) this.id = value
    if (field === 'retry' && /^\d+$/.test(value)) this.retry = Number(value)
  }

  private dispatch() {
    this.lastId = this.id
    if (this.data.length > 0) {
      this.emit({ id: this.id, event: this.event || 'message', data: this.data.join('\n') })
    }
    this.event = ''
    this.data = []
  }
}

/** The delay before reconnecting: exponential, capped, with jitter. */
export function backOff(failures: number, first: number, random = Math.random()): number {
  const ceiling = Math.min(LONGEST_WAIT, first * 2 ** failures)
  return ceiling / 2 + (ceiling / 2) * random
}

/** Keeps a stream open until the returned function is called. */
export function openStream({ connect, onEvent, onState }: StreamOptions): () => void {
  const closed = new AbortController()
  const parser = new EventParser(onEvent)
  let failures = 0

  async function listen() {
    const connection = new AbortController()
    const abort = () => connection.abort()
    closed.signal.addEventListener('abort', abort, { once: true })
    let watchdog = setTimeout(abort, LONGEST_SILENCE)
    try {
      const response = await connect(parser.lastId, connection.signal)
      const reader = response.body!.pipeThrough(new TextDecoderStream()).getReader()
      onState('open')
      for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
        failures = 0
        clearTimeout(watchdog)
        watchdog = setTimeout(abort, LONGEST_SILENCE)
        parser.push(chunk.value)
      }
    } finally {
      clearTimeout(watchdog)
      closed.signal.removeEventListener('abort', abort)
      parser.reset()
    }
  }

  async function keepListening() {
    while (!closed.signal.aborted) {
      onState('connecting')
      const wait = await listen().then(() => 0, (thrown) => Number(thrown?.retryAfter ?? 0) * 1000)
      if (closed.signal.aborted) return
      onState('waiting')
      await untilOnlineOr(Math.max(wait, backOff(failures++, parser.retry ?? FIRST_WAIT)), closed.signal)
    }
  }

  void keepListening()
  return () => closed.abort()
}

/** Waits, at most until the network is back or the stream is closed. */
function untilOnlineOr(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer)
      window.removeEventListener('online', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    const timer = setTimeout(done, milliseconds)
    window.addEventListener('online', done)
    signal.addEventListener('abort', done)
  })
}
