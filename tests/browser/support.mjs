// What the browser's tests share: a house, a watch, a visitor, and how a page must look.

export { House } from './support/house.mjs'
export { examine, look, shoot } from './support/look.mjs'
export { give, onnx, publish, send, told } from './support/models.mjs'
export { MailSink } from './support/sink.mjs'
export { until } from './support/until.mjs'
export { otherSite, visit } from './support/visitor.mjs'
export { run, Watch } from './support/watch.mjs'
