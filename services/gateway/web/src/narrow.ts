// Whether the window is as narrow as a phone.
import { onUnmounted, ref } from 'vue'

export function useNarrow() {
  const query = window.matchMedia('(max-width: 40rem)')
  const narrow = ref(query.matches)
  const look = () => (narrow.value = query.matches)
  query.addEventListener('change', look)
  onUnmounted(() => query.removeEventListener('change', look))
  return narrow
}
