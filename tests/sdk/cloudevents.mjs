// The CloudEvents SDK: one event in binary and one in structured mode. Arguments: host, write key.
import { CloudEvent, HTTP, emitterFor, httpTransport, Mode } from 'cloudevents'

const [host, writeKey] = process.argv.slice(2)
const authorization = 'Basic ' + Buffer.from(writeKey + ':').toString('base64')
for (const mode of [Mode.BINARY, Mode.STRUCTURED]) {
  const emit = emitterFor(httpTransport(host + '/events'), { binding: HTTP, mode })
  const event = new CloudEvent({
    type: 'Order Completed', source: '/shop', id: String(mode), subject: 'Zoë', data: { revenue: 12.5 },
  })
  await emit(event, { headers: { authorization } })
}
