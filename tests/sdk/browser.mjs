// Pages of a shop in a real Chromium; the shop has Segment's browser SDK. Argument: the program chromium.
// It prints a line when it is ready, and one for each line that it reads: {"visit": {customer, script}} opens a page and
// runs the script as a module of it, to its end; {"leave": customer} follows a link once ingest has answered all that the
// page asked, and tells what that was, preflights too, and what went wrong. A customer keeps what a browser keeps.
import { createReadStream } from 'node:fs'
import { createServer } from 'node:http'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { chromium } from 'playwright-core'

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
  '--disable-component-update', '--disable-sync',
]
const WITHIN_MS = 30_000
const PAUSE_MS = 10
const SDK = dirname(createRequire(import.meta.url).resolve('@segment/analytics-next/dist/umd/index.js'))
const MODULE = "import './index.js'\nexport const { AnalyticsBrowser } = window.AnalyticsNext\n" // what a bundler would do
const PAGE = `<!doctype html><title>Shop</title>
<script type="importmap">{"imports": {"@segment/analytics-next": "/sdk/module.js"}}</script>`

function serve({ url }, response) {
  const isScript = /^\/sdk\/[\w.-]+\.js$/.test(url)
  response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html')
  if (!isScript) response.end(PAGE)
  else if (url === '/sdk/module.js') response.end(MODULE)
  else createReadStream(join(SDK, url.slice(5))).on('error', () => response.writeHead(404).end()).pipe(response)
}

async function watch(page) {
  const session = await page.context().newCDPSession(page)
  const requests = new Map()
  const learn = (id, more) => requests.set(id, { ...requests.get(id), ...more }) // Chromium tells in any order
  session.on('Network.requestWillBeSent', ({ requestId, request, timestamp }) =>
    learn(requestId, { method: request.method, path: new URL(request.url).pathname, sent_s: timestamp }))
  session.on('Network.requestWillBeSentExtraInfo', ({ requestId, headers }) => learn(requestId, { headers }))
  session.on('Network.responseReceived', ({ requestId, response, timestamp }) =>
    learn(requestId, { status: response.status, answered_s: timestamp }))
  session.on('Network.loadingFailed', ({ requestId }) => learn(requestId, { failed: true }))
  await session.send('Network.enable')
  return requests
}

const visits = new Map()

async function visit({ customer, script }) {
  const context = visits.get(customer)?.page.context() ?? (await browser.newContext())
  const page = await context.newPage()
  const failures = []
  page.setDefaultTimeout(WITHIN_MS)
  page.on('pageerror', (error) => failures.push(String(error)))
  visits.set(customer, { page, failures, requests: await watch(page) })
  await page.goto(shop)
  await page.addScriptTag({ type: 'module', content: `${script}\nwindow.isDone = true` })
  while (!failures.length && !(await page.evaluate(() => window.isDone))) await sleep(PAUSE_MS)
  return {}
}

async function leave(customer) {
  const { page, failures, requests } = visits.get(customer)
  const asked = () => [...requests.values()].filter(({ path }) => path?.startsWith('/v1/'))
  const isOpen = ({ status, failed }) => status === undefined && !failed
  do {
    await sleep(PAUSE_MS)
    await page.evaluate(() => true) // once this is answered, we have been told of all that the page had asked
  } while (asked().some(isOpen))
  await page.goto(`${shop}another`)
  await page.close()
  return { failures, requests: asked() }
}

const server = createServer(serve).listen(0, '127.0.0.1')
const browser = await chromium.launch({ executablePath: process.argv[2], args: FLAGS, timeout: WITHIN_MS })
const shop = `http://127.0.0.1:${server.address().port}/`
const say = (answer) => console.log(JSON.stringify(answer))
say({})
for await (const line of createInterface(process.stdin)) {
  const asked = JSON.parse(line)
  say(asked.visit ? await visit(asked.visit) : await leave(asked.leave))
}
await browser.close()
server.close()
