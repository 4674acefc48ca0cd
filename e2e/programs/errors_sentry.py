"""Sentry Python: errors that are caught, logged and uncaught, and log lines.

    python errors_sentry.py report      the same error twice, another one, a logged one, log lines
    python errors_sentry.py crash       an error that nobody catches
    python errors_sentry.py thread      an error that ends a thread
Environment: SENTRY_DSN.
"""
import logging
import sys
import threading

import sentry_sdk

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
