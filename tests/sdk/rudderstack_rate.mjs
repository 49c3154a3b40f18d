// RudderStack's Node SDK, faster than its key may be: a batch of four events, then another event. Arguments: host, write key.
import RudderAnalytics from '@rudderstack/rudder-sdk-node'

const [host, writeKey] = process.argv.slice(2)
const Client = RudderAnalytics.default ?? RudderAnalytics
const client = new Client(writeKey, { dataPlaneUrl: host, flushAt: 4, flushInterval: 100, gzip: true })
for (let number = 1; number <= 4; number++) client.track({ userId: 'u1', event: `Event ${number}` })
await client.flush()
client.track({ userId: 'u1', event: 'Event 5' })
await client.flush()
process.exit(0)
