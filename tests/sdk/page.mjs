// The globals of a web page (jsdom, which holds requests to CORS as a browser does): for SDKs that expect one.
import { JSDOM } from 'jsdom'

const { window } = new JSDOM('<title>Shop</title>', { url: 'http://shop.example/', pretendToBeVisual: true })
const names = [
  'document', 'location', 'navigator', 'localStorage', 'sessionStorage', 'XMLHttpRequest', 'CustomEvent', 'Event',
  'HTMLElement', 'addEventListener', 'removeEventListener', 'dispatchEvent',
]
const put = (name, value) => Object.defineProperty(globalThis, name, { value, configurable: true, writable: true })
names.forEach((name) => put(name, window[name]))
put('window', window)
put('fetch', undefined) // Node's own knows no CORS: the SDK falls back to the page's XMLHttpRequest
