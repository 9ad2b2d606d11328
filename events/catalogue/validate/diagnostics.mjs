// The diagnostics of AsyncAPI's own parser for a document.
import { Parser, fromFile } from '@asyncapi/parser'

const SEVERITIES = ['error', 'warning', 'information', 'hint']

/** Reads a file. `trouble` holds errors and warnings, `remarks` the rest; `document` is set if it could be parsed. */
export async function read(path) {
  const { document, diagnostics } = await fromFile(new Parser(), path).parse()
  const told = diagnostics.map(({ severity, code, message, path: place }) => ({
    severity: SEVERITIES[severity],
    text: `${path}: ${SEVERITIES[severity]} ${code} at #/${place.join('/')}: ${message}`
  }))
  const isTrouble = ({ severity }) => severity === 'error' || severity === 'warning'
  const texts = (kind) => told.filter(kind).map(({ text }) => text)
  return { document, trouble: texts(isTrouble), remarks: texts((one) => !isTrouble(one)) }
}
