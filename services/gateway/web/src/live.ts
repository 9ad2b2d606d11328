// Live events from the gateway, and their listeners.
import { onUnmounted, ref } from 'vue'
import type { Import, Notification } from './api'
import { send } from './http'
import { openStream, type StreamEvent, type StreamState } from './stream'

interface Told {
  import: Import
  notification: Notification
  network: Record<string, never>
  /** The stream was (re)opened: events may have been missed. */
  opened: null
}

type Listener = (data: never) => void

const listeners = new Map<string, Set<Listener>>()
let close: (() => void) | null = null

export const liveState = ref<StreamState | 'off'>('off')

/** Listens while the component is mounted. */
export function useLive<E extends keyof Told>(event: E, listener: (data: Told[E]) => void) {
  onUnmounted(listen(event, listener))
}

/** Listens until the returned function is called. */
export function listen<E extends keyof Told>(event: E, listener: (data: Told[E]) => void): () => void {
  const all = listeners.get(event) ?? new Set()
  listeners.set(event, all.add(listener as Listener))
  return () => all.delete(listener as Listener)
}

export function startLive() {
  close ??= openStream({ connect, onEvent: tell, onState: changeState })
}

export function stopLive() {
  close?.()
  close = null
  liveState.value = 'off'
}

function connect(lastEventId: string, signal: AbortSignal): Promise<Response> {
  const resume: Record<string, string> = lastEventId ? { 'last-event-id': lastEventId } : {}
  return send('/stream', { headers: { accept: 'text/event-stream', ...resume }, signal })
}

function changeState(state: StreamState) {
  liveState.value = state
  if (state === 'open') announce('opened', null)
}

function tell({ event, data }: StreamEvent) {
  if (listeners.has(event)) announce(event, JSON.parse(data))
}

function announce(event: string, data: unknown) {
  for (const listener of listeners.get(event) ?? []) listener(data as never)
}
