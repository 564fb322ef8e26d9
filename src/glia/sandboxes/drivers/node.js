// Runs pieces of JavaScript inside a sandbox, one after the other, in one global scope. Started as `node -e <this> MARK`.
// Reads one JSON line per piece from stdin: {"code": ...}. Ends each piece on stdout with RS, the mark, a JSON report
// and RS newline, and on stderr with the same and an empty report.
const vm = require('vm')
const util = require('util')
const { createRequire } = require('module')

const mark = process.argv[1]
const LARGEST = 20000
globalThis.require = createRequire(process.cwd() + '/')

let number = 0
let interrupt = null
process.on('SIGINT', () => interrupt && interrupt(new Error('stopped from outside')))
process.on('uncaughtException', (error) => process.stderr.write(util.inspect(error) + '\n'))
process.on('unhandledRejection', (error) => process.stderr.write(util.inspect(error) + '\n'))

// A `const` of one piece would make the next one that declares the same name fail.
const relaxed = (code) => code.replace(/^(?:const|let)(?=[\s{[])/gm, 'var')

function evaluate(code) {
  const options = { filename: `code-${++number}.js`, breakOnSigint: true }
  try {
    return vm.runInThisContext(relaxed(code), options)
  } catch (error) {
    if (!(error instanceof SyntaxError) || !/\bawait\b/.test(code)) throw error
    return vm.runInThisContext(`(async () => {\n${code}\n})()`, options)
  }
}

async function run(code) {
  try {
    let value = evaluate(code)
    if (value && typeof value.then === 'function') {
      value = await Promise.race([value, new Promise((_, reject) => (interrupt = reject))])
    }
    return value === undefined ? { status: 'ok' } : { status: 'ok', value: util.inspect(value).slice(0, LARGEST) }
  } catch (error) {
    return { status: 'error', error: (error && error.stack ? error.stack : util.inspect(error)).slice(0, LARGEST) }
  } finally {
    interrupt = null
  }
}

let held = ''
let last = Promise.resolve()
process.stdin.setEncoding('utf8')
process.stdin.on('data', (text) => {
  const lines = (held + text).split('\n')
  held = lines.pop()
  for (const line of lines) {
    last = last.then(async () => {
      const report = await run(JSON.parse(line).code)
      process.stdout.write(`\x1e${mark}${JSON.stringify(report)}\x1e\n`)
      process.stderr.write(`\x1e${mark}{}\x1e\n`)
    })
  }
})
