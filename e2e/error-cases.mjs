// Programs that report errors with Sentry's SDKs, and what must be shown of each. All sell in the same shop: `charge` declines two orders,
// `pack` finds no parcel, and the stock of mugs is unknown, which is logged or sent as a message; then an error ends the program.
//
// `set`: the packages, `node/NAME`, `python/NAME`, or `DEBIAN` for an SDK that is a package of Debian. `browser`: the program runs on a page.
// `modes`: the runs of the program, with their exit status. `sdk`: the name of the SDK. `service`: whether it names the server. `fast`: part
// of `make test`. `issues`: what must be shown, in the order in which they appear. `logs`: log lines as level and text.
import { DEBIAN } from './support.mjs';

const DECLINED = { value: /^order 471[12] was declined$/, count: 2 };

const python = ({ logged, logs, ...common }) => ({
  program: 'errors_sentry.py',
  modes: { report: 0, crash: 1, thread: 0, request: 1 },
  sdk: 'sentry.python',
  service: true,
  issues: [
    {
      ...DECLINED, type: 'PaymentError', culprit: 'charge in errors_sentry.py', handled: true, mechanism: 'generic', crumbs: 1,
      frames: [
        { function: 'report', source: 'charge(order, password="hunter2")', in_app: true },
        { function: 'charge', source: /^raise PaymentError/, in_app: true, vars: { amount: '130', order: { amount: '130', id: '4712' }, password: '[Filtered]' } },
      ],
    },
    { type: 'KeyError', value: "'small'", culprit: 'pack in errors_sentry.py', handled: true, mechanism: 'generic', frames: [{ function: 'pack', source: 'return parcels["small"]', vars: { parcels: { large: '1' } } }] },
    ...logged,
    { type: 'PaymentError', value: 'order 4713 was declined', culprit: 'charge in errors_sentry.py', handled: false, mechanism: 'excepthook', frames: [{ function: '<module>', source: /^charge\(/ }, { function: 'charge' }] },
    { type: 'KeyError', value: "'small'", culprit: 'pack in errors_sentry.py', handled: false, mechanism: 'threading', frames: [{ function: 'run', in_app: false }, { function: 'pack', in_app: true }] },
    {
      type: 'PaymentError', value: 'order 4714 was declined', culprit: 'charge in errors_sentry.py', handled: false, mechanism: 'wsgi', transaction: 'generic WSGI request',
      request: { method: 'POST', url: 'http://shop.example/pay', query_string: 'cart=3&token=[Filtered]', env: { SERVER_NAME: '127.0.0.1', SERVER_PORT: '80' } },
      frames: [{ function: 'app' }, { function: 'charge' }],
    },
  ],
  logs,
  ...common,
});

/** In a browser the SDK knows neither source lines nor variables. */
const javascript = ({ source, message, crash, ...common }) => ({
  modes: { report: 0, crash: 1, reject: 0 },
  service: source,
  issues: [
    {
      ...DECLINED, type: 'PaymentError', culprit: /^charge in /, handled: true, mechanism: 'generic', contexts: { PaymentError: { order: { amount: 130, id: 4712 } } },
      frames: [
        { function: 'report', source: source && "charge(order, 'hunter2');", in_app: true },
        { function: 'charge', source: source && /^if \(amount > 100\) throw/, vars: source ? { amount: 130, order: { amount: 130, id: 4712 }, password: '[Filtered]' } : {} },
      ],
    },
    { type: 'RangeError', value: 'no parcel fits', culprit: /^pack in /, handled: true, chain: ['TypeError', 'RangeError'], frames: [{ function: 'report' }, { function: 'pack' }] },
    { ...message, value: 'stock of %s is unknown mugs', logger: 'console' },
    { type: 'PaymentError', value: 'order 4713 was declined', culprit: /^charge in /, handled: false, ...crash, frames: [{ function: 'charge' }] },
    { type: 'TypeError', value: 'the printer is gone', handled: false, frames: [{ source: source && /^Promise\.reject/ }] },
  ],
  logs: [['warn', 'stock of %s is low plates'], ['info', '2 parcels are packed']],
  ...common,
});

const node = (version, { message, ...common }) =>
  javascript({
    name: `Sentry for JavaScript ${version}: errors`, set: `node/sentry-js-${version}`, program: 'errors_sentry.mjs', sdk: 'sentry.javascript.node', source: true,
    message, crash: { level: 'fatal', mechanism: 'auto.node.onuncaughtexception' }, ...common,
  });

/** What a console said is an error whose stack the SDK made up, so its title is the function. */
const saidWithStack = { type: 'Error', handled: true, mechanism: 'auto.core.capture_console' };

export const ERROR_CASES = [
  python({
    name: 'Sentry for Python: errors', set: 'python/sentry-2.75', fast: true,
    logged: [{
      type: 'IndexError', value: 'pop from empty list', handled: true, mechanism: 'logging', logger: 'shop.orders', message: 'stock of mugs is unknown', extra: { warehouse: 'north' },
      frames: [{ function: 'report', source: '[].pop()' }],
    }],
    logs: [['error', 'stock of mugs is unknown'], ['info', '2 parcels are packed'], ['warn', 'stock of plates is low']],
  }),
  // Version 3 reports no error for what is logged, and not all log lines.
  python({ name: 'Sentry for Python 3: errors', set: 'python/sentry-3.0', logged: [], logs: [['warn', 'stock of plates is low']] }),
  node('11', { message: { ...saidWithStack, title: 'report' }, fast: true }),
  node('10', { message: { type: 'Message' } }),
  javascript({
    name: 'Sentry in a browser: errors', set: 'node/sentry-browser', program: 'errors_browser.mjs', browser: true, sdk: 'sentry.javascript.browser', source: false,
    message: saidWithStack, crash: { level: 'error', mechanism: 'auto.browser.browserapierrors.setTimeout' },
  }),
  // This version sends no mechanism, so nobody knows whether an error was handled.
  {
    name: 'Sentry for Go: errors', set: DEBIAN, program: 'errors_go/main.go', sdk: 'sentry.go', service: true,
    modes: { report: 0, crash: 1 },
    issues: [
      { ...DECLINED, type: '*main.paymentError', culprit: /^report in .*main\.go$/, handled: null, crumbs: 1, extra: { warehouse: 'north' }, frames: [{ function: 'main' }, { function: 'report', source: 'sentry.CaptureException(err)', in_app: true }] },
      { type: '*fmt.wrapError', value: 'no parcel fits: no small parcel', chain: ['*errors.errorString', '*fmt.wrapError'], handled: null, frames: [{ function: 'report' }] },
      { type: 'Message', value: 'stock of mugs is unknown', level: 'warning', handled: null, frames: [{ function: 'report.func1' }] },
      { type: 'runtime.boundsError', value: 'runtime error: index out of range [3] with length 1', level: 'fatal', handled: null, frames: [{ function: 'weigh', source: /return parcels\[3\]/ }, { function: 'crash.func1' }] },
    ],
    logs: [],
  },
  {
    name: 'Sentry for Ruby: errors', set: DEBIAN, program: 'errors_sentry.rb', sdk: 'sentry.ruby', service: true,
    modes: { report: 0, crash: 1 },
    issues: [
      {
        ...DECLINED, type: 'PaymentError', culprit: /^charge in .*errors_sentry\.rb$/, handled: null, crumbs: 1, extra: { warehouse: 'north' },
        frames: [{ function: 'block in report' }, { function: 'charge', source: /^raise PaymentError/, in_app: true, vars: { amount: '130', order: '{:id=>4712, :amount=>130}', password: '[Filtered]' } }],
      },
      { type: 'RangeError', value: 'no parcel fits', chain: ['KeyError', 'RangeError'], handled: null, frames: [{ function: 'pack' }, { function: 'rescue in pack' }] },
      { type: 'Message', value: 'stock of mugs is unknown', level: 'warning', culprit: /^report in /, handled: null },
      {
        type: 'PaymentError', value: 'order 4713 was declined', handled: null, transaction: '/pay', frames: [{ function: 'charge' }],
        request: { method: 'POST', url: 'https://shop.example/pay', query_string: 'cart=3', data: { amount: '140' }, headers: { Accept: '*/*', Authorization: '[Filtered]' } },
      },
    ],
    logs: [],
  },
];
