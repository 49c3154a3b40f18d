// Segment's Node SDK: one call of each kind. Arguments: host, write key.
import { Analytics } from '@segment/analytics-node'

const [host, writeKey] = process.argv.slice(2)
const analytics = new Analytics({ host, writeKey, flushAt: 10, maxRetries: 5 })
analytics.on('error', (error) => console.error('error', JSON.stringify(error)))
analytics.identify({ userId: 'u1', traits: { plan: 'pro' } })
analytics.track({ userId: 'u1', event: 'Order Completed', properties: { revenue: 12.5 } })
analytics.page({ userId: 'u1', name: 'Home', properties: { path: '/' } })
analytics.screen({ userId: 'u1', name: 'Start' })
analytics.group({ userId: 'u1', groupId: 'g1', traits: { seats: 5 } })
analytics.alias({ userId: 'u1', previousId: 'a1' })
await analytics.closeAndFlush({ timeout: 20000 })
