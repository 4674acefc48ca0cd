"""A disk that knows what is durable and what a power cut may take: what was written and not yet synced, page by page in any
combination, and names made, changed and removed in a folder that was not synced since."""

import os
import posixpath
import re

PAGE = 4096
HARMLESS = {"close", "lseek", "fcntl", "dup", "dup2", "dup3"}


class File:
    def __init__(self):
        self.durable = b""
        self.pending = []  # (place, "write", offset, bytes) or (place, "size", length)
        self.size = 0

    def write(self, place, offset, data):
        self.pending.append((place, "write", offset, data))
        self.size = max(self.size, offset + len(data))

    def resize(self, place, length):
        self.pending.append((place, "size", length))
        self.size = length

    def sync(self, before):
        """Makes durable what was asked for before the place `before`."""
        done = [change for change in self.pending if change[0] < before]
        self.pending = [change for change in self.pending if change[0] >= before]
        self.durable = applied(self.durable, done)

    def after_cut(self, dice, mood):
        """One of the states in which the file may be found."""
        if not self.pending or mood == "none":
            return self.durable
        if mood == "all":
            return applied(self.durable, self.pending)
        sector = dice.choice([512, PAGE])
        sizes, versions = [len(self.durable)], {}
        size = len(self.durable)
        content = bytearray(self.durable)
        for change in self.pending:
            if change[1] == "size":
                size = change[2]
                content[size:] = b""
            else:
                _, _, offset, data = change
                size = max(size, offset + len(data))
                content.extend(bytes(max(0, size - len(content))))
                content[offset : offset + len(data)] = data
                for page in range(offset // sector, (offset + len(data) - 1) // sector + 1):
                    versions.setdefault(page, []).append(bytes(content[page * sector : (page + 1) * sector]))
            sizes.append(size)
        # What the file system knows of the length and what of the pages reached the disk are two questions.
        found = bytearray(self.durable)
        length = dice.choice(sizes)
        found.extend(bytes(max(0, length - len(found))))
        for page, states in versions.items():
            kept = dice.randint(0, len(states)) if dice.random() < 0.7 else 0
            if kept:
                state = states[kept - 1]
                start = page * sector
                found[start : start + len(state)] = state
        return bytes(found[:length]).ljust(length, b"\0")


def applied(content, changes):
    content = bytearray(content)
    for change in changes:
        if change[1] == "size":
            content[change[2] :] = b""
            content.extend(bytes(max(0, change[2] - len(content))))
        else:
            _, _, offset, data = change
            content.extend(bytes(max(0, offset + len(data) - len(content))))
            content[offset : offset + len(data)] = data
    return bytes(content)


class Disk:
    """Names below `root`. Folders themselves are taken as durable once made: they are made at the very first start alone."""

    def __init__(self, root):
        self.root = root
        self.now, self.durable = {}, {}
        self.pending = {}  # folder: [(place, name, File or None)]
        self.folders = {root}
        self.open = {}  # descriptor: [File or folder, position, appends, place of the opening]

    def inside(self, path):
        return path == self.root or path.startswith(self.root + "/")

    def touches(self, call):
        """Whether a call is about a file of ours."""
        return any(self.inside(path_of(argument)) for argument in call.arguments if argument)

    def name(self, place, path, file):
        if file is None:
            self.now.pop(path, None)
        else:
            self.now[path] = file
        self.pending.setdefault(posixpath.dirname(path), []).append((place, path, file))

    def sync_folder(self, folder, before):
        changes = self.pending.get(folder, [])
        for place, path, file in changes:
            if place < before:
                self.set_durable(path, file)
        self.pending[folder] = [change for change in changes if change[0] >= before]

    def set_durable(self, path, file):
        if file is None:
            self.durable.pop(path, None)
        else:
            self.durable[path] = file

    def after_kill(self, into):
        """Writes the state in which a killed process leaves the disk: all that it asked for is there."""
        self.write(self.now, into, lambda file: file.after_cut(None, "all"))

    def after_cut(self, dice, into):
        """Writes one of the states in which the disk may be found."""
        names = dict(self.durable)
        for changes in self.pending.values():
            # What happens in one folder reaches the disk in its order.
            kept = dice.choice([0, len(changes), dice.randint(0, len(changes))])
            for _, path, file in changes[:kept]:
                if file is None:
                    names.pop(path, None)
                else:
                    names[path] = file
        mood = dice.choice(["none", "all", "some", "some"])
        self.write(names, into, lambda file: file.after_cut(dice, mood))

    def write(self, names, into, content):
        for folder in self.folders:
            os.makedirs(os.path.join(into, os.path.relpath(folder, self.root)), exist_ok=True)
        for path, file in names.items():
            # The shared memory beside a database is made anew by who opens it first. What was removed with its folder is gone.
            if path.endswith("-shm") or posixpath.dirname(path) not in self.folders:
                continue
            with open(os.path.join(into, os.path.relpath(path, self.root)), "wb") as out:
                out.write(content(file))

    # What a process asks for.

    def restart(self):
        self.open = {}

    def apply(self, call):
        act = getattr(self, "do_" + call.name, None)
        if act:
            act(call)
        elif call.name not in HARMLESS and self.touches(call):
            raise NotImplementedError(f"{call.name} on a file of the data folder")

    def do_openat(self, call):
        path = resolve(call.arguments)
        if not self.inside(path):
            return
        flags = call.arguments[2]
        if path in self.folders or "O_DIRECTORY" in flags:
            self.open[call.result] = [path, 0, False, call.ended]
            return
        file = self.now.get(path)
        if file is None:
            if "O_CREAT" not in flags:
                return
            file = File()
            self.name(call.ended, path, file)
        if "O_TRUNC" in flags and file.size:
            file.resize(call.ended, 0)
        self.open[call.result] = [file, 0, "O_APPEND" in flags, call.ended]

    def do_close(self, call):
        # Another thread may be given the number as soon as a close begins, before that has ended.
        held = self.open.get(number(call.arguments[0]))
        if held and held[3] < call.began:
            del self.open[number(call.arguments[0])]

    def do_fcntl(self, call):
        if "F_DUPFD" in call.arguments[1] and number(call.arguments[0]) in self.open:
            self.open[call.result] = self.open[number(call.arguments[0])]

    def do_lseek(self, call):
        held = self.open.get(number(call.arguments[0]))
        if held:
            held[1] = call.result

    def do_write(self, call):
        held = self.open.get(number(call.arguments[0]))
        if held:
            file = held[0]
            offset = file.size if held[2] else held[1]
            file.write(call.ended, offset, call.arguments[1][: call.result])
            held[1] = offset + call.result

    def do_pwrite64(self, call):
        held = self.open.get(number(call.arguments[0]))
        if held:
            held[0].write(call.ended, int(call.arguments[3]), call.arguments[1][: call.result])

    def do_writev(self, call):
        held = self.open.get(number(call.arguments[0]))
        if held:
            pieces = re.findall(r'iov_base="([^"]*)"', call.arguments[1])
            data = b"".join(bytes.fromhex(piece.replace("\\x", "")) for piece in pieces)[: call.result]
            offset = held[0].size if held[2] else held[1]
            held[0].write(call.ended, offset, data)
            held[1] = offset + len(data)

    def do_ftruncate(self, call):
        held = self.open.get(number(call.arguments[0]))
        if held:
            held[0].resize(call.ended, int(call.arguments[1]))

    def do_fsync(self, call):
        held = self.open.get(number(call.arguments[0]))
        if held and isinstance(held[0], str):
            self.sync_folder(held[0], call.began)
        elif held:
            held[0].sync(call.began)

    do_fdatasync = do_fsync

    def do_rename(self, call):
        self.rename(call, call.arguments[0].decode(), call.arguments[1].decode())

    def do_renameat2(self, call):
        self.rename(call, resolve(call.arguments[:2]), resolve(call.arguments[2:4]))

    do_renameat = do_renameat2

    def rename(self, call, old, new):
        if not self.inside(old):
            return
        if old in self.folders:
            raise NotImplementedError(f"folder {old} is renamed")
        file = self.now[old]
        self.name(call.ended, old, None)
        self.name(call.ended, new, file)

    def do_unlink(self, call):
        path = call.arguments[0].decode()
        if self.inside(path):
            self.name(call.ended, path, None)

    def do_unlinkat(self, call):
        path = resolve(call.arguments)
        if self.inside(path):
            if "AT_REMOVEDIR" in call.arguments[2]:
                self.folders.discard(path)
            else:
                self.name(call.ended, path, None)

    def do_mkdir(self, call):
        path = call.arguments[0].decode()
        if self.inside(path):
            self.folders.add(path)

    def do_mkdirat(self, call):
        path = resolve(call.arguments)
        if self.inside(path):
            self.folders.add(path)

    def do_link(self, call):
        old, new = (argument.decode() for argument in call.arguments[:2])
        if self.inside(old):
            self.name(call.ended, new, self.now[old])

    def do_linkat(self, call):
        old, new = resolve(call.arguments[:2]), resolve(call.arguments[2:4])
        if self.inside(old):
            self.name(call.ended, new, self.now[old])


def number(argument):
    return int(re.match(r"-?\d+", argument)[0]) if isinstance(argument, str) else -1


def path_of(argument):
    """The path that stands behind a descriptor, as -y has it; empty where there is none."""
    if isinstance(argument, bytes):
        return argument.decode(errors="replace")
    found = re.search(r"<([^>]*)>", argument)
    if not found:
        return ""
    text = found[1]
    return bytes.fromhex(text.replace("\\x", "")).decode(errors="replace") if text.startswith("\\x") else text


def resolve(arguments):
    """A path that is relative to a folder's descriptor."""
    return posixpath.normpath(posixpath.join(path_of(arguments[0]), arguments[1].decode(errors="replace")))
