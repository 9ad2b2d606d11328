// The number of unread notifications, always as the gateway counts it.
import { ref } from 'vue'
import { listNotifications } from './api'
import { listen } from './live'
import { asProblem } from './problem'

export const unread = ref(0)
/** The title of the newest notification, read out as it arrives. */
export const newest = ref('')

const COALESCE = 200
let stops: (() => void)[] = []
let due: ReturnType<typeof setTimeout> | undefined

export function startFeed() {
  stopFeed()
  stops = [
    listen('opened', recount),
    listen('notification', (notification) => {
      newest.value = notification.title
      recount()
    }),
  ]
  recount()
}

export function stopFeed() {
  clearTimeout(due)
  for (const stop of stops) stop()
  stops = []
  unread.value = 0
  newest.value = ''
}

/** Reloads the count after a short delay, once for several events. A local count would be wrong after a resumed stream. */
export function recount() {
  clearTimeout(due)
  due = setTimeout(async () => {
    try {
      unread.value = (await listNotifications(null, 1)).unread
    } catch (thrown) {
      asProblem(thrown)
    }
  }, COALESCE)
}
