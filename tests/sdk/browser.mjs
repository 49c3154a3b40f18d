// Segment's browser SDK in a page: calls of its own, single and in batches. Arguments: host, write key, strategy.
import './page.mjs'
const { AnalyticsBrowser } = await import('@segment/analytics-next')

const [host, writeKey, strategy] = process.argv.slice(2)
const segment = { apiKey: writeKey, apiHost: host.replace('http://', '') + '/v1', protocol: 'http' }
if (strategy === 'batching') segment.deliveryStrategy = { strategy, config: { size: 3, timeout: 200 } }
const analytics = AnalyticsBrowser.load({ writeKey, cdnSettings: { integrations: { 'Segment.io': segment } } })
await analytics.identify('u1', { plan: 'pro' })
await analytics.track('Order Completed', { revenue: 12.5 })
await analytics.page('Home')
setTimeout(() => process.exit(0), 3000)
