"""A real mail server that prints its port, then each mail as a line of JSON."""
import email
import email.policy
import json
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


controller = Controller(Printer(), hostname="127.0.0.1", port=free_port())
controller.start()
print(controller.port, flush=True)
while True:
    time.sleep(3600)
