"""Sentry Python: errors that are caught, logged and uncaught, and log lines.

    python errors_sentry.py report      the same error twice, another one, a logged one, log lines
    python errors_sentry.py crash       an error that nobody catches
    python errors_sentry.py thread      an error that ends a thread
    python errors_sentry.py request     an error that ends a request
Environment: SENTRY_DSN.
"""
import io
import logging
import sys
import threading
import wsgiref.util

import sentry_sdk
from sentry_sdk.integrations.wsgi import SentryWsgiMiddleware

# The pre-release of version 3 has the option in its older place.
logs = {"_experiments": {"enable_logs": True}} if sentry_sdk.VERSION.startswith("3.0.0b") else {"enable_logs": True}
sentry_sdk.init(release="shop@3.1.0", environment="canary", server_name="app-7", **logs)
sentry_sdk.set_user({"id": "user-42", "email": "anna@shop.example"})
sentry_sdk.set_tag("tenant", "acme")
sentry_sdk.set_context("cart", {"lines": 3})
log = logging.getLogger("shop.orders")


class PaymentError(Exception):
    pass


def charge(order, password):
    amount = order["amount"]
    if amount > 100:
        raise PaymentError(f"order {order['id']} was declined")
    return amount


def pack(parcels):
    return parcels["small"]


def report():
    logging.basicConfig(level=logging.INFO)
    sentry_sdk.add_breadcrumb(category="cart", message="checkout was opened", data={"lines": 3})
    for order in ({"id": 4711, "amount": 120}, {"id": 4712, "amount": 130}):
        try:
            charge(order, password="hunter2")
        except PaymentError as error:
            sentry_sdk.capture_exception(error)
    try:
        pack({"large": 1})
    except KeyError as error:
        sentry_sdk.capture_exception(error)
    try:
        [].pop()
    except IndexError:
        log.exception("stock of %s is unknown", "mugs", extra={"warehouse": "north"})
    log.info("%s parcels are packed", 2)
    sentry_sdk.logger.warning("stock of {article} is low", article="plates")


def answer_request():
    def app(environ, start_response):
        charge({"id": 4714, "amount": 150}, password="hunter2")

    body = b"card=4242424242424242&lines=3"
    environ = {
        "REQUEST_METHOD": "POST", "HTTP_HOST": "shop.example", "PATH_INFO": "/pay", "QUERY_STRING": "cart=3&token=hunter2",
        "HTTP_AUTHORIZATION": "Bearer hunter2", "HTTP_USER_AGENT": "Mozilla/5.0 (X11; Linux x86_64; rv:151.0) Gecko/20100101 Firefox/151.0",
        "CONTENT_TYPE": "application/x-www-form-urlencoded", "CONTENT_LENGTH": str(len(body)), "wsgi.input": io.BytesIO(body),
    }
    wsgiref.util.setup_testing_defaults(environ)
    SentryWsgiMiddleware(app)(environ, lambda status, headers: None)


if __name__ == "__main__":
    match sys.argv[1]:
        case "report":
            report()
        case "crash":
            charge({"id": 4713, "amount": 140}, password="hunter2")
        case "thread":
            worker = threading.Thread(target=pack, args=({},), name="packer")
            worker.start()
            worker.join()
        case "request":
            answer_request()
