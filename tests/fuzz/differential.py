#!/usr/bin/env python3
# SPDX-License-Identifier: MIT
"""The reader against a parser of another make: slow, plain, recursive, written from the RESP3
specification and the contract in src/resp/reader.h, without a look at the lexer.

usage: differential.py TRANSCRIPT [--inputs N | --seconds S] [--seed N] [--corpus FOLDER]...

TRANSCRIPT is the program that tests/fuzz/transcript.c makes. Inputs are generated, mutated, or
taken from the folders and mutated. Both must tell the same values, stop at the same byte and give
the same verdict. Where the reader is narrower than the specification, NARROWER says why. Prints
"inputs N rate R findings F seed S"; ends with 1 when there was a difference."""
import argparse
import os
import random
import re
import struct
import subprocess
import sys
import time

# The limits of the reader: those of reader.h, and the two that transcript.c sets.
DEPTH_MAX = 32
ELEMENTS_MAX = 1 << 20
LINE_MAX = 64 * 1024
BLOB_MAX = 4096
REPLY_MAX = 16384
I64_MIN, I64_MAX = -(1 << 63), (1 << 63) - 1

# What the specification allows and the reader refuses, with the byte that it refuses: both
# servers send none of these, and each would be one more way to be out of step.
NARROWER = [
    (b":+1\r\n", "malformed 1", "a plus in front of an integer: servers send none"),
    (b"$?\r\n;1\r\na\r\n;0\r\n", "malformed 1", "a streamed string: no server sends it"),
    (b"*?\r\n:1\r\n.\r\n", "malformed 1", "a streamed aggregate: no server sends it"),
    (b"*1\r\n>1\r\n:1\r\n:2\r\n", "malformed 4", "a push inside a reply: only between replies"),
    (b"!-1\r\n", "malformed 1", "an error that is null says nothing"),
    (b",1.\r\n", "malformed 3", "a point without a fraction: servers print %.17g"),
    (b",+inf\r\n", "malformed 2", "a plus in front of inf: not in the specification's grammar"),
    (b":01\r\n", "malformed 2", "a number in another than its shortest form"),
    (b"=3\r\ntxt\r\n", "malformed 2", "a verbatim string too short for its mark"),
]


class Refused(Exception):
    """The byte at this offset cannot be."""


class TooLarge(Exception):
    """A limit, noticed at this offset."""


class More(Exception):
    """The input ends inside a value."""


class Number:
    """Which header a type byte announces."""

    def __init__(self, signed=False, null=False, least=0):
        self.signed, self.null, self.least = signed, null, least

    def could_begin(self, text):
        """Whether some valid number begins with this text."""
        if text == b"-":
            return self.signed or self.null
        if text.startswith(b"-"):
            if self.null:
                return text == b"-1"
            return bool(re.fullmatch(rb"-[1-9][0-9]*", text)) and int(text) >= I64_MIN
        if text == b"0":
            return self.least == 0
        return bool(re.fullmatch(rb"[1-9][0-9]*", text)) and int(text) <= I64_MAX

    def is_whole(self, text):
        return text not in (b"", b"-") and (int(text) >= self.least or text[:1] == b"-")


NUMBERS = {
    b":": Number(signed=True), b"$": Number(null=True), b"*": Number(null=True),
    b"!": Number(), b"=": Number(least=4), b"%": Number(), b"~": Number(), b"|": Number(),
    b">": Number(),
}
DOUBLE = re.compile(rb"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?|-?inf|nan")
DOUBLE_BEGUN = re.compile(
    rb"[+-]?([0-9]+(\.([0-9]+([eE]([+-]?[0-9]*)?)?)?|[eE]([+-]?[0-9]*)?)?)?|-?i(nf?)?|n(an?)?")
BIG = re.compile(rb"[+-]?[0-9]+")
BIG_BEGUN = re.compile(rb"[+-]?[0-9]*")


