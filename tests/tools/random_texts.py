"""Random texts that are hard on tokenizers, the same for the same seed. Only code points assigned in Unicode 14:
run it with a Python whose unicodedata is that version, or code points of later versions are left out anyway
because Python 3.11 does not know them.
"""

import random
import unicodedata

LAST_ASSIGNED = 0x10FFFF
SURROGATES = range(0xD800, 0xE000)
SPACES = (
    [" "] * 12
    + ["\n"] * 6
    + ["\t", "\r\n", "\r", "\v", "\f", "\x85", "\xa0", "\u1680", "\u180e", "\u2000", "\u2003", "\u200a", "\u200b"]
    + ["\u2028", "\u2029", "\u202f", "\u205f", "\u2060", "\u3000", "\ufeff", "\x1c", "\x1f", "\0"]
)
CONTRACTIONS = "'s 't 're 've 'm 'll 'd 'S 'T 'RE 'Ve 'M 'lL 'D '\u017f '\u212a ''s \u2019s \u2019re 'x 'l 'r".split(" ")
EMOJI = (
    "\U0001f600 \U0001f469\u200d\U0001f4bb \U0001f468\u200d\U0001f469\u200d\U0001f467\u200d\U0001f466 "
    "\U0001f1eb\U0001f1f7 \u2764\ufe0f \U0001f44d\U0001f3fd \U0001f3f4\u200d\u2620\ufe0f 1\ufe0f\u20e3 \u263a \U0001f9d1\U0001f3ff"
    "\u200d\U0001f91d\u200d\U0001f9d1\U0001f3fb \U0001fae0 \u00a9\ufe0f"
).split(" ")
# Alphabets that a person writes in: ranges whose assigned letters and marks make words.
SCRIPTS = [
    (0x61, 0x7A), (0x41, 0x5A), (0xC0, 0x17F), (0x1E00, 0x1EFF), (0x391, 0x3C9), (0x410, 0x44F), (0x531, 0x586),
    (0x5D0, 0x5EA), (0x620, 0x64A), (0x904, 0x94D), (0x985, 0x9CD), (0xB85, 0xBCD), (0xE01, 0xE4E), (0xF40, 0xF84),
    (0x1000, 0x103A), (0x10A0, 0x10FF), (0x1200, 0x1248), (0x13A0, 0x13F5), (0x1780, 0x17D2), (0x3041, 0x3096),
    (0x30A1, 0x30FA), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0x20000, 0x2A6DF), (0x10400, 0x1044F), (0x1C5, 0x1F2),
    (0xFF21, 0xFF5A), (0x2C80, 0x2CE4), (0x1E900, 0x1E943),
]  # fmt: skip
CODE = ["def f(x):", "    return x", "\t\tif (a != b) {", "});", "std::vector<int>", "#include <a.h>\n", "/* */", "->",
        "==", "&&", "https://a.b/c?d=e&f=1", "a_b", "fooBarBaz", "FOO", "0x1F", "<div>", "</p>", "[PAD", "...", "?!"]  # fmt: skip


def is_assigned(code_point):
    return code_point not in SURROGATES and unicodedata.category(chr(code_point)) not in ("Cn", "Co")


class RandomTexts:
    def __init__(self, seed):
        assert unicodedata.unidata_version >= "14"
        self.random = random.Random(seed)
        assigned = [c for c in range(LAST_ASSIGNED + 1) if is_assigned(c)]
        self.assigned = [chr(c) for c in assigned]
        self.of_kind = {}
        for character in self.assigned:
            self.of_kind.setdefault(unicodedata.category(character), []).append(character)
        self.marks = self.of_kind["Mn"] + self.of_kind["Mc"] + self.of_kind["Me"]
        self.numbers = self.of_kind["Nd"] + self.of_kind["Nl"] + self.of_kind["No"]
        kinds = ("Pc", "Pd", "Ps", "Pe", "Pi", "Pf", "Po", "Sm", "Sc", "Sk", "So")
        self.symbols = [character for kind in kinds for character in self.of_kind[kind]]
        self.alphabets = [[chr(c) for c in range(low, high + 1) if is_assigned(c)] for low, high in SCRIPTS]

    def some(self, choices, most):
        return "".join(self.random.choices(choices, k=self.random.randint(1, most)))

    def part(self):
        r = self.random
        kind = r.randrange(16)
        if kind == 0:
            return self.some(self.assigned, 6)
        if kind == 1:
            return self.some(SPACES, 5)
        if kind == 2:
            return r.choice([" ", "\n", "\t", "\xa0", "\u3000"]) * r.randint(1, 40)
        if kind == 3:
            return self.some("0123456789", 9)
        if kind == 4:
            return self.some(self.numbers, 4)
        if kind == 5:
            return r.choice(CONTRACTIONS)
        if kind == 6:
            return self.some(EMOJI, 3)
        if kind == 7:
            return "".join(c + self.some(self.marks, 2) for c in self.some(r.choice(self.alphabets), 3))
        if kind == 8:
            return self.some(self.symbols, 4)
        if kind == 9:
            return self.some("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~", 5)
        if kind == 10:
            return self.some(CODE, 3)
        if kind == 11:
            kinds = self.of_kind[r.choice(sorted(self.of_kind))]
            return self.some(kinds, 4)
        return r.choice(["", " ", " "]) + self.some(r.choice(self.alphabets), 9)

    def text(self):
        return "".join(self.part() for _ in range(self.random.randint(1, 12)))


def random_texts(seed, count):
    source = RandomTexts(seed)
    return [source.text() for _ in range(count)]
