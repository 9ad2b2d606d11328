// How the web app handles errors: a plain message, a retry where possible, never raw data.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { eventually, focused, launch, open } from './browser.mjs'
import { PASSWORD, address, call, knows, member, vcards } from './members.mjs'

let browser
let page
let account
const at = (id) => page.getByTestId(id)
const heading = (name) => page.getByRole('heading', { level: 1, name })
const place = (name) => page.getByRole('navigation').getByRole('link', { name })

before(async () => {
  account = await member('Tara Trouble', address('tara'))
  await knows(account, { name: 'Only Friend', email: address('only') })
  browser = await launch()
  page = await open(browser)
  await page.goto('/login')
  await at('email').fill(account.email)
  await at('password').fill(PASSWORD)
  await at('submit').click()
  await heading('My network').waitFor()
})

after(() => browser?.close())

/** Answers the next requests to a path with a problem, then lets the gateway answer again. */
async function refuse(path, times, status, headers, problem) {
  let seen = 0
  await page.route(`**/api/v1${path}`, (route) => {
    if (++seen > times) return route.fallback()
    return route.fulfill({ status, headers, contentType: 'application/problem+json', body: JSON.stringify({ status, ...problem }) })
  })
  return () => seen
}

test('a wrong password is said in words', async () => {
  const visitor = await open(browser)
  await visitor.goto('/login?next=//elsewhere.example')
  await visitor.getByTestId('email').fill(account.email)
  await visitor.getByTestId('password').fill('not the password')
  await visitor.getByTestId('submit').click()

  await eventually(async () => assert.match(await visitor.getByTestId('problem').innerText(), /\w{3}/))
  assert.doesNotMatch(await visitor.locator('main').innerText(), /[{}]/)

  await visitor.getByTestId('password').fill(PASSWORD)
  await visitor.getByTestId('submit').click()
  await visitor.getByRole('heading', { name: 'My network' }).waitFor()
  assert.deepEqual(visitor.trouble(), [])
  await visitor.context().close()
})

test('too many requests: the app says that it waits, and goes on by itself', async () => {
  const seen = await refuse('/contacts?*', 1, 429, { 'retry-after': '2' }, { title: 'too many requests' })
  await place('Contacts').click()

  await at('status').getByText('Trying again in 2 seconds').waitFor()
  await at('contact').filter({ hasText: 'Only Friend' }).waitFor()
  assert.equal(seen(), 2)
  await page.unrouteAll()
})

test('a long wait is said instead of done', async () => {
  await refuse('/search?*', 1, 429, { 'retry-after': '600' }, { title: 'too many requests' })
  await place('Search').click()
  await at('search-input').fill('only')

  await at('problem').getByText('Try again in 10 minutes').waitFor()
  await page.unrouteAll()
})

test('an access token that has run out is renewed once for all requests', async () => {
  let renewals = 0
  const stale = new Set()
  await page.route('**/api/v1/**', (route) => {
    const request = route.request()
    if (request.url().endsWith('/sessions/refresh')) renewals++
    // The current token is refused from here on; the next one is valid.
    const token = request.headers().authorization
    if (token && renewals === 0) stale.add(token)
    return stale.has(token) ? route.fulfill({ status: 401, contentType: 'application/problem+json', body: '{"title":"token expired"}' }) : route.fallback()
  })
  await place('Network').click()

  await at('degrees').waitFor()
  assert.equal(renewals, 1)
  await page.unrouteAll()
})

test('an error page of something in between is never shown', async () => {
  const seen = await refuse('/contacts?*', 0, 0)
  await page.route('**/api/v1/contacts?*', (route) => route.fulfill({ status: 418, contentType: 'text/html', body: '<h1>{"proxy": "teapot"}</h1>' }))
  await place('Contacts').click()

  await at('problem').getByText('The request failed').waitFor()
  assert.doesNotMatch(await page.locator('main').innerText(), /teapot/)
  await page.unrouteAll()
  await page.getByRole('button', { name: 'Try again' }).click()
  await at('contact').first().waitFor()
  assert.equal(seen(), 0)
})

