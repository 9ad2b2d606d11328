// A real Chromium with an empty profile, and pages that record errors.
import assert from 'node:assert/strict'
import { chromium } from 'playwright-core'

export const BASE = (process.env.KITH_URL ?? 'http://127.0.0.1:8080').replace(/\/$/, '')
/** How long a change may take to become visible: services communicate by messages. */
export const PATIENCE = Number(process.env.KITH_PATIENCE_MS ?? 20_000)

const QUIET = ['--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync']

export function launch() {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', headless: true, args: QUIET })
}

/** Opens a page. `page.trouble()` lists console errors, broken requests and requests to other hosts. */
export async function open(browser, options = {}) {
  const context = await browser.newContext({ baseURL: BASE, viewport: { width: 1200, height: 900 }, ...options })
  context.setDefaultTimeout(PATIENCE)
  const page = await context.newPage()
  const trouble = []
  page.on('pageerror', (error) => trouble.push(`uncaught: ${error.message}`))
  page.on('request', (request) => isElsewhere(request.url()) && trouble.push(`other host: ${request.url()}`))
  page.on('response', (response) => response.status() >= 500 && trouble.push(`${response.status()} ${response.url()}`))
  page.on('console', (message) => {
    // The browser reports every refused request as an error; refusals are expected here, and failures are recorded above.
    const refusal = message.text().startsWith('Failed to load resource') && message.location().url.includes('/api/')
    if (message.type() === 'error' && !refusal) trouble.push(`console: ${message.text()}`)
  })
  page.trouble = () => trouble
  return page
}

function isElsewhere(url) {
  return /^(https?|wss?):/.test(url) && new URL(url).host !== new URL(BASE).host
}

/** Retries until it does not throw. The last failure is the one reported. */
export async function eventually(attempt, limit = PATIENCE) {
  const end = Date.now() + limit
  for (;;) {
    try {
      return await attempt()
    } catch (error) {
      if (Date.now() > end) throw error
      await new Promise((resolve) => setTimeout(resolve, 250))
    }
  }
}

/** A short description of the focused element. */
export function focused(page) {
  return page.evaluate(() => {
    const { activeElement: element } = document
    return element?.getAttribute('data-testid') ?? element?.textContent?.trim() ?? ''
  })
}

export async function assertNoSidewaysScroll(page, where) {
  const { content, window } = await page.evaluate(() => ({ content: document.documentElement.scrollWidth, window: innerWidth }))
  assert.ok(content <= window, `${where} is ${content} px wide in a window of ${window} px`)
}