class Parser:
    def __init__(self, data):
        self.data, self.at = data, 0
        self.words = []
        self.start = 0  # of the current reply or push
        self.between = True

    def byte(self):
        if self.at == len(self.data):
            raise More()
        self.between = False
        return self.data[self.at:self.at + 1]

    def want(self, expected):
        if self.byte() != expected:
            raise Refused(self.at)
        self.at += 1

    def used(self):
        return self.at - self.start

    def limit(self, due=0):
        if self.used() + due > REPLY_MAX:
            raise TooLarge(self.at)

    def number(self, kind):
        text = b""
        while True:
            one = self.byte()
            if one == b"\r":
                if not kind.is_whole(text):
                    raise Refused(self.at)
                self.at += 1
                self.want(b"\n")
                return int(text)
            if not kind.could_begin(text + one):
                raise Refused(self.at)
            text += one
            self.at += 1

    def tell(self, quiet, mark, number, depth):
        if not quiet:
            self.words.append(b"%s%d@%d" % (mark, number, depth))

    def add(self, quiet, text):
        if not quiet:
            self.words[-1] += text

    def line(self, mark, quiet, depth):
        self.limit()
        self.tell(quiet, mark, -1, depth)
        self.add(quiet, b"(")
        text = b""
        while True:
            one = self.byte()
            if one == b"\r":
                if mark == b"," and not DOUBLE.fullmatch(text):
                    raise Refused(self.at)
                if mark == b"(" and not BIG.fullmatch(text):
                    raise Refused(self.at)
                break
            begun = text + one
            if one == b"\n" or (mark == b"," and not DOUBLE_BEGUN.fullmatch(begun)) or \
                    (mark == b"(" and not BIG_BEGUN.fullmatch(begun)):
                raise Refused(self.at)
            if len(text) == LINE_MAX:
                raise TooLarge(self.at)
            text = begun
            self.at += 1
            self.add(quiet, one)
        self.at += 1
        self.want(b"\n")
        self.limit()
        self.add(quiet, b")")

    def blob(self, mark, quiet, depth):
        length = self.number(NUMBERS[mark])
        if length == -1:
            self.limit()
            self.tell(quiet, b"_", 0, depth)
            return
        text_length = length - 4 if mark == b"=" else length
        if text_length > BLOB_MAX:
            raise TooLarge(self.at)
        self.limit(length + 2)
        self.tell(quiet, b"-" if mark == b"!" else mark, text_length, depth)
        self.add(quiet, b"(")
        if mark == b"=":
            for _ in range(3):
                self.byte()
                self.at += 1
            self.want(b":")
        for _ in range(text_length):
            one = self.byte()
            self.at += 1
            self.add(quiet, one)
        self.want(b"\r")
        self.want(b"\n")
        self.limit()
        self.add(quiet, b")")

    def aggregate(self, mark, quiet, depth, nesting):
        """Its children; False for an attribute, which is no value of its own."""
        count = self.number(NUMBERS[mark])
        self.limit()
        if count == -1:
            self.tell(quiet, b"_", 0, depth)
            return True
        if nesting == DEPTH_MAX:
            raise TooLarge(self.at)
        children = count * 2 if mark in b"%|" else count
        if children > ELEMENTS_MAX:
            raise TooLarge(self.at)
        hidden = quiet or mark in b"|>"
        self.tell(hidden, mark, children, depth)
        for _ in range(children):
            self.value(hidden, depth + 1, nesting + 1)
        return mark != b"|"

    def value(self, quiet, depth, nesting):
        """One value with the attributes in front of it. Returns the byte it began with."""
        while True:
            mark = self.byte()
            if mark in b"+-,(":
                self.at += 1
                self.line(mark, quiet, depth)
            elif mark in b"$!=":
                self.at += 1
                self.blob(mark, quiet, depth)
            elif mark == b":":
                self.at += 1
                number = self.number(NUMBERS[mark])
                self.limit()
                self.tell(quiet, mark, number, depth)
            elif mark == b"#":
                self.at += 1
                flag = self.byte()
                if flag not in (b"t", b"f"):
                    raise Refused(self.at)
                self.at += 1
                self.want(b"\r")
                self.want(b"\n")
                self.limit()
                self.tell(quiet, mark, 1 if flag == b"t" else 0, depth)
            elif mark == b"_":
                self.at += 1
                self.want(b"\r")
                self.want(b"\n")
                self.limit()
                self.tell(quiet, mark, 0, depth)
            elif mark in b"*%~|" or (mark == b">" and nesting == 0):
                self.at += 1
                if not self.aggregate(mark, quiet, depth, nesting):
                    continue
            else:
                raise Refused(self.at)
            return mark

    def transcript(self):
        verdict = b"more"
        try:
            while self.at < len(self.data):
                self.start = self.at
                mark = self.value(False, 0, 0)
                self.words.append(b">" if mark == b">" else b".")
                self.between = True
        except More:
            pass
        except Refused:
            verdict, self.between = b"malformed", False
        except TooLarge:
            verdict, self.between = b"too_large", False
        return b"%s %d %d %s" % (verdict, self.at, self.between, b" ".join(self.words))


