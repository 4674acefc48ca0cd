"""A real mail server that prints its port, then each mail as a line of JSON.

Usage: mail_server.py [starttls|tls CERTIFICATE KEY]
"""
import email
import email.policy
import json
import ssl
import sys
import time

from aiosmtpd.controller import Controller


class Printer:
    async def handle_DATA(self, server, session, envelope):
        mail = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print(json.dumps({
            "to": envelope.rcpt_tos,
            "id": mail["Message-ID"],
            "subject": mail["Subject"],
            "text": mail.get_body(("plain",)).get_content(),
            "html": mail.get_body(("html",)).get_content(),
        }), flush=True)
        return "250 OK"


# With port 0 the controller cannot find itself again, so that a free one is taken here.
def free_port():
    import socket
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


settings = {}
if sys.argv[1:]:
    # The controller knocks at its own door when it starts, so that the context must serve both sides.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS)
    context.load_cert_chain(*sys.argv[2:])
    settings = {"ssl_context": context} if sys.argv[1] == "tls" else {"tls_context": context, "require_starttls": True}
controller = Controller(Printer(), hostname="127.0.0.1", port=free_port(), **settings)
controller.start()
print(controller.port, flush=True)
while True:
    time.sleep(3600)