test('a field error stands at its field', async () => {
  await refuse('/contacts', 1, 422, {}, { title: 'the contact is not valid', errors: [{ field: 'company', detail: 'is too long' }] })
  await at('contact-add').click()
  await at('name').fill('Somebody')
  await at('company').fill('C')
  await at('save').click()

  await page.getByText('Is too long.').waitFor()
  assert.equal(await at('company').getAttribute('aria-invalid'), 'true')
  assert.equal(await focused(page), 'company')
  assert.equal(await at('problem').getByText('too long').count(), 0)
  await page.unrouteAll()
})

test('a busy service is asked again when only reading', async () => {
  const seen = await refuse('/network/degrees', 2, 503, { 'retry-after': '1' }, { title: 'unavailable' })
  await place('Network').click()

  await at('degrees').waitFor()
  assert.equal(seen(), 3)
  await page.unrouteAll()
})

test('live events resume after the last one when the connection ends', async () => {
  const asked = []
  await page.route('**/api/v1/stream', (route) => {
    asked.push(route.request().headers()['last-event-id'])
    const body = `retry: 100\nid: seen-${asked.length}\nevent: network\ndata: {}\n\n`
    return asked.length < 3 ? route.fulfill({ contentType: 'text/event-stream', body }) : route.abort()
  })
  await page.reload()

  await eventually(async () => assert.deepEqual(asked.slice(0, 4), [undefined, 'seen-1', 'seen-2', 'seen-2']))
  await at('status').getByText('Live updates are interrupted').waitFor()
  await page.unrouteAll()
  await at('status').getByText('Live updates are interrupted').waitFor({ state: 'hidden' })
})

test('an import is followed to its end without live events', async () => {
  await page.route('**/api/v1/stream', (route) => route.abort())
  await page.reload()
  await place('Import').click()
  const buffer = Buffer.from(vcards([{ name: 'Quiet Person', email: address('quiet') }]))
  await at('import-file').setInputFiles({ name: 'quiet.vcf', mimeType: '', buffer })

  await page.locator('[data-testid="import-status"][data-status="finished"]').waitFor()
  assert.equal(await at('import-added').textContent(), '1')
  await page.unrouteAll()
})

test('a file of another kind is refused before it is sent', async () => {
  await place('Import').click()
  await page.getByRole('heading', { name: 'Import contacts' }).waitFor()
  await at('import-file').setInputFiles({ name: 'holiday.jpg', mimeType: 'image/jpeg', buffer: Buffer.from('jpeg') })

  await at('problem').getByText('Kith cannot read this file').waitFor()
})

test('offline is said, and live events that were missed arrive afterwards', async () => {
  await at('bell').click()
  await heading('Notifications').waitFor()
  await page.context().setOffline(true)
  await at('status').getByText('You are offline').waitFor()
  await at('profile-link').click()
  await at('save').click()
  await at('problem').getByText('You are offline').waitFor()

  await at('bell').click()
  await heading('Notifications').waitFor()
  await member('Only Friend', address('only'))
  await page.context().setOffline(false)

  await eventually(async () => assert.ok(Number(await at('unread').textContent()) >= 1))
  assert.equal(await at('status').getByText('You are offline').count(), 0)
})

test('a session ended elsewhere leads to signing in, and back to the page', async () => {
  await place('Contacts').click()
  await at('contact').filter({ hasText: 'Only Friend' }).click()
  await heading('Only Friend').waitFor()
  await page.route('**/api/v1/**', (route) => route.fulfill({ status: 401, contentType: 'application/problem+json', body: '{"title":"not signed in"}' }))
  await page.reload()
  await page.getByText('Your session has ended').waitFor()
  await page.unrouteAll()

  await at('email').fill(account.email)
  await at('password').fill(PASSWORD)
  await at('submit').click()
  await heading('Only Friend').waitFor()
})

test('signing out forgets everything', async () => {
  await at('profile-link').click()
  await at('sign-out').click()
  await heading('Sign in to Kith').waitFor()
  assert.equal(await page.evaluate(() => sessionStorage.length + localStorage.length), 0)

  await page.goto('/contacts')
  await heading('Sign in to Kith').waitFor()
  await call('DELETE', '/me', { token: account.token, status: [202, 401] })
})
