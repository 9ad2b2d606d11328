// Sends one request to the gateway: bearer token, one refresh on 401, a retry after 429 and 503, errors as problems.
import { ref } from 'vue'
import { duration, lost, problemFrom, secondsToWait } from './problem'
import { accessToken, renewedToken, signedIn } from './tokens'

export interface Request {
  method?: 'GET' | 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  json?: unknown
  body?: FormData
  headers?: Record<string, string>
  signal?: AbortSignal
  /** Sent without a token: registering and signing in. */
  anonymous?: boolean
}

const LONGEST_WAIT = 20
const MOST_WAITS = 3

/** What a request is waiting for, shown in the status bar. */
export const waiting = ref('')

/** Sends a request and returns its successful response. Throws a `Problem` for any other. */
export async function send(path: string, request: Request = {}): Promise<Response> {
  let token = request.anonymous ? null : await currentToken()
  let refreshed = false
  for (let waits = 0; ; ) {
    const response = await fetch(`/api/v1${path}`, toInit(request, token)).catch(lost)
    if (response.ok) return response
    if (response.status === 401 && !request.anonymous && !refreshed) {
      refreshed = true
      token = await renewedToken(token)
      if (token) continue
    }
    const seconds = waitBeforeRetry(response, request)
    if (seconds > LONGEST_WAIT || waits++ === MOST_WAITS) throw await problemFrom(response)
    await sayAndWait(seconds, request.signal)
  }
}

/** Sends a request and reads its JSON response. */
export async function sendJson<T>(path: string, request: Request = {}): Promise<T> {
  const response = await send(path, request)
  // The connection may be lost in the middle of a response.
  return response.json().catch(lost) as Promise<T>
}

/** Waits; throws as an aborted `fetch` does when the signal is aborted. */
export function pause(milliseconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const stop = () => {
      clearTimeout(timer)
      reject(new DOMException('stopped waiting', 'AbortError'))
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', stop)
      resolve()
    }, milliseconds)
    if (signal?.aborted) return stop()
    signal?.addEventListener('abort', stop, { once: true })
  })
}

async function currentToken(): Promise<string | null> {
  return accessToken() ?? (signedIn() ? renewedToken(null) : null)
}

function toInit(request: Request, token: string | null): RequestInit {
  const headers: Record<string, string> = { accept: 'application/json', ...request.headers }
  if (token) headers.authorization = `Bearer ${token}`
  if (request.json !== undefined) headers['content-type'] = 'application/json'
  return {
    method: request.method ?? 'GET',
    headers,
    body: request.json === undefined ? request.body : JSON.stringify(request.json),
    signal: request.signal,
  }
}

/** A 429 was not processed, so it can be repeated; a 503 only if the request is read-only. */
function waitBeforeRetry(response: Response, { method = 'GET' }: Request): number {
  const passing = response.status === 429 || (response.status === 503 && method === 'GET')
  return passing ? (secondsToWait(response) ?? 1) : Infinity
}

async function sayAndWait(seconds: number, signal?: AbortSignal) {
  waiting.value = `Kith is busy. Trying again in ${duration(seconds)}.`
  await pause(seconds * 1000, signal).finally(() => (waiting.value = ''))
}
