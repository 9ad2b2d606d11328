// Publish and consume Kith's events, typed and validated. See events/clients/README.md.
export { Client, NotPublished, connect, type PublishOptions } from './client.js'
export { Refused, on, type ConsumeOptions, type Handler, type Subscription } from './consumer.js'
export { EnvelopeError, type Attributes, type Envelope } from './envelope.js'
export { InvalidData, type Message } from './message.js'
