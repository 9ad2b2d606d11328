// The journey of a new member through the whole product, in a real browser, against a running Kith.
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { assertNoSidewaysScroll, eventually, focused, launch, open } from './browser.mjs'
import { BAD_CARD, PASSWORD, address, knows, member, vcards } from './members.mjs'

const friend = { name: 'Zoë Müller', email: address('zoe'), company: 'Blåbær Søk', note: 'met at the sailing club' }
const colleague = { name: 'Katherine Johansson', email: address('katherine'), company: 'Harbour Works' }
const newcomer = { name: 'Tadeusz Łukasik', email: address('tadeusz') }
const stranger = { name: 'Amara Okafor', email: address('amara') }
const file = { name: 'friends.vcf', mimeType: 'text/vcard', buffer: Buffer.from(vcards([friend, colleague, newcomer]) + BAD_CARD) }

let browser
let page
const at = (id) => page.getByTestId(id)
const heading = (name) => page.getByRole('heading', { level: 1, name })

async function goTo(name) {
  await page.getByRole('navigation').getByRole('link', { name }).click()
}

before(async () => {
  const known = await member(friend.name, friend.email)
  await knows(known, await member(stranger.name, stranger.email))
  browser = await launch()
  page = await open(browser)
})

after(() => browser?.close())

test('a visitor is led to sign in, and registers by keyboard', async () => {
  await page.goto('/contacts')
  await heading('Sign in to Kith').waitFor()
  await page.goto('/register')

  await page.keyboard.press('Tab')
  assert.equal(await focused(page), 'Skip to content')
  for (const [id, text] of [['name', 'Nadia Journey'], ['email', address('nadia')], ['password', PASSWORD]]) {
    await page.keyboard.press('Tab')
    assert.equal(await focused(page), id)
    await page.keyboard.type(text)
  }
  await page.keyboard.press('Tab')
  assert.equal(await focused(page), 'submit')
  await page.keyboard.press('Enter')

  await heading('My network').waitFor()
  await page.getByText('No contacts yet').waitFor()
  assert.equal(await focused(page), 'My network')
})

test('an import shows its progress, its end and its problem', async () => {
  await goTo('Import')
  await at('import-file').setInputFiles(file)

  await at('import-progress').waitFor()
  await page.locator('[data-testid="import-status"][data-status="finished"]').waitFor()
  assert.equal(await at('import-added').textContent(), '3')
  const problems = await at('import-problems').locator('tbody tr').allTextContents()
  // The card without a name, and its invalid address.
  assert.equal(problems.length, 2, problems.join())
  assert.match(problems[0], /\d+.*\w+/)
})

test('the end of the import arrives as a notification without loading the page again', async () => {
  await at('unread').waitFor()
  assert.ok(Number(await at('unread').textContent()) >= 1)
  await at('bell').click()
  await heading('Notifications').waitFor()
  await at('notification').filter({ hasText: /import/i }).first().waitFor()
})

test('the network shows the people by distance, and grows without loading the page again', async () => {
  await goTo('Network')
  await eventually(async () => {
    const people = await at('degrees').locator('tbody tr').evaluateAll((rows) => rows.map((row) => row.cells[1].textContent))
    assert.deepEqual(people.slice(0, 2), ['3', '1'])
  })
  await at('rings').getByText(friend.name).waitFor()
})

test('a path of two steps leads over the friend to the stranger', async () => {
  await goTo('Path')
  await at('path-to').fill(stranger.email)

  await eventually(async () => {
    await at('path-find').click()
    await at('path-shortest').waitFor({ timeout: 2000 })
  })

  const names = await at('path-shortest').getByRole('listitem').allInnerTexts()
  assert.equal(names.length, 3, names.join(' > '))
  assert.match(names[0], /You/)
  assert.match(names[1], new RegExp(friend.name))
  assert.match(await at('path-shortest').innerText(), /2 steps/)
  await at('path-best').waitFor()
})

test('a path to a contact is found by typing and picking', async () => {
  await at('path-to').fill('katherine')
  await at('path-hits').getByText(colleague.name).click()

  await at('path-shortest').getByText('1 step').waitFor()
})

test('an unreachable person is reported in plain words', async () => {
  await at('path-to').fill(address('nobody'))
  await at('path-find').click()

  await at('path-none').waitFor()
  assert.match(await at('path-none').innerText(), /six steps/)
})

