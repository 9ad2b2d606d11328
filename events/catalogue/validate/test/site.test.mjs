// The catalogue in a real browser. KITH_CATALOGUE is its folder, KITH_CATALOGUE_URL its address.
import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { chromium } from 'playwright-core'

const FOLDER = process.env.KITH_CATALOGUE
const QUIET = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

assert.ok(FOLDER, 'set KITH_CATALOGUE to the folder of the catalogue, as scripts/docs --check does')
const AS_FILES = pathToFileURL(`${FOLDER}/`).href
const PLACES = [AS_FILES, process.env.KITH_CATALOGUE_URL].filter(Boolean)

let browser
before(async () => (browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: QUIET })))
after(() => browser.close())

/** Opens a page and records errors. */
async function open(address, options = {}) {
  const page = await browser.newPage({ viewport: { width: 1280, height: 900 }, ...options })
  const trouble = []
  page.on('pageerror', (error) => trouble.push(`uncaught: ${error.message}`))
  page.on('console', (message) => message.type() === 'error' && trouble.push(`console: ${message.text()}`))
  page.on('requestfailed', (request) => trouble.push(`failed: ${request.url()}`))
  page.on('response', (response) => response.status() >= 400 && trouble.push(`${response.status()} ${response.url()}`))
  page.on('request', (request) => PLACES.some((place) => request.url().startsWith(place)) || request.url().startsWith('data:') || trouble.push(`elsewhere: ${request.url()}`))
  await page.goto(address)
  return { page, trouble }
}

for (const place of PLACES) {
  test(`a field is searched for, and its message read, at ${place.split(':')[0]}:`, async () => {
    const { page, trouble } = await open(`${place}index.html`)
    const all = await page.locator('tr[data-topic]').count()

    await page.fill('#search', 'emails contact-added')
    const row = page.locator('tr[data-topic]:visible')
    assert.equal(await row.count(), 1)
    assert.match(await row.locator('.found').textContent(), /emails/)
    assert.match(await page.locator('#count').textContent(), new RegExp(`^1 of ${all} `))
    await row.locator('a.message').click()

    await page.waitForURL(/messages\/contacts\.contact-added\.html#v\d+$/)
    assert.ok((await page.locator('article.version-of').count()) >= 1)
    const receivers = await page.locator('.receivers td.name').allTextContents()
    assert.ok(receivers.includes('search'), `received by ${receivers}`)
    assert.match(await page.locator('pre').first().textContent(), /•••/)
    assert.deepEqual(trouble, [])
    await page.close()
  })
}

test('kinds narrow the list, and what fits nothing says so', async () => {
  const { page, trouble } = await open(`${AS_FILES}index.html`)

  await page.click('button[data-kind=job]')
  const kinds = await page.locator('tr[data-topic]:visible').evaluateAll((rows) => rows.map((row) => row.dataset.kind))
  await page.fill('#search', 'no such thing')

  assert.ok(kinds.length > 0 && kinds.every((kind) => kind === 'job'), `shown: ${kinds}`)
  assert.ok(await page.locator('#nothing').isVisible())
  assert.deepEqual(trouble, [])
  await page.close()
})

test('no page is wider than a phone', async () => {
  const { page, trouble } = await open(`${AS_FILES}index.html`, { viewport: { width: 360, height: 780 } })
  for (const name of ['index.html', ...(await pages('messages')), ...(await pages('services'))]) {
    await page.goto(AS_FILES + name)
    const width = await page.evaluate(() => document.documentElement.scrollWidth)
    assert.ok(width <= 360, `${name} is ${width} px wide in a window of 360`)
  }
  assert.deepEqual(trouble, [])
  await page.close()
})

async function pages(folder) {
  const names = await readdir(join(FOLDER, folder))
  return names.map((name) => `${folder}/${name}`)
}

test('no link leads nowhere', async () => {
  const names = (await readdir(FOLDER, { recursive: true })).filter((name) => name.endsWith('.html'))
  const broken = []
  let followed = 0
  for (const name of names) {
    const text = await readFile(join(FOLDER, name), 'utf8')
    for (const [, link] of text.matchAll(/ (?:href|src)="([^"]*)"/g)) {
      if (link.startsWith('data:')) continue
      followed += 1
      if (!(await leads(new URL(link, pathToFileURL(join(FOLDER, name)))))) broken.push(`${name}: ${link}`)
    }
  }
  assert.ok(followed > names.length, `only ${followed} links on ${names.length} pages`)
  assert.deepEqual(broken, [])
})

async function leads(target) {
  if (target.protocol !== 'file:') return false
  const path = fileURLToPath(new URL(target.pathname, target))
  if (!existsSync(path)) return false
  return !target.hash || (await readFile(path, 'utf8')).includes(`id="${target.hash.slice(1)}"`)
}
