// The gateway's REST API, typed.
import { send, sendJson } from './http'
import { lost } from './problem'
import type { Tokens } from './tokens'

export interface Page<T> {
  items: T[]
  next_cursor: string | null
}

export interface Account {
  id: string
  email: string
  name: string
  discoverable: boolean
  nameable: boolean
  created_at: string
}

/** Which services have confirmed that they have erased their part of an account. */
export interface Erasure {
  receipt_id: string
  begun_at: string
  finished_at: string | null
  parts: { service: string; erased_at: string | null }[]
}

export interface Contact extends ContactFields {
  id: string
  person_id: string | null
  created_at: string
  changed_at: string
}

export interface ContactFields {
  name: string
  given_name: string | null
  family_name: string | null
  emails: string[]
  phones: string[]
  company: string | null
  title: string | null
  notes: string | null
  urls: string[]
}

export interface Import {
  id: string
  file_name: string | null
  format: string
  status: 'queued' | 'running' | 'finished' | 'failed' | 'cancelled'
  total: number | null
  added: number
  changed: number
  unchanged: number
  failed: number
  problems?: { line: number | null; reason: string }[]
  error?: string | null
}

export interface Degree {
  degree: number
  people: number
}

export interface PathPerson {
  person_id: string
  name: string | null
  me: boolean
  contact_id: string | null
}

export interface Path {
  length: number
  strength: number
  people: PathPerson[]
}

export type Kind = 'person' | 'company' | 'note'

export interface Hit {
  kind: Kind
  contact_id: string | null
  title: string
  subtitle: string | null
  highlight: string | null
}

export interface Notification {
  id: string
  kind: string
  title: string
  body: string | null
  read: boolean
  created_at: string
}

export interface Preference {
  kind: string
  in_app: boolean
  email: boolean
}

export interface ProfileChange {
  name?: string
  discoverable?: boolean
  nameable?: boolean
  password?: { current: string; new: string }
}

function query(values: Record<string, string | number | null | undefined>): string {
  const given = Object.entries(values).filter(([, value]) => value !== null && value !== undefined && value !== '')
  const text = new URLSearchParams(given.map(([key, value]) => [key, String(value)])).toString()
  return text && `?${text}`
}

const at = (id: string) => encodeURIComponent(id)

export const register = (json: { email: string; password: string; name: string }) =>
  sendJson<Account>('/accounts', { method: 'POST', json, anonymous: true })
export const signIn = (json: { email: string; password: string }) =>
  sendJson<Tokens>('/sessions', { method: 'POST', json, anonymous: true })
export const signOut = () => send('/sessions/current', { method: 'DELETE' })

export const readMe = () => sendJson<Account>('/me')
export const changeMe = (json: ProfileChange) => sendJson<Account>('/me', { method: 'PATCH', json })
export const deleteMe = () => sendJson<{ receipt_id: string }>('/me', { method: 'DELETE' })
export const readErasure = (id: string) => sendJson<Erasure>(`/erasures/${at(id)}`, { anonymous: true })

export function startImport(file: File): Promise<Import> {
  const body = new FormData()
  body.append('file', file)
  return sendJson<Import>('/imports', { method: 'POST', body })
}
export const readImport = (id: string, signal?: AbortSignal) => sendJson<Import>(`/imports/${at(id)}`, { signal })
export const cancelImport = (id: string) => sendJson<Import>(`/imports/${at(id)}/cancel`, { method: 'POST' })

export const listContacts = (cursor?: string | null, limit = 50) =>
  sendJson<Page<Contact>>(`/contacts${query({ cursor, limit })}`)
export const readContact = (id: string) => sendJson<Contact>(`/contacts/${at(id)}`)
export const addContact = (json: ContactFields) => sendJson<Contact>('/contacts', { method: 'POST', json })
export const changeContact = (id: string, json: ContactFields) =>
  sendJson<Contact>(`/contacts/${at(id)}`, { method: 'PATCH', json })
export const removeContact = (id: string) => send(`/contacts/${at(id)}`, { method: 'DELETE' })
export const exportContacts = async () =>
  (await send('/contacts/export', { headers: { accept: 'text/vcard' } })).blob().catch(lost)

export const readDegrees = () => sendJson<{ degrees: Degree[] }>('/network/degrees')
export const findPaths = (to: string, signal?: AbortSignal) =>
  sendJson<{ shortest: Path; best: Path }>(`/network/paths${query({ to, max: 6 })}`, { signal })

export const search = (q: string, kind?: Kind | '', signal?: AbortSignal, limit = 20) =>
  sendJson<Page<Hit>>(`/search${query({ q, kind, limit })}`, { signal })

export const listNotifications = (cursor?: string | null, limit = 20) =>
  sendJson<Page<Notification> & { unread: number }>(`/notifications${query({ cursor, limit })}`)
export const markRead = (id: string) => send(`/notifications/${at(id)}/read`, { method: 'POST' })
export const readPreferences = () => sendJson<{ items: Preference[] }>('/notifications/preferences')
export const changePreferences = (items: Preference[]) =>
  send('/notifications/preferences', { method: 'PUT', json: { items } })
export const readDigest = () => sendJson<{ wanted: boolean }>('/notifications/digest')
export const chooseDigest = (wanted: boolean) => send('/notifications/digest', { method: 'PUT', json: { wanted } })
