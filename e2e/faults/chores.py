"""What people do with a server: they delete, confirm what waits to be deleted, make backups and restore them."""

import http.client
import os
import shutil
import subprocess
import time
import urllib.request

from server import ask, looked_at

# How long what is kept. Texts go before numbers.
KEEP = {"retention_days": 30, "retention": {"message_days": 10, "flagged_days": 60}}


def delete(url, token, promises, what, name):
    """Deletes a trace or a user, and writes down when there was a receipt."""
    deletion = promises.deletion(what, name, time.time())
    try:
        ask(f"{url}/api/v1/projects/1/{what}s/{name}", token, method="DELETE")
        deletion.ended = time.time()
    except (OSError, http.client.HTTPException):
        pass  # It may be done or not; the server may have been killed.


def confirm(url, token):
    """Calls of all ages come at once, so that what is too old is more than a tail, and waits to be confirmed."""
    try:
        ask(f"{url}/api/v1/retention/confirm", token, b"{}", "POST")
    except (OSError, http.client.HTTPException):
        pass  # Nothing waits; the server may have been killed.


def back_up(url, token, target):
    """Between which moments it was made; None where it broke off."""
    request = urllib.request.Request(f"{url}/api/v1/backup", headers={"authorization": f"Bearer {token}"})
    began = time.time()
    try:
        with urllib.request.urlopen(request, timeout=60) as answer, open(target, "wb") as out:
            shutil.copyfileobj(answer, out)
            if out.tell() != int(answer.headers["content-length"]):
                return None
    except (OSError, http.client.HTTPException):
        return None
    return target, began, time.time()


def restored(binary, promises, backup, folder):
    """What is wrong with a backup."""
    archive, began, ended = backup
    data = os.path.join(folder, "restored")
    shutil.rmtree(data, ignore_errors=True)
    done = subprocess.run([binary, "restore", archive, "--data", data], capture_output=True, text=True)
    return [done.stderr.strip()] if done.returncode else looked_at(binary, data, promises, began, ended)
