# Sentry for Ruby: errors that are caught, logged and uncaught.
#
#   ruby errors_sentry.rb report      the same error twice, another one with its cause, a message, log lines as breadcrumbs
#   ruby errors_sentry.rb crash       an error that nobody catches, while a request is answered
# Environment: SENTRY_DSN.
require 'logger'
require 'rack'
require 'sentry-ruby'
require 'stringio'

Sentry.init do |config|
  config.release = 'shop@3.1.0'
  config.environment = 'canary'
  config.server_name = 'app-7'
  config.send_default_pii = true
  config.breadcrumbs_logger = [:sentry_logger]
  config.capture_exception_frame_locals = true
  config.background_worker_threads = 0
  config.app_dirs_pattern = /programs/
end
Sentry.set_user(id: 'user-42', email: 'anna@shop.example')
Sentry.set_tags(tenant: 'acme')
Sentry.set_context('cart', { lines: 3 })
Sentry.set_extras(warehouse: 'north')

class PaymentError < StandardError; end

def charge(order, password)
  amount = order[:amount]
  raise PaymentError, "order #{order[:id]} was declined" if amount > 100

  amount + password.size
end

def pack(parcels)
  parcels.fetch(:small)
rescue KeyError
  raise RangeError, 'no parcel fits'
end

def report
  Logger.new(File::NULL).warn('stock of plates is low')
  [{ id: 4711, amount: 120 }, { id: 4712, amount: 130 }].each do |order|
    charge(order, 'hunter2')
  rescue PaymentError => e
    Sentry.capture_exception(e)
  end
  begin
    pack({ large: 1 })
  rescue RangeError => e
    Sentry.capture_exception(e)
  end
  Sentry.capture_message('stock of mugs is unknown', level: :warning)
end

case ARGV[0]
when 'report'
  report
when 'crash'
  app = Sentry::Rack::CaptureExceptions.new(->(_env) { charge({ id: 4713, amount: 140 }, 'hunter2') })
  app.call({ 'REQUEST_METHOD' => 'POST', 'PATH_INFO' => '/pay', 'QUERY_STRING' => 'cart=3', 'SERVER_NAME' => 'shop.example', 'SERVER_PORT' => '443',
             'rack.url_scheme' => 'https', 'HTTP_ACCEPT' => '*/*', 'HTTP_AUTHORIZATION' => 'Bearer hunter2', 'HTTP_COOKIE' => 'sid=hunter2', 'rack.input' => StringIO.new('amount=140') })
end
