// Sentry for JavaScript in Node: errors that are caught, logged and uncaught, and log lines.
//
//   node errors_sentry.mjs report      the same error twice, another one with its cause, a logged one, log lines
//   node errors_sentry.mjs crash       an error that nobody catches
//   node errors_sentry.mjs reject      a promise that is rejected with an error
// Environment: SENTRY_DSN.
import * as Sentry from '@sentry/node';

Sentry.init({
  dsn: process.env.SENTRY_DSN,
  release: 'shop@3.1.0',
  environment: 'canary',
  serverName: 'app-7',
  enableLogs: true,
  includeLocalVariables: true,
  integrations: [Sentry.captureConsoleIntegration({ levels: ['error'] }), Sentry.consoleLoggingIntegration({ levels: ['warn'] }), Sentry.extraErrorDataIntegration()],
});
Sentry.setUser({ id: 'user-42', email: 'anna@shop.example' });
Sentry.setTag('tenant', 'acme');
Sentry.setContext('cart', { lines: 3 });

class PaymentError extends Error {
  constructor(message, order) {
    super(message);
    this.name = 'PaymentError';
    this.order = order;
  }
}

function charge(order, password) {
  const { amount } = order;
  if (amount > 100) throw new PaymentError(`order ${order.id} was declined`, order);
  return amount + password.length;
}

function pack(parcels) {
  try {
    return parcels.small.weight;
  } catch (error) {
    throw new RangeError('no parcel fits', { cause: error });
  }
}

async function report() {
  Sentry.addBreadcrumb({ category: 'cart', message: 'checkout was opened', data: { lines: 3 } });
  for (const order of [{ id: 4711, amount: 120 }, { id: 4712, amount: 130 }]) {
    try {
      charge(order, 'hunter2');
    } catch (error) {
      Sentry.captureException(error);
    }
  }
  try {
    pack({ large: 1 });
  } catch (error) {
    Sentry.captureException(error);
  }
  console.error('stock of %s is unknown', 'mugs');
  console.warn('stock of %s is low', 'plates');
  Sentry.logger.info(Sentry.logger.fmt`${2} parcels are packed`, { warehouse: 'north' });
  await Sentry.flush(5000);
}

// Local variables are read by a debugger in a thread of its own, which takes a moment to attach.
await new Promise((resolve) => setTimeout(resolve, 500));
switch (process.argv[2]) {
  case 'report':
    await report();
    break;
  case 'crash':
    setTimeout(() => charge({ id: 4713, amount: 140 }, 'hunter2'), 10);
    break;
  case 'reject':
    Promise.reject(new TypeError('the printer is gone'));
    break;
}