# --- Inputs ---------------------------------------------------------------------------------------

NUMBERS_OF_NOTE = [b"0", b"-1", b"-2", b"00", b"01", b"-0", b"+1", b"1", b"4", b"5", b"31", b"4096",
                   b"4097", b"16384", b"524288", b"524289", b"1048576", b"1048577", b"2147483648",
                   b"9223372036854775807", b"9223372036854775808", b"-9223372036854775808",
                   b"-9223372036854775809", b"18446744073709551616", b"?", b""]
PIECES = [b"\r\n", b"\r", b"\n", b"$", b"*", b"+", b"-", b":", b"_", b"#t\r\n", b",", b"(", b"!", b"=",
          b"%", b"~", b"|", b">", b"|1\r\n+a\r\n+b\r\n", b">1\r\n+a\r\n", b"$-1\r\n", b"*-1\r\n",
          b"*0\r\n", b"|0\r\n", b">0\r\n", b"$0\r\n\r\n", b"*1\r\n" * 16, b"\x00", b"inf", b"nan",
          b"e5", b".5"]


def some_bytes(rng):
    n = rng.choice((0, 1, 2, 3, 5, 8, 15, 16, 40)) if rng.random() < 0.97 else rng.randrange(5000)
    return bytes(rng.choice(b"abc\r\n\x00\xff0123$*") for _ in range(n)) if n < 100 else b"x" * n


def some_text(rng):
    return some_bytes(rng).replace(b"\r", b"").replace(b"\n", b"")


def some_double(rng):
    return rng.choice((b"inf", b"-inf", b"nan", b"0", b"-0", b"1.5", b"+2", b"1e5", b"1.25E-7",
                       repr(rng.uniform(-1e9, 1e9)).encode(), b"%d" % rng.randrange(-99, 99)))


def some_value(rng, depth=0):
    """A well-formed value, attributes in front of it included."""
    out = b""
    if rng.random() < 0.06:
        n = rng.randrange(3)
        out += b"|%d\r\n" % n + b"".join(some_value(rng, depth + 1) for _ in range(2 * n))
    kind = rng.randrange(10 if depth > 3 else 14)
    if kind < 2:
        text = some_bytes(rng)
        return out + b"$%d\r\n%s\r\n" % (len(text), text)
    if kind == 2:
        return out + b"+" + some_text(rng) + b"\r\n"
    if kind == 3:
        return out + b"-ERR " + some_text(rng) + b"\r\n"
    if kind == 4:
        return out + b":%d\r\n" % rng.choice((0, 1, -1, I64_MAX, I64_MIN, rng.randrange(-999, 999)))
    if kind == 5:
        return out + rng.choice((b"_\r\n", b"$-1\r\n", b"*-1\r\n", b"#t\r\n", b"#f\r\n"))
    if kind == 6:
        return out + b"," + some_double(rng) + b"\r\n"
    if kind == 7:
        return out + b"(%d\r\n" % rng.randrange(-(1 << 80), 1 << 80)
    if kind == 8:
        text = some_bytes(rng)
        return out + b"!%d\r\n%s\r\n" % (len(text), text)
    if kind == 9:
        text = some_bytes(rng)
        return out + b"=%d\r\ntxt:%s\r\n" % (len(text) + 4, text)
    n = rng.choice((0, 1, 1, 2, 3, 5))
    if kind == 10:
        return out + b"%%%d\r\n" % n + b"".join(some_value(rng, depth + 1) for _ in range(2 * n))
    mark = b"~" if kind == 11 else b"*"
    if rng.random() < 0.01:
        n, deep = 1, rng.randrange(24, 36)
        out += b"*1\r\n" * deep
        depth = 9
    return out + mark + b"%d\r\n" % n + b"".join(some_value(rng, depth + 1) for _ in range(n))


def some_stream(rng):
    out = b""
    for _ in range(rng.choice((1, 1, 2, 4))):
        if rng.random() < 0.1:
            n = rng.randrange(3)
            out += b">%d\r\n" % n + b"".join(some_value(rng, 2) for _ in range(n))
        out += some_value(rng)
    return out


