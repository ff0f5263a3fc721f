"""A mail server with faults to choose from, for tests of delivery.

Usage: smtp.py [--starttls DIR | --smtps DIR] [--user NAME --password TEXT]

It listens on a free port of 127.0.0.1 and is driven by lines of JSON: one command a line on
standard input, one answer a line on standard output. The first line out, before any command, is

    {"port": 41235}

with "ca": the path of the PEM file to trust, where --starttls or --smtps asked for a certificate.

    {"mode": "ok"}                  what happens from now on, see MODES     -> {"ok": true}
    {"mode": "data-451", "times": 3}   the same, for 3 faults, then "ok"    -> {"ok": true}
    {"mode": "rcpt-550", "only": "a@b.example"}   the same, for this recipient  -> {"ok": true}
    {"list": true}                  what was accepted, in order             -> {"messages": [...]}
    {"wait": 2, "seconds": 10}      the same, once there are 2 of them      -> {"messages": [...]}
                                    ("timed_out": true beside it, if never)
    {"faults": true}                how often a fault was played            -> {"faults": 3}
    {"idle": true}                  how many, once no line is open          -> {"messages": 7}
    {"clear": true}                 forgets the messages and the faults     -> {"ok": true}

A message is {"message_id", "from", "to", "subject", "acknowledged", "raw"}; "to" is the envelope's,
"raw" is the message in Latin-1, so that each character is one byte, and "acknowledged" is false
where the client never saw the 250. The end of standard input ends the program.
"""

import argparse
import asyncio
import email
import email.policy
import json
import pathlib
import ssl
import sys

import trustme
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

MODES = {
    "ok": "accepts everything",
    "rcpt-451": "refuses the recipient for now",
    "rcpt-550": "refuses the recipient for good",
    "data-451": "reads the message, then refuses it for now",
    "data-550": "reads the message, then refuses it for good",
    "hang": "says nothing after DATA, the line stays open",
    "hang-connect": "takes the connection and never greets",
    "drop-mid-data": "drops the line while the message is being sent",
    "drop-before-250": "keeps the message, then drops the line before saying so",
    "down": "drops every open line and takes no connection",
}
"""Every mode and what it does. All but "ok" are faults."""


class State:
    """What the control channel and the mail connections share."""

    def __init__(self):
        self.mode = "ok"
        self.times = None
        self.only = None
        self.faults = 0
        self.messages = []
        self.arrived = asyncio.Event()
        self.connections = set()
        self.idle = asyncio.Event()
        self.idle.set()

    def set_mode(self, mode, times, only=None):
        if mode not in MODES:
            raise ValueError(f"unknown mode {mode!r}; known are {', '.join(MODES)}")
        if only and not mode.startswith("rcpt-"):
            raise ValueError(f"only the modes rcpt-… know the recipient, and {mode!r} does not")
        self.mode, self.times, self.only = mode, times, only

    def plays(self, *modes):
        """Whether one of `modes` is to be played now; counts it as played."""
        if self.mode not in modes:
            return False
        self.faults += 1
        if self.times is not None:
            self.times -= 1
            if self.times <= 0:
                self.set_mode("ok", None)
        return True

    def keep(self, envelope, acknowledged):
        parsed = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.messages.append(
            {
                "message_id": parsed["Message-ID"],
                "from": envelope.mail_from,
                "to": envelope.rcpt_tos,
                "subject": parsed["Subject"],
                "acknowledged": acknowledged,
                "raw": envelope.content.decode("latin-1"),
            }
        )
        self.arrived.set()


class FaultySession(SMTP):
    """aiosmtpd's server, with the faults that lie below its handler."""

    def __init__(self, state, **options):
        super().__init__(Handler(state), hostname="counterpart.test", **options)
        self.state = state

    def connection_made(self, transport):
        self.state.connections.add(transport)
        self.state.idle.clear()
        super().connection_made(transport)

    def connection_lost(self, error):
        self.state.connections.discard(self.transport)
        super().connection_lost(error)
        if not self.state.connections:
            self.state.idle.set()

    async def _handle_client(self):
        if self.state.plays("hang-connect"):
            await asyncio.Event().wait()
        await super()._handle_client()

    async def smtp_DATA(self, arg):
        if self.state.mode == "drop-mid-data" and self.envelope.rcpt_tos:
            self.state.plays("drop-mid-data")
            await self.push("354 End data with <CR><LF>.<CR><LF>")
            await self._reader.readline()
            self.transport.abort()
            return
        await super().smtp_DATA(arg)


