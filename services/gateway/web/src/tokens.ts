// The two tokens of a sign-in: access in memory only, refresh in this tab's session storage.
import { lost, Problem, problemFrom } from './problem'

export interface Tokens {
  access_token: string
  refresh_token: string
}

const KEY = 'kith.refresh'
let access: string | null = null
let flight: Promise<string | null> | null = null
let whenLost: () => void = () => {}

export const accessToken = () => access
export const signedIn = () => sessionStorage.getItem(KEY) !== null

/** Calls `then` when the session ended without a sign-out. */
export function onSessionLost(then: () => void) {
  whenLost = then
}

export function keepTokens(tokens: Tokens) {
  access = tokens.access_token
  sessionStorage.setItem(KEY, tokens.refresh_token)
}

export function forgetTokens() {
  access = null
  sessionStorage.removeItem(KEY)
}

/** An access token newer than `used`, refreshed once for all concurrent requests; `null` when signed out. */
export function renewedToken(used: string | null): Promise<string | null> {
  if (access !== used) return Promise.resolve(access)
  flight ??= renew().finally(() => (flight = null))
  return flight
}

async function renew(): Promise<string | null> {
  const refresh_token = sessionStorage.getItem(KEY)
  if (!refresh_token) return null
  const response = await fetch('/api/v1/sessions/refresh', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ refresh_token }),
  }).catch(lost)
  if (response.ok) {
    keepTokens((await response.json().catch(lost)) as Tokens)
    return access
  }
  const problem: Problem = await problemFrom(response)
  if (response.status === 429 || response.status >= 500) throw problem
  forgetTokens()
  whenLost()
  return null
}
