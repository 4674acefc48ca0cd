"""What a process asked of its files, read from what strace wrote: one list of calls in the order of their ends."""

import re
from dataclasses import dataclass

# What changes files or makes changes durable, and what says which file a descriptor means.
TRACED = (
    "openat,creat,close,dup,dup2,dup3,fcntl,lseek,write,pwrite64,writev,pwritev,pwritev2,fsync,fdatasync,sync,syncfs,sync_file_range,"
    "ftruncate,truncate,fallocate,rename,renameat,renameat2,unlink,unlinkat,mkdir,mkdirat,rmdir,link,linkat,symlink,symlinkat,"
    "copy_file_range,sendfile,splice"
)

LINE = re.compile(r"^(\d+) +(\d+\.\d+) (.*)$", re.S)
UNFINISHED = re.compile(r"^(.*) <unfinished \.\.\.>$", re.S)
RESUMED = re.compile(r"^<\.\.\. (\w+) resumed>(.*)$", re.S)
CALL = re.compile(r"^(\w+)\((.*)\) += (-?\d+)(.*)$", re.S)


@dataclass
class Call:
    """`began` and `ended` are places in the order of all lines; `at` is the end, in seconds since the epoch."""

    name: str
    arguments: list
    result: int
    began: int
    ended: int
    at: float


def plain(quoted):
    """The bytes of a string as strace writes it with -xx."""
    return bytes.fromhex(quoted.replace("\\x", ""))


def split(text):
    """Arguments at the top level; strings become bytes, what stands in brackets stays text."""
    arguments, depth, start, at = [], 0, 0, 0
    while at < len(text):
        sign = text[at]
        if sign == '"':
            at = text.index('"', at + 1)
        elif sign in "[{(<":
            depth += 1
        elif sign in "]})>":
            depth -= 1
        elif sign == "," and depth == 0:
            arguments.append(text[start:at].strip())
            start = at + 1
        at += 1
    arguments.append(text[start:].strip())
    return [plain(argument[1:-1]) if argument.startswith('"') and argument.endswith('"') else argument for argument in arguments]


def read(path):
    """The calls that succeeded."""
    waiting = {}
    with open(path, encoding="ascii", errors="replace") as lines:
        for place, line in enumerate(lines):
            found = LINE.match(line.rstrip("\n"))
            if not found:
                continue
            process, at, text = found[1], float(found[2]), found[3]
            began = place
            if half := UNFINISHED.match(text):
                waiting[process] = (place, half[1])
                continue
            if rest := RESUMED.match(text):
                began, first = waiting.pop(process, (place, rest[1] + "("))
                text = first + rest[2]
            if (call := CALL.match(text)) and int(call[3]) >= 0:
                yield Call(call[1], split(call[2]), int(call[3]), began, place, at)
