// RudderStack's Node SDK: one call of each kind. Arguments: host, write key.
import RudderAnalytics from '@rudderstack/rudder-sdk-node'

const [host, writeKey] = process.argv.slice(2)
const Client = RudderAnalytics.default ?? RudderAnalytics
const client = new Client(writeKey, { dataPlaneUrl: host, flushAt: 10, flushInterval: 200, gzip: true })
client.identify({ userId: 'u1', traits: { plan: 'pro' } })
client.track({ userId: 'u1', event: 'Order Completed', properties: { revenue: 12.5 } })
client.page({ userId: 'u1', name: 'Home', properties: { path: '/' } })
client.screen({ userId: 'u1', name: 'Start' })
client.group({ userId: 'u1', groupId: 'g1', traits: { seats: 5 } })
client.alias({ userId: 'u1', previousId: 'a1' })
await client.flush()
process.exit(0)
