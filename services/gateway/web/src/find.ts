// Search as you type: waits for a pause in typing and cancels the previous request.
import { onUnmounted, ref, shallowRef, watch, type Ref } from 'vue'
import { search, type Hit, type Kind } from './api'
import { pause } from './http'
import { asProblem, type Problem } from './problem'

const PAUSE = 150

export function useFind(text: Ref<string>, kind: Ref<Kind | ''>, limit = 20) {
  const hits = shallowRef<Hit[]>([])
  const problem = shallowRef<Problem | null>(null)
  const busy = ref(false)
  /** The text that the hits belong to. */
  const found = ref('')
  let current = new AbortController()

  async function find() {
    current.abort()
    const { signal } = (current = new AbortController())
    const q = text.value.trim()
    problem.value = null
    if (!q) {
      hits.value = []
      found.value = ''
      busy.value = false
      return
    }
    try {
      busy.value = true
      await pause(PAUSE, signal)
      const { items } = await search(q, kind.value, signal, limit)
      if (signal.aborted) return
      hits.value = items
      found.value = q
    } catch (thrown) {
      if (signal.aborted) return
      problem.value = asProblem(thrown)
    }
    busy.value = false
  }

  watch([text, kind], find, { immediate: true })
  onUnmounted(() => current.abort())
  return { hits, problem, busy, found }
}

/** Splits a highlighted text at its `<em>` or `<mark>` marks, so that it can be shown without parsing HTML. */
export function marked(text: string): { text: string; hit: boolean }[] {
  return text
    .split(/<(?:em|mark)>(.*?)<\/(?:em|mark)>/s)
    .map((part, index) => ({ text: part, hit: index % 2 === 1 }))
    .filter((part) => part.text !== '')
}
