// The search on the first page, and the highlighting in its picture. Without scripts, all pages stay readable.
const search = document.getElementById('search')
if (search) {
  startSearch()
  startPicture()
}

function startSearch() {
  const index = JSON.parse(document.getElementById('index').textContent)
  const entries = index.map((entry) => ({ ...entry, row: document.querySelector(`tr[data-topic="${entry.topic}"]`) }))
  const kinds = [...document.querySelectorAll('button[data-kind]')]
  const count = document.getElementById('count')

  function show() {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean)
    const chosen = kinds.filter(isPressed).map((button) => button.dataset.kind)
    let shown = 0
    for (const entry of entries) {
      const fits = (chosen.length === 0 || chosen.includes(entry.kind)) && words.every((word) => isIn(entry, word))
      entry.row.hidden = !fits
      if (fits) shown += 1
      tellFields(entry, words)
    }
    const isAll = words.length === 0 && chosen.length === 0
    count.textContent = isAll ? `All ${shown} messages` : `${shown} of ${entries.length} messages`
    document.getElementById('nothing').hidden = shown > 0
    document.getElementById('picture').hidden = words.length > 0
  }

  search.addEventListener('input', show)
  for (const button of kinds) {
    button.addEventListener('click', () => {
      button.setAttribute('aria-pressed', String(!isPressed(button)))
      show()
    })
  }
  document.addEventListener('keydown', (event) => {
    if (event.key === '/' && document.activeElement !== search && !event.ctrlKey && !event.metaKey) {
      event.preventDefault()
      search.focus()
    }
  })
  // A search has a link of its own: index.html#q=email. When the browser comes back, the text in the field is kept.
  const linked = new URLSearchParams(location.hash.slice(1)).get('q')
  if (linked) search.value = linked
  if (search.value) show()
}

function isPressed(button) {
  return button.getAttribute('aria-pressed') === 'true'
}

function isIn(entry, word) {
  const texts = [entry.topic, entry.kind, entry.meaning, ...entry.services]
  return texts.some((text) => text.toLowerCase().includes(word)) || fieldsWith(entry, word).length > 0
}

function fieldsWith(entry, word) {
  return entry.fields.filter(([path, meaning]) => `${dotted(path)} ${meaning}`.toLowerCase().includes(word))
}

function dotted(path) {
  return path.slice(1).replaceAll('/', '.')
}

/** Shows the fields in which a word was found. */
function tellFields(entry, words) {
  const paths = new Set(words.flatMap((word) => fieldsWith(entry, word).map(([path]) => dotted(path))))
  const place = entry.row.querySelector('.found')
  place.hidden = paths.size === 0
  const named = [...paths].slice(0, 6).flatMap((path, at) => [at > 0 ? ', ' : '', ...marked(path, words)])
  const more = paths.size > 6 ? ` and ${paths.size - 6} more` : ''
  place.replaceChildren(paths.size === 1 ? 'field ' : 'fields ', ...named, more)
}

function marked(text, words) {
  const word = words.find((word) => text.toLowerCase().includes(word))
  if (!word) return [text]
  const at = text.toLowerCase().indexOf(word)
  const mark = document.createElement('mark')
  mark.textContent = text.slice(at, at + word.length)
  return [text.slice(0, at), mark, text.slice(at + word.length)]
}

function startPicture() {
  const picture = document.getElementById('overview')
  const edges = [...picture.querySelectorAll('path[data-event]')]
  const links = [...picture.querySelectorAll('a')]
  for (const link of links) {
    for (const come of ['pointerenter', 'focus']) link.addEventListener(come, () => light(link))
    for (const go of ['pointerleave', 'blur']) link.addEventListener(go, () => light(null))
  }

  function light(link) {
    picture.classList.toggle('lit', link !== null)
    const lit = link ? edges.filter((edge) => touches(edge, link)) : []
    for (const edge of edges) edge.classList.toggle('lit', lit.includes(edge))
    for (const other of links) other.classList.toggle('lit', other === link || lit.some((edge) => touches(edge, other)))
  }
}

function touches(edge, { dataset: { event, service, side } }) {
  return event ? edge.dataset.event === event : edge.dataset[side] === service
}
