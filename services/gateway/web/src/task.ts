// Runs one action at a time, with its busy state and its problem, for buttons and forms.
import { ref, shallowRef } from 'vue'
import { asProblem, type Problem } from './problem'

export function useTask() {
  const busy = ref(false)
  const problem = shallowRef<Problem | null>(null)

  /** Runs the action unless one is running; returns whether it succeeded. */
  async function run(action: () => Promise<unknown>): Promise<boolean> {
    if (busy.value) return false
    busy.value = true
    problem.value = null
    try {
      await action()
      return true
    } catch (thrown) {
      problem.value = asProblem(thrown)
      return false
    } finally {
      busy.value = false
    }
  }

  return { busy, problem, run }
}
