// Formats numbers, times and names.

const numbers = new Intl.NumberFormat('en')
const dates = new Intl.DateTimeFormat('en', { dateStyle: 'medium' })
const ago = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })

export const count = (number: number) => numbers.format(number)

export function plural(number: number, one: string, many = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`
}

export const day = (time: string) => dates.format(new Date(time))

const moments = new Intl.DateTimeFormat('en', { dateStyle: 'medium', timeStyle: 'medium' })

export const moment = (time: string) => moments.format(new Date(time))

/** A relative time such as "2 hours ago"; a date for anything older than a week. */
export function since(time: string, now = Date.now()): string {
  const minutes = Math.round((new Date(time).getTime() - now) / 60_000)
  if (minutes > -1) return 'just now'
  if (minutes > -60) return ago.format(minutes, 'minute')
  if (minutes > -24 * 60) return ago.format(Math.round(minutes / 60), 'hour')
  return minutes > -7 * 24 * 60 ? ago.format(Math.round(minutes / 60 / 24), 'day') : day(time)
}

/** One or two letters for a name, whatever its script. */
export function initials(name: string): string {
  const words = name.trim().split(/\s+/).filter(Boolean)
  const ends = words.length > 1 ? [words[0]!, words[words.length - 1]!] : words
  return ends.map((word) => [...word][0]).join('').toLocaleUpperCase()
}

export function shortened(name: string, letters: number): string {
  const all = [...name]
  return all.length > letters ? `${all.slice(0, letters - 1).join('').trim()}…` : name
}

/** `contact-joined` as `Contact joined`. */
export function readable(kind: string): string {
  const text = kind.replace(/[-_.]+/g, ' ').trim()
  return text.charAt(0).toUpperCase() + text.slice(1)
}
