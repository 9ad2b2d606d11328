// Members and address books for the tests, made through the public API.
import { randomBytes } from 'node:crypto'
import { BASE } from './browser.mjs'

const run = randomBytes(4).toString('hex')

export const PASSWORD = 'correct horse battery staple'

/** An e-mail address that no other run has used. */
export const address = (name) => `${name}.${run}@example.org`

export async function call(method, path, { token, json, status = [200, 201, 202, 204] } = {}) {
  const response = await fetch(`${BASE}/api/v1${path}`, {
    method,
    headers: { ...(json && { 'content-type': 'application/json' }), ...(token && { authorization: `Bearer ${token}` }) },
    body: json && JSON.stringify(json),
  })
  const text = await response.text()
  if (!status.includes(response.status)) throw new Error(`${method} ${path}: ${response.status} ${text}`)
  return text ? JSON.parse(text) : null
}

/** Registers a discoverable, nameable member, and signs in. */
export async function member(name, email) {
  await call('POST', '/accounts', { json: { name, email, password: PASSWORD } })
  const { access_token: token } = await call('POST', '/sessions', { json: { email, password: PASSWORD } })
  await call('PATCH', '/me', { token, json: { discoverable: true, nameable: true } })
  return { name, email, token }
}

export const knows = ({ token }, { name, email }) =>
  call('POST', '/contacts', { token, json: { name, emails: [email], phones: [], urls: [] } })

/** A vCard 3.0 file of the given people, each `{name, email, company?, note?}`. */
export function vcards(people) {
  return people.map(({ name, email, company, note }) => {
    const words = name.split(' ')
    const lines = [`FN:${name}`, `N:${words.at(-1)};${words.slice(0, -1).join(' ')};;;`, `EMAIL;TYPE=INTERNET:${email}`]
    if (company) lines.push(`ORG:${company}`)
    if (note) lines.push(`NOTE:${note}`)
    return ['BEGIN:VCARD', 'VERSION:3.0', ...lines, 'END:VCARD', ''].join('\r\n')
  }).join('')
}

/** A card without a name. */
export const BAD_CARD = 'BEGIN:VCARD\r\nVERSION:3.0\r\nN:;;;;\r\nEMAIL:not an address\r\nEND:VCARD\r\n'
