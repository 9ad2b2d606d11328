// Failed requests, and the text shown for them.

export interface FieldError {
  field: string
  detail: string
}

/** A failed request: the gateway's problem+json, or a text of ours when it could not be reached. */
export class Problem extends Error {
  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail = '',
    readonly fields: FieldError[] = [],
    readonly retryAfter: number | null = null,
  ) {
    super(title)
  }

  /** What is wrong with one form field, if there is one. */
  of(field: string): string | undefined {
    return this.fields.find((error) => error.field === field)?.detail
  }
}

/** The gateway could not be reached. */
function unreachable(): Problem {
  return navigator.onLine
    ? new Problem(0, 'Kith is not responding', 'Please try again in a moment.')
    : new Problem(0, 'You are offline', 'Nothing was sent. Try again when you are back online.')
}

/** Called when a request or its response is interrupted: a lost connection is a `TypeError`, a cancelled request is not. */
export function lost(thrown: unknown): never {
  throw thrown instanceof TypeError ? unreachable() : thrown
}

/** What any thrown value means to the person using the app; `null` for a request that the app cancelled. */
export function asProblem(thrown: unknown): Problem | null {
  if (thrown instanceof Problem) return thrown
  if (thrown instanceof DOMException && thrown.name === 'AbortError') return null
  console.error(thrown)
  return new Problem(0, 'Something went wrong', 'Please reload the page.')
}

/** Reads an error answer. Bodies that are not problem+json are never shown. */
export async function problemFrom(response: Response): Promise<Problem> {
  const retryAfter = secondsToWait(response)
  const type = response.headers.get('content-type') ?? ''
  const body: unknown = type.includes('json') ? await response.json().catch(() => null) : null
  const { title, detail, errors } = (body ?? {}) as Record<string, unknown>
  const said = typeof title === 'string' && title !== '' ? title : titleOf(response.status)
  const wait = retryAfter === null ? '' : `Try again in ${duration(retryAfter)}.`
  const detailed = typeof detail === 'string' && detail !== said ? sentence(detail) : ''
  return new Problem(response.status, sentence(said, ''), [detailed, wait].filter(Boolean).join(' '), fieldErrors(errors), retryAfter)
}

/** The `Retry-After` header in seconds, given as a number or a date. */
export function secondsToWait(response: Response): number | null {
  const header = response.headers.get('retry-after')
  if (!header) return null
  const seconds = /^\d+$/.test(header) ? Number(header) : (Date.parse(header) - Date.now()) / 1000
  return Number.isFinite(seconds) ? Math.max(0, Math.ceil(seconds)) : null
}

/** A duration as text. */
export function duration(seconds: number): string {
  if (seconds < 90) return seconds === 1 ? '1 second' : `${seconds} seconds`
  return `${Math.ceil(seconds / 60)} minutes`
}

function titleOf(status: number): string {
  if (status === 404) return 'Not found'
  if (status === 413) return 'Too large'
  if (status === 429) return 'Too many requests'
  return status >= 500 ? 'Something went wrong' : 'The request failed'
}

function sentence(text: string, end = '.'): string {
  const upper = text.charAt(0).toUpperCase() + text.slice(1)
  return /[.!?]$/.test(upper) ? upper : upper + end
}

function fieldErrors(errors: unknown): FieldError[] {
  if (!Array.isArray(errors)) return []
  return errors
    .filter((error) => typeof error?.field === 'string' && typeof error?.detail === 'string')
    .map(({ field, detail }) => ({ field, detail: sentence(detail) }))
}
