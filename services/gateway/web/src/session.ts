// The signed-in account, and what starts and stops with its session.
import { ref } from 'vue'
import * as api from './api'
import { startFeed, stopFeed } from './feed'
import { startLive, stopLive } from './live'
import { forgetTokens, keepTokens } from './tokens'

export const me = ref<api.Account | null>(null)

/** Signs in and loads the account. */
export async function signIn(email: string, password: string) {
  keepTokens(await api.signIn({ email, password }))
  await resume()
}

/** Loads the account of the session that this tab still holds. */
export async function resume() {
  me.value = await api.readMe()
  startFeed()
  startLive()
}

/** Signs out locally even when the gateway cannot be reached. */
export async function signOut() {
  await api.signOut().catch(() => null)
  end()
}

/** Deletes the account and everything in it. Returns the id of the receipt. */
export async function deleteAccount(): Promise<string> {
  const { receipt_id } = await api.deleteMe()
  end()
  return receipt_id
}

/** Forgets everything this tab knows about the account. */
export function end() {
  stopLive()
  stopFeed()
  forgetTokens()
  me.value = null
}