def mutate(rng, data):
    for _ in range(rng.choice((1, 1, 1, 2, 4))):
        at = rng.randrange(len(data) + 1)
        kind = rng.randrange(7)
        if kind == 0:
            data = data[:at] + bytes((rng.randrange(256),)) + data[at + 1:]
        elif kind == 1:
            data = data[:at] + data[at + rng.randrange(1, 4):]
        elif kind == 2:
            data = data[:at] + rng.choice(PIECES) + data[at:]
        elif kind == 3:
            data = data[:at]
        elif kind == 4:
            begin = rng.randrange(len(data) + 1)
            data = data[:at] + data[begin:begin + rng.randrange(1, 20)] + data[at:]
        else:
            found = [m.span() for m in re.finditer(rb"-?[0-9]+", data)]
            if found:
                begin, end = rng.choice(found)
                data = data[:begin] + rng.choice(NUMBERS_OF_NOTE) + data[end:]
    return data


def some_input(rng, corpus):
    if corpus and rng.random() < 0.3:
        data = rng.choice(corpus)
        # Behind the plan of fuzz_split.
        data = data[1 + (data[0] & 7):] if data else data
        return mutate(rng, data) if rng.random() < 0.8 else data
    data = some_stream(rng)
    return mutate(rng, data) if rng.random() < 0.6 else data


# --- Comparing ------------------------------------------------------------------------------------

def ask(program, inputs, pieces):
    """The program's transcripts of these inputs."""
    sent = b"".join(struct.pack("<II", len(data), piece) + data
                    for data, piece in zip(inputs, pieces))
    told = subprocess.run([program], input=sent, stdout=subprocess.PIPE, check=True).stdout
    out, at = [], 0
    while at < len(told):
        length, = struct.unpack_from("<I", told, at)
        out.append(told[at + 4:at + 4 + length])
        at += 4 + length
    if len(out) != len(inputs):
        sys.exit("the transcripts are not as many as the inputs")
    return out


def check_narrower(program):
    told = ask(program, [row[0] for row in NARROWER], [1] * len(NARROWER))
    for (data, verdict, why), transcript in zip(NARROWER, told):
        if not transcript.startswith(verdict.encode() + b" "):
            sys.exit(f"{data!r}: {transcript!r}, not {verdict} ({why})")


def read_corpus(folders):
    corpus = []
    for folder in folders:
        for name in sorted(os.listdir(folder)) if os.path.isdir(folder) else []:
            with open(os.path.join(folder, name), "rb") as seed:
                corpus.append(seed.read())
    return corpus


def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("program")
    arguments.add_argument("--inputs", type=int, default=20000)
    arguments.add_argument("--seconds", type=float, default=0)
    arguments.add_argument("--seed", type=int)
    arguments.add_argument("--corpus", action="append", default=[])
    given = arguments.parse_args()
    seed = given.seed
    if seed is None:
        seed = int(os.environ.get("FAC_TEST_SEED", "0"), 0) or random.SystemRandom().getrandbits(63)
    print(f"seed {seed}", flush=True)
    rng = random.Random(seed)
    corpus = read_corpus(given.corpus)
    check_narrower(given.program)
    begun, n_inputs, n_findings = time.monotonic(), 0, 0
    verdicts = {}
    while (time.monotonic() < begun + given.seconds if given.seconds else n_inputs < given.inputs):
        inputs = [some_input(rng, corpus) for _ in range(2000)]
        pieces = [rng.choice((1, 2, 3, 7, 33, 1 << 20)) for _ in inputs]
        for data, piece, theirs in zip(inputs, pieces, ask(given.program, inputs, pieces)):
            ours = Parser(data).transcript()
            verdict = ours.split(b" ", 1)[0].decode()
            verdicts[verdict] = verdicts.get(verdict, 0) + 1
            if ours != theirs:
                n_findings += 1
                print(f"input {data!r} in pieces of {piece}\n  here   {ours!r}\n  reader {theirs!r}")
        n_inputs += len(inputs)
        if n_findings > 20:
            break
    seconds = time.monotonic() - begun
    print("verdicts", *(f"{name} {count}" for name, count in sorted(verdicts.items())))
    print(f"inputs {n_inputs} rate {n_inputs / seconds:.0f} findings {n_findings} seed {seed}")
    # Inputs that all end alike would compare nothing.
    return 1 if n_findings or min(verdicts.get(name, 0) for name in
                                  ("more", "malformed", "too_large")) < n_inputs / 200 else 0


if __name__ == "__main__":
    sys.exit(main())