class Handler:
    """Answers to the commands of a mail transaction."""

    def __init__(self, state):
        self.state = state

    async def handle_RCPT(self, server, session, envelope, address, options):
        if self.state.mode.startswith("rcpt-") and self.state.only in (None, address):
            code = self.state.mode[len("rcpt-") :]
            self.state.plays(self.state.mode)
            return f"{code} this recipient is refused by the test"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        if self.state.mode in ("data-451", "data-550"):
            code = self.state.mode[len("data-") :]
            self.state.plays(self.state.mode)
            return f"{code} this message is refused by the test"
        if self.state.plays("hang"):
            await asyncio.Event().wait()
        if self.state.plays("drop-before-250"):
            self.state.keep(envelope, acknowledged=False)
            server.transport.abort()
            return "421 dropped"
        self.state.keep(envelope, acknowledged=True)
        return "250 OK"


class Listener:
    """The listening socket, closed while the mode is "down" and opened again on the same port."""

    def __init__(self, state, options, tls):
        self.state, self.options, self.tls = state, options, tls
        self.port, self.server = 0, None

    async def follow_mode(self):
        if self.state.mode == "down":
            await self.close()
        elif self.server is None:
            loop = asyncio.get_running_loop()
            self.server = await loop.create_server(
                lambda: FaultySession(self.state, **self.options), "127.0.0.1", self.port, ssl=self.tls
            )
            self.port = self.server.sockets[0].getsockname()[1]

    async def close(self):
        if self.server is not None:
            self.server.close()
            self.server = None
        for connection in list(self.state.connections):
            connection.abort()


async def obey(command, state, listener):
    """Carries one command out and gives the answer."""
    if "mode" in command:
        state.set_mode(command["mode"], command.get("times"), command.get("only"))
        await listener.follow_mode()
        return {"ok": True}
    if "wait" in command:
        return await wait_for(state, command["wait"], command.get("seconds", 30))
    if command.get("list"):
        return {"messages": state.messages}
    if command.get("idle"):
        await asyncio.wait_for(state.idle.wait(), 30)
        return {"messages": len(state.messages)}
    if command.get("faults"):
        return {"faults": state.faults}
    if command.get("clear"):
        state.messages, state.faults = [], 0
        return {"ok": True}
    raise ValueError(f"unknown command {command!r}")


async def wait_for(state, count, seconds):
    try:
        async with asyncio.timeout(seconds):
            while len(state.messages) < count:
                state.arrived.clear()
                await state.arrived.wait()
    except TimeoutError:
        return {"messages": state.messages, "timed_out": True}
    return {"messages": state.messages}


def certificate(directory):
    """A server certificate for 127.0.0.1 and localhost, and the file of the authority behind it."""
    authority = trustme.CA()
    path = pathlib.Path(directory) / "ca.pem"
    authority.cert_pem.write_to_path(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context, str(path)


def session_options(arguments, tls):
    options = {"enable_SMTPUTF8": True}
    if arguments.starttls:
        options |= {"tls_context": tls, "require_starttls": True}
    if arguments.user:
        expected = LoginPassword(arguments.user.encode(), arguments.password.encode())
        options |= {
            "auth_required": True,
            "auth_require_tls": bool(arguments.starttls),
            "authenticator": lambda server, session, envelope, mechanism, given: AuthResult(
                success=given == expected
            ),
        }
    return options


async def main(arguments):
    greeting, tls = {}, None
    directory = arguments.starttls or arguments.smtps
    if directory:
        tls, greeting["ca"] = certificate(directory)
    state = State()
    listener = Listener(state, session_options(arguments, tls), tls if arguments.smtps else None)
    await listener.follow_mode()
    print(json.dumps({"port": listener.port} | greeting), flush=True)

    commands = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(commands), sys.stdin
    )
    while line := await commands.readline():
        try:
            answer = await obey(json.loads(line), state, listener)
        except (ValueError, TypeError) as error:
            answer = {"error": str(error)}
        print(json.dumps(answer), flush=True)


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    security = parser.add_mutually_exclusive_group()
    security.add_argument("--starttls", metavar="DIR", help="require STARTTLS; DIR gets ca.pem")
    security.add_argument("--smtps", metavar="DIR", help="TLS from the first byte; DIR gets ca.pem")
    parser.add_argument("--user", help="require AUTH with this name")
    parser.add_argument("--password", default="")
    return parser.parse_args()


if __name__ == "__main__":
    asyncio.run(main(parse_arguments()))
