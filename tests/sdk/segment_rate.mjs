// Segment's Node SDK, faster than its key may be: a batch of four events, then another event. Arguments: host, write key.
import { Analytics } from '@segment/analytics-node'

const [host, writeKey] = process.argv.slice(2)
const analytics = new Analytics({ host, writeKey, flushAt: 4, flushInterval: 100, maxRetries: 5 })
analytics.on('error', (error) => console.error('error', JSON.stringify(error)))
for (let number = 1; number <= 4; number++) analytics.track({ userId: 'u1', event: `Event ${number}` })
await analytics.flush({ timeout: 20000 })
analytics.track({ userId: 'u1', event: 'Event 5' })
await analytics.closeAndFlush({ timeout: 20000 })
