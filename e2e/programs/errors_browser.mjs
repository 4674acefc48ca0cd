// Sentry in a browser: errors that are caught, logged and uncaught, and log lines. The page's address says which, as `?report`, `?crash` and
// `?reject`; `dsn` says where to report.
import * as Sentry from '@sentry/browser';

const words = new URLSearchParams(location.search);
Sentry.init({
  dsn: words.get('dsn'),
  release: 'shop@3.1.0',
  environment: 'canary',
  enableLogs: true,
  sendDefaultPii: true,
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

function charge(order) {
  if (order.amount > 100) throw new PaymentError(`order ${order.id} was declined`, order);
  return order.amount;
}

function pack(parcels) {
  try {
    return parcels.small.weight;
  } catch (error) {
    throw new RangeError('no parcel fits', { cause: error });
  }
}

async function report() {
  document.querySelector('button').click();
  Sentry.addBreadcrumb({ category: 'cart', message: 'checkout was opened', data: { lines: 3 } });
  for (const order of [{ id: 4711, amount: 120 }, { id: 4712, amount: 130 }]) {
    try {
      charge(order);
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
}

if (words.has('report')) await report();
if (words.has('crash')) setTimeout(() => charge({ id: 4713, amount: 140 }), 10);
if (words.has('reject')) Promise.reject(new TypeError('the printer is gone'));
setTimeout(async () => {
  await Sentry.flush(5000);
  document.title = 'sent';
}, 100);
