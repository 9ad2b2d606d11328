// A running Kith for the tests: its public API, its broker's administrator, and broker users of the tests.
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import { Topology, type Needs } from '../src/topology.js'

export const PATIENCE_MS = 30_000
const PASSWORD = 'correct horse battery staple'
const hex = () => randomBytes(6).toString('hex')

export function setting(name: string): string {
  const value = process.env[name]
  assert.ok(value, `${name} is not set: run the tests with scripts/clients`)
  return value
}

/** Polls until a value is found or the limit has passed. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined>): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS
  while (Date.now() < deadline) {
    const found = await look()
    if (found !== undefined) return found
    await pause(100)
  }
  throw new Error(`not within ${PATIENCE_MS} ms: ${what}`)
}

/** Runs with a program of the test on the broker, and the URL of its user. Both are deleted afterwards. */
export async function withProgram(needs: Needs, run: (topology: Topology, url: string) => Promise<void>): Promise<void> {
  const topology = new Topology(`typescript-${hex()}`, needs)
  const password = hex()
  const url = new URL(setting('KITH_AMQP_URL'))
  url.username = topology.name
  url.password = password
  try {
    await topology.apply(setting('KITH_RABBIT_API'), password)
    await run(topology, url.href)
  } finally {
    await topology.remove(setting('KITH_RABBIT_API'))
  }
}

/** The URL of a service's own user: consumers accept its messages from no other. */
export function urlOf(service: string): string {
  const url = new URL(setting('KITH_AMQP_URL'))
  url.username = service
  url.password = readFileSync(join(setting('KITH_SECRETS'), `${service}.broker`), 'utf8').trim()
  return url.href
}

/** Calls the broker's management API as its administrator. */
export async function askBroker(method: string, path: string): Promise<unknown> {
  const { origin, username, password } = new URL(setting('KITH_RABBIT_API'))
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  const answer = await fetch(`${origin}/api/${path}`, { method, headers: { authorization } })
  return read(answer)
}

type Json = Record<string, any>

async function read(answer: Response): Promise<any> {
  const text = await answer.text()
  assert.ok(answer.ok, `${answer.url}: ${answer.status} ${text}`)
  return text ? JSON.parse(text) : undefined
}

/** A registered account with a session. */
export class Member {
  private constructor(readonly accountId: string, readonly token: string) {}

  static async register(): Promise<Member> {
    const login = { email: `${hex()}@example.org`, password: PASSWORD }
    const account = await call('POST', 'accounts', { name: 'Nadia Client', ...login })
    const session = await call('POST', 'sessions', login)
    return new Member(account.id, session.access_token)
  }

  async addsContact(name: string): Promise<string> {
    const contact = { name, emails: [`${hex()}@example.org`], phones: [], urls: [] }
    return (await call('POST', 'contacts', contact, this.token)).id
  }

  get(path: string): Promise<Json> {
    return call('GET', path, undefined, this.token)
  }
}

async function call(method: string, path: string, body?: object, token?: string): Promise<Json> {
  const headers = { 'content-type': 'application/json', ...(token && { authorization: `Bearer ${token}` }) }
  const url = `${setting('KITH_URL').replace(/\/$/, '')}/api/v1/${path}`
  return read(await fetch(url, { method, headers, body: body && JSON.stringify(body) }))
}