for (const [what, typed, found] of [
  ['the beginning of a word with a typo', 'johamss', colleague.name],
  ['letters without their accents', 'zoe mul', friend.name],
  ['a company', 'harbour', colleague.company],
  ['a word in a note', 'sailing', friend.name],
]) {
  test(`search finds ${what}`, async () => {
    await goTo('Search')
    await heading('Search').waitFor()
    await eventually(async () => {
      await at('search-input').fill('')
      await at('search-input').pressSequentially(typed)
      await at('search-results').getByText(found).first().waitFor({ timeout: 2000 })
    })
  })
}

test('search is worked with arrows and enter', async () => {
  await at('search-input').fill('katherine')
  await at('search-results').getByText(colleague.name).first().waitFor()
  await at('search-input').press('ArrowDown')
  await at('search-input').press('Enter')

  await heading(colleague.name).waitFor()
})

test('a contact is changed, and stays changed', async () => {
  await at('contact-edit').click()
  await eventually(async () => assert.equal(await focused(page), colleague.name))
  await at('company').fill('Lighthouse Ltd')
  await at('save').click()
  await page.getByText('Lighthouse Ltd').waitFor()

  await page.reload()
  await page.getByText('Lighthouse Ltd').waitFor()
  await heading(colleague.name).waitFor()
})

test('a contact who joins is announced at once', async () => {
  await at('bell').click()
  await heading('Notifications').waitFor()
  await at('notification').first().waitFor()
  const before = await at('notification').count()

  await member(newcomer.name, newcomer.email)

  await at('notification').filter({ hasText: /joined/i }).first().waitFor()
  assert.equal(await at('notification').count(), before + 1)
})

test('reading a notification lowers the number at the bell', async () => {
  await eventually(async () => assert.ok(Number(await at('unread').textContent()) >= 2))
  const before = Number(await at('unread').textContent())
  await at('mark-read').first().click()

  await eventually(async () => assert.equal(Number(await at('unread').textContent()), before - 1))
})

test('the contacts are downloaded as a vCard file', async () => {
  await goTo('Contacts')
  const coming = page.waitForEvent('download')
  await at('contact-export').click()
  const download = await coming

  assert.equal(download.suggestedFilename(), 'contacts.vcf')
  const chunks = []
  for await (const chunk of await download.createReadStream()) chunks.push(chunk)
  assert.match(Buffer.concat(chunks).toString(), new RegExp(`FN:${friend.name}`))
})

test('a contact is added and removed again', async () => {
  await at('contact-add').click()
  await at('name').fill('Short Lived')
  await at('emails-0').fill(address('short'))
  await at('save').click()
  await heading('Short Lived').waitFor()

  await at('contact-remove').click()
  await page.keyboard.press('Escape')
  await eventually(async () => assert.equal(await focused(page), 'contact-remove'))
  await at('contact-remove').click()
  await at('confirm').click()
  await heading('Contacts').waitFor()
  await at('contact').filter({ hasText: friend.name }).waitFor()
  assert.equal(await at('contact').filter({ hasText: 'Short Lived' }).count(), 0)
})

test('every page fits a phone', async () => {
  await page.setViewportSize({ width: 375, height: 740 })
  for (const place of ['/', '/contacts', '/contacts/new', '/path', '/search?q=katherine', '/import', '/notifications', '/profile']) {
    await page.goto(place)
    await page.getByRole('heading', { level: 1 }).waitFor()
    await page.waitForLoadState('load')
    await assertNoSidewaysScroll(page, place)
  }
})

test('one tap finds a path on a phone, although the search has just answered', async () => {
  await goTo('Path')
  const answered = page.waitForResponse((response) => response.url().includes('/search'))
  await at('path-to').fill(stranger.email)
  await answered
  await at('path-find').click()

  await at('path-shortest').getByText(friend.name).waitFor()
})

test('the account is deleted after typing its address', async () => {
  await page.getByRole('link', { name: 'Profile' }).click()
  await at('delete-account').click()
  assert.ok(await at('confirm').isDisabled())
  await at('confirm-email').fill(address('nadia'))
  await at('confirm').click()

  await heading('Your account has been deleted').waitFor()
  await page.locator('[data-testid=erasure-status][data-finished=true]').waitFor()
  assert.equal(await at('erasure-parts').locator('tbody tr').count(), 6)
  assert.doesNotMatch(await at('erasure-parts').innerText(), /not confirmed/)

  await page.goto('/login')
  await heading('Sign in to Kith').waitFor()
  await at('email').fill(address('nadia'))
  await at('password').fill(PASSWORD)
  await at('submit').click()
  await eventually(async () => assert.match(await at('problem').innerText(), /\w/))
})

test('nothing went wrong behind the scenes', () => {
  assert.deepEqual(page.trouble(), [])
})
