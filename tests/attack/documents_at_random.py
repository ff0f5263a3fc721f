"""Operations at random, from a server's own schema."""

import datetime

STRINGS = [
    "", " ", "a", "Ada", "\0", "\u202e", "é" * 50, "😀" * 30, "x" * 300, "x" * 20_000, "../../etc/passwd",
    "'; DROP TABLE agents; --", "%s%n{{person.first_name}}{{#each", "<script>alert(1)</script>", "=?utf-8?b?AAAA?=",
    "\r\nBcc: someone@example.com", "null", "-1", "1e400", "http://127.0.0.1:9/", "mailto:x@example.com",
]  # fmt: skip
EMAILS = ["ada@example.com", "ada+x@example.com", "a@b", "@", "a" * 300 + "@example.com", "a@пример.рф", "a@b@c"]
INSTANTS = ["2026-12-01T09:00:00Z", "0000-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "+262142-01-01T00:00:00Z",
    "2026-12-01T09:00:00+26:00", "2026-12-01", "2026-02-30T00:00:00Z", "", "1e9"]  # fmt: skip
ZONES = [
    "UTC",
    "Europe/Paris",
    "America/St_Johns",
    "Antarctica/Troll",
    "europe/paris",
    "../UTC",
    "Mars/Base",
    "",
    "+25:00",
]
NUMBERS = [0, 1, -1, 5, 30, 100, 101, 1000, 2**31 - 1, -(2**31), 2**31, 2**53, 2**64, 1e300, 0.5]

SPARED = {"deleteWebhook", "revokeAgentTokens", "createWebhook", "registerPushSubscription", "blockVisitors"}
"""Mutations that would call out, or lock the fuzzer itself out."""


class Documents:
    def __init__(self, schema, random, ids):
        self.types = {kind["name"]: kind for kind in schema["types"]}
        self.roots = [("query", schema["queryType"]["name"]), ("mutation", schema["mutationType"]["name"])]
        self.random, self.ids = random, [*ids, "x", "", "QWdlbnQ6MQ==", "agent_1", "0" * 500]

    def request(self):
        """One operation of one to three fields, with the arguments as variables."""
        operation, root = self.random.choice(self.roots)
        fields = [field for field in self.types[root]["fields"] if field["name"] not in SPARED]
        variables, declared, selected = {}, [], []
        for number in range(self.random.choice([1, 1, 1, 2, 3])):
            field = self.random.choice(fields)
            arguments = []
            for argument in field["args"]:
                if self.named(argument["type"])[1] or self.random.random() < 0.6:
                    name = f"v{number}{argument['name']}"
                    declared.append(f"${name}: {self.written(argument['type'])}")
                    variables[name] = self.value(argument["type"])
                    arguments.append(f"{argument['name']}: ${name}")
            text = f"f{number}: {field['name']}" + (f"({', '.join(arguments)})" if arguments else "")
            selected.append(text + self.selection(field["type"], 3))
        head = f"{operation} ({', '.join(declared)})" if declared else operation
        return {"query": f"{head} {{ {' '.join(selected)} }}", "variables": variables}

    def selection(self, kind, depth):
        """Some fields of a type, with their own; nothing for a scalar."""
        kind = self.types[self.named(kind)[0]]
        if kind["kind"] in ("SCALAR", "ENUM"):
            return ""
        if kind["kind"] in ("UNION", "INTERFACE"):
            members = [f"... on {member['name']} {self.of(member['name'], depth)}" for member in kind["possibleTypes"]]
            return f" {{ __typename {' '.join(self.random.sample(members, min(3, len(members))))} }}"
        return " " + self.of(kind["name"], depth)

    def of(self, name, depth):
        """The selection set of an object type."""
        fields = [field for field in self.types[name]["fields"] if not self.demands(field)]
        if depth == 0:
            fields = [
                field for field in fields if self.types[self.named(field["type"])[0]]["kind"] in ("SCALAR", "ENUM")
            ]
        chosen = self.random.sample(fields, min(len(fields), self.random.randint(1, 5)))
        texts = [field["name"] + self.selection(field["type"], depth - 1) for field in chosen]
        # Members of a union may have one field under one name and different types.
        return f"{{ __typename {' '.join(f'{name}_{n}: {text}' for n, text in enumerate(texts))} }}"

    def demands(self, field):
        return any(argument["type"]["kind"] == "NON_NULL" for argument in field["args"])

    def value(self, kind, depth=0):
        """A value that the type takes, most times; odd ones otherwise."""
        random = self.random
        if kind["kind"] == "NON_NULL":
            return self.value(kind["ofType"], depth)
        if random.random() < 0.05:
            return None
        if random.random() < 0.03:
            return random.choice([[], {}, "x", 1, True, [[["x"]]], {"a": {"b": []}}])
        if kind["kind"] == "LIST":
            return [self.value(kind["ofType"], depth + 1) for _ in range(random.choice([0, 1, 1, 2, 3, 60]))]
        kind = self.types[kind["name"]]
        if kind["kind"] == "ENUM":
            return random.choice([value["name"] for value in kind["enumValues"]] + ["NONSENSE"])
        if kind["kind"] == "INPUT_OBJECT":
            return self.input_object(kind, depth)
        return self.scalar(kind["name"])

    def input_object(self, kind, depth):
        if depth > 6:
            return {}
        fields = {}
        for field in kind["inputFields"]:
            if field["type"]["kind"] == "NON_NULL" or self.random.random() < 0.4:
                fields[field["name"]] = self.value(field["type"], depth + 1)
        return fields

    def scalar(self, name):
        random = self.random
        today = datetime.datetime.now(datetime.UTC)
        if name in ("Int", "Float"):
            return random.choice(NUMBERS)
        if name == "Boolean":
            return random.choice([True, False])
        if name == "ID":
            return random.choice(self.ids)
        if name == "DateTime":
            soon = today.replace(minute=0, second=0, microsecond=0) + datetime.timedelta(hours=random.randint(0, 900))
            return random.choice([soon.isoformat()] * 5 + INSTANTS)
        if name == "Date":
            day = today.date() + datetime.timedelta(days=random.randint(-2, 80))
            return random.choice([str(day)] * 5 + ["0000-00-00", "9999-12-31", "2026-02-30", "-0001-01-01", ""])
        if name == "LocalTime":
            return random.choice(["09:00", "17:00", "00:00", "24:00", "24:01", "9:00", ""])
        if name == "TimeZone":
            return random.choice(ZONES)
        if name == "EmailAddress":
            return random.choice(EMAILS)
        if name == "Locale":
            return random.choice(["en", "fr-CA", "x", "zz-ZZ-zz", ""])
        return random.choice(STRINGS)

    def named(self, kind):
        """The name of a type without its wrappers, and whether it must be given."""
        required = kind["kind"] == "NON_NULL"
        while kind.get("ofType"):
            kind = kind["ofType"]
        return kind["name"], required

    def written(self, kind):
        """A type as a document writes it."""
        if kind["kind"] == "NON_NULL":
            return self.written(kind["ofType"]) + "!"
        if kind["kind"] == "LIST":
            return f"[{self.written(kind['ofType'])}]"
        return kind["name"]
