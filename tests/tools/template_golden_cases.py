"""The templates of template_golden.py, by subject."""

CONTEXT = {
    "n": 7,
    "big": 9007199254740993,
    "f": 2.5,
    "s": "Hello, Wörld",
    "text": "  one two\tthree\nfour  ",
    "lines": "a\nb\r\nc\x0bd\u2028e\n",
    "empty": "",
    "none": None,
    "yes": True,
    "list": [3, 1, 2],
    "words": ["banana", "Apple", "cherry", "apple"],
    "mixed": [1, "a", None, True, 2.5, [1, 2], {"k": "v"}],
    "d": {"b": 2, "a": 1, "C": 3, "items": "shadowed", "nested": {"x": [10, 20, {"y": "deep"}]}},
    "people": [
        {"name": "Bob", "age": 30, "tags": ["x"]},
        {"name": "alice", "age": 25},
        {"name": "Carol", "age": 30, "tags": []},
    ],
    "tree": [{"v": 1, "c": [{"v": 2, "c": [{"v": 3, "c": []}]}, {"v": 4, "c": []}]}],
    "uni": "ßﬁ ΑΣ İı ǆ 日本 e\u0301 👩‍👩‍👧",
    "html": "<b>\"q\" & 'p'</b>",
    "control": "\x00\x1b\x7f\u200b\u00ad\ud7ff\ue000\U000e0001\t\r\\",
}

LITERALS = """
1|1_000|0x1F|0o17|0b101|1.5|1e3|1.5e-7|1E+2|00|0|-3|+3|--3|-2**2|2**3**2|2**-1|1e16|1e15|123456789012345678
0.1|1e-5|0.0001|1.0|100000000000000000.0|1/3|2/3*3|-0.0|1e308*10|0.1+0.2
'a' 'b' "c"|'it\\'s'|"\\n\\t\\\\ \\x41 \\u00e9 \\U0001F600 \\101 \\q"|'\\é'
true|True|false|none|None|[1, 'a', none, true, 1.0]|(1,)|()|(1, 2)|[]|{}|{'a': 1, 'b': [1, {'c': 2}]}|{1: 2, 'x': 3}
{1: 'a', true: 'b', 1.0: 'c'}|["it's", 'say "hi"', "both ' and \\""]|[1,]|{'a':1,}
1, 2|1,|'\\x'|"\\ud800"|1.|.5|1..real|1__0|0x|9999999999999999999999999|'a
""".strip()

ARITHMETIC = """
7 // 2|-7 // 2|7 // -2|7 % 3|-7 % 3|7 % -3|7.5 // 2|-7.5 // 2|7.5 % 2|-7.5 % 2|7.5 % -2|1 / 0|1 // 0|1 % 0|1.0 / 0|1.0 // 0
5 % 0.0|0 ** -1|2 ** 0.5|(-2) ** 3|(-2) ** 2.0|2 ** 100|10 ** 20|n * 2 + 1|n - 2 * 3|(n - 2) * 3|-n|+n|-'a'|+none
'a' + 'b'|'a' + 1|1 + 'a'|'ab' * 3|3 * 'ab'|'a' * -1|'a' * 1.5|[1] + [2]|[1] * 2|(1,) + (2,)|[1] + (2,)|true + true|true * 3
none + 1|undefinedvar + 1|1 + undefinedvar|'a' ~ 1 ~ none ~ true ~ 1.5|'a' ~ undefinedvar|[1] ~ {'a': 1}|1 ~ 2 + 3|1 + 2 ~ 3
big + 1|big * 2|1 - 2 - 3|2 * 3 % 4|100 // 7 // 2|7.0 // 0.1|1e300 * 1e300|-1 // 3|-1 % 3|5.5 % 1.1|0.1 * 3|1e22 + 1|1e-7 * 3
""".strip()

COMPARISONS = """
1 == 1.0|1 == true|'a' == 'a'|[1] == [1.0]|(1,) == [1]|{'a': 1} == {'a': 1.0}|none == false|none == none|undefinedvar == undefinedvar
undefinedvar == none|1 < 2 < 3|1 < 3 < 2|3 > 2 > 1 > 0|1 < 2 > 1|'a' < 'b'|'B' < 'a'|[1, 2] < [1, 3]|[1] < [1, 0]|1 < 'a'|none < 1
undefinedvar < 1|1 in [1, 2]|1 not in [1, 2]|'ell' in s|'x' in s|'' in s|1 in s|'a' in d|'z' in d|1 in 5|none in [none]|1.0 in [1]|'a' in undefinedvar
undefinedvar in 'abc'|not 1|not not 1|not 1 == 2|1 if 0 else 2|1 if 1|1 if 0|(1 if 0) is undefined|'a' or 'b'|'' or 'b'|0 and 1|1 and 2|none or 0 or []
1 == 1 == 1|1 != 2 != 1|true and not false|not true or true|9007199254740993 == 9007199254740992.0|2 in {1: 1, 2: 2}|2 in (1, 2)|'a' in ['a', 1] and 1 in ['a', 1]
[1, [2, 3]] == [1, (2, 3)]|range(3) == range(0, 3, 1)|range(3) == [0, 1, 2]|d == d|[] < [1]|(1, 'a') < (1, 'b')|(1, 'a') < ('b', 1)|1 <= 1.0|'é' > 'z'
""".strip()

SUBSCRIPTS = """
s[0]|s[-1]|s[99]|s[99] is undefined|s[1:4]|s[:-1]|s[::-1]|s[::2]|s[10:2:-3]|s[-3:]|s[5:1]|uni[0:2]|uni[-1]|uni[::-1]|list[0]|list[-1]|list[5]|list[1:]|list[::-1]
list[::0]|list['a']|list[none]|d['a']|d.a|d['zz']|d.zz|d.zz.y|d['zz']['y']|d['items']|d.nested.x[2].y|d.nested['x'][-1]['y']|d.nested.x.2.y|d.get('a')|d.get('q', 5)
d.get('q')|d.keys() | list|d.values() | list|d.nested.items() | list|d.items()|d.keys()|d.nested.values()|d|d.C|none.x|none['x']|none.x.y|undefinedvar|undefinedvar.x
undefinedvar[0]|undefinedvar.x.y|n.x|s.x|s.x is undefined|list.x|(1, 2, 3)[1:]|(1, 2)[0]|range(10)[3]|range(10)[2:5]|range(10)[::-2]|range(10)[-1]|range(3)[5]|undefinedvar[1:]
d[1:2]|d[[1]]|d[1]|mixed[6].k|mixed[5][1]|people[0].tags[0]|people[1].tags|people[1].tags[0]|s[true]|list[1:2][0]|list[-2:-1]|list[n]|s['upper']()|d['get']('a')|[1, 2][1, 2]
s[1:2:3]|s[:]|s[::]|list[5:]|list[:5]|list[-99:99]|list[1.0]|list[99999999999999999999:]|s[-99999999999999999999:2]|s.__class__|d.__len__|s._x|d['__x__']|''[0]|''[:1]
""".strip()

METHODS = """
s.upper()|s.lower()|s.title()|s.capitalize()|s.swapcase()|uni.upper()|uni.lower()|uni.title()|uni.capitalize()|uni.casefold()|uni.swapcase()|text.strip()|text.lstrip()|text.rstrip()
'xxaxx'.strip('x')|'xyaxy'.strip('yx')|'xxa'.lstrip('x')|'axx'.rstrip('x')|s.strip(none)|text.split()|text.split(none, 1)|text.split(' ')|text.rsplit(none, 1)|'a,b,c'.split(',')
'a,b,c'.split(',', 1)|'a,b,c'.rsplit(',', 1)|'a,b,c'.rsplit(',')|'a,b'.split('')|'a  b'.split(maxsplit=1)|'a-b'.split(sep='-')|''.split()|''.split(',')|lines.splitlines()|lines.splitlines(true)
'a=b=c'.partition('=')|'abc'.partition('=')|'a=b=c'.rpartition('=')|'abc'.rpartition('=')|s.startswith('Hell')|s.startswith(('x', 'H'))|s.startswith('ello', 1)|s.startswith('x', 99)|s.startswith('', 99)
s.endswith('rld')|s.endswith(('a', 'd'))|s.endswith('o', 0, 5)|s.startswith(1)|s.find('l')|s.find('l', 4)|s.find('z')|s.rfind('l')|s.index('z')|s.index('W')|s.find('r', -3)|s.find('')|s.find('', 50)|s.count('l')
s.count('')|'aaa'.count('aa')|s.replace('l', 'L')|s.replace('l', 'L', 1)|s.replace('', '-')|'aaa'.replace('aa', 'b')|s.replace('l')|'-'.join(['a', 'b'])|'-'.join(words)|'-'.join('abc')|'-'.join([1])|','.join(d)
'ab'.center(7, '*')|'ab'.center(5)|'abc'.center(6)|'ab'.ljust(4)|'ab'.rjust(4, '.')|'7'.zfill(3)|'-7'.zfill(4)|'+'.zfill(3)|'a\\tb'.expandtabs()|'a\\tb'.expandtabs(4)|'prefix-x'.removeprefix('prefix-')|'x.py'.removesuffix('.py')
'12'.isdigit()|'1²'.isdigit()|'1²'.isdecimal()|'½'.isnumeric()|'٣'.isdecimal()|''.isdigit()|'ab'.isalpha()|'a1'.isalnum()|'é日'.isalpha()|'a b'.isalpha()|' \\t\\n'.isspace()|''.isspace()|'abc'.islower()|'aBc'.islower()|'1'.islower()|'ABC'.isupper()
'Ab Cd'.istitle()|'AB'.istitle()|'a_1'.isidentifier()|'1a'.isidentifier()|'é'.isascii()|'e'.isascii()|'a\\n'.isprintable()|"they're bill's".title()|'ΑΣ ΑΣΑ Σ'.lower()|'ŉ'.upper()|'ǅ'.lower()
list.index(1)|list.index(9)|list.count(3)|(1, 2, 1).count(1)|list.append(4)|list.append is defined|list.sort()|d.update({})|d.pop('a')|list.copy()|d.nested.copy()|s.nosuch()|s.upper()|length
s.upper(1)|s.center()|d.get()|d.get([1])|[1, 2].index(2, 0, 1)|(2.0).is_integer()|f.is_integer()|s.split('l', -5)|'a,b'.split(',', 0)|' a b '.split(none, 0)|'xAx'.lower().strip('x').upper()
""".strip()

FORMATTING = """
'%s' % 'a'|'%s %s' % ('a', 1)|'%d' % 3.9|'%d' % 'a'|'%5d|' % 42|'%-5d|' % 42|'%05d' % -42|'%+d' % 5|'% d' % 5|'%x %X %#x %o %#o' % (255, 255, 255, 8, 8)|'%.2f' % 2.675|'%8.3f|' % 3.14159|'%e' % 12345.678
'%g %g %g' % (0.00001, 123456789, 1.5)|'%r' % 'a'|'%s' % [1, 'a']|'%c%c' % ('a', 98)|'%%' % ()|'100%' % ()|'%s' % ()|'%s' % (1, 2)|'%(a)s-%(b)03d' % {'a': 'x', 'b': 7}|'%(z)s' % {}|'a' % 1|'a' % []|'a' % {}|'%.3s|' % 'abcdef'
'%*d' % (5, 3)|'%s' % none|'%s' % undefinedvar|'%d' % true|'%i' % 5|'%q' % 1|'%' % 1|'%5s|%-5s|' % ('ab', 'ab')|'{} {}'.format(1, 'a')|'{1} {0}'.format(1, 'a')|'{a} {b}'.format(a=1, b=2)|'{0[a]} {0.a}'.format({'a': 5})
'{{}} {}'.format(1)|'{:>5}|{:<5}|{:^5}|{:*^6}|'.format(1, 2, 3, 'ab')|'{:05d} {:+d} {:,} {:_}'.format(42, 5, 1234567, 1234567)|'{:x} {:#X} {:b} {:o}'.format(255, 255, 5, 8)|'{:.2f} {:e} {:g} {:%}'.format(2.675, 1234.5, 0.0001, 0.25)
'{:.3}|{:10.2f}|{:<8}|'.format('abcdef', 3.14159, 1.5)|'{!r:>6} {!s}'.format('a', 'b')|'{:{}}'.format('a', 5)|'{:{w}.{p}f}'.format(3.14159, w=8, p=2)|'{} {0}'.format(1)|'{2}'.format(1)|'{x}'.format()|'{'.format()|'}'.format()
'{:d}'.format('a')|'{:s}'.format(1)|'{:5}'.format(none)|'{}'.format(none)|'{:5}|{:<5}|'.format(true, true)|'{:d}'.format(true)|'{0.__class__}'.format(1)|'{:c}'.format(97)|'{:,.2f}'.format(1234567.891)|'{:08.2f}'.format(-3.14159)
'{:.3}'.format(1234.5)|'{:.2}'.format(0.5)|'{:.10}'.format(1.5)|'{:n}'.format(5)|'{:=+6d}'.format(5)|'{a[0]}{a[-1]}'.format(a=[1])|'{}'.format([1, 'a'])|'{a}'.format_map({'a': 1})|'{:é>4}'.format('a')|'{:010}'.format('ab')|'{:5}'.format(1.0)|'{}'.format(1e20)
""".strip()

FILTERS = """
undefinedvar | default('x')|none | default('x')|none | default('x', true)|'' | d('x', true)|undefinedvar | default|s | upper | lower | length|text | trim|'xax' | trim('x')|5 | trim|list | join|list | join(', ')|list | join(1)|people | join('; ', attribute='name')
'abc' | join('-')|mixed | join('|')|undefinedvar | join|n | join|list | map('string') | join('+')|words | map('upper') | list|people | map(attribute='name') | list|people | map(attribute='tags.0', default='-') | list|people | map(attribute='zz') | list|list | map('nosuch') | list
words | map('replace', 'a', 'A') | join(',')|[1, 0, 2, none] | select | list|[1, 2, 3, 4] | select('odd') | list|[1, 2, 3, 4] | reject('divisibleby', 2) | list|people | selectattr('age', 'equalto', 30) | map(attribute='name') | list|people | selectattr('tags') | list | length|people | rejectattr('age', 'gt', 26) | map(attribute='name') | list
people | selectattr('tags', 'defined') | list | length|people | selectattr('name', 'in', ['Bob', 'Carol']) | list | length|list | select('nosuch') | list|'abc' | list|d | list|5 | list|undefinedvar | list|list | length|s | count|5 | length|d | length|list | first|list | last|[] | first|[] | first is undefined|[] | last|s | first|uni | last
5 | first|d | first|undefinedvar | first|undefinedvar | last|d.keys() | last|range(5) | last|list | map('string') | first|list | map('string') | last|list | map('string') | length|list | tojson|d | tojson|d | tojson(indent=2)|mixed | tojson(indent=4)|[] | tojson(indent=2)|{} | tojson(indent=2)|d | tojson(sort_keys=true)|d | tojson(separators=(',', ':'))
uni | tojson|uni | tojson(ensure_ascii=true)|control | tojson|control | tojson(true)|html | tojson|none | tojson|1.0 | tojson|1e100 | tojson|undefinedvar | tojson|(1, 2) | tojson|{1: 2, none: 3, true: 4, 1.5: 5} | tojson|{'b': 1, 'a': [1, {'z': 1, 'y': 2}]} | tojson(indent=1, sort_keys=true)|d | tojson(indent='--')|d | tojson(indent=0)|range(3) | tojson|d.items() | tojson
s | upper|uni | upper|5 | upper|s | title|"it's a-b (c d) [e] {f} <g" | title|'HELLO wORLD' | capitalize|s | replace('l', 'L')|s | replace('l', 'L', 1)|5 | replace(5, 6)|s | replace('', '.')|list | sort|list | sort(reverse=true)|words | sort|words | sort(case_sensitive=true)|people | sort(attribute='name') | map(attribute='name') | list|people | sort(attribute='age,name') | map(attribute='name') | list
people | sort(true, attribute='age') | map(attribute='name') | list|[1, 'a'] | sort|d | sort|words | unique | list|words | unique(true) | list|[1, 1.0, true, 2] | unique | list|[[1]] | unique | list|people | unique(attribute='age') | map(attribute='name') | list|people | groupby('age')|people | groupby('age') | map(attribute='grouper') | list|people | groupby('age') | map('first') | list|people | groupby('tags', default='q') | length
d.nested | dictsort|{'b': 1, 'A': 2, 'c': 0} | dictsort|{'b': 1, 'A': 2} | dictsort(true)|{'b': 1, 'A': 2, 'c': 0} | dictsort(by='value')|{'b': 1, 'A': 2, 'c': 0} | dictsort(false, 'value', true)|{'b': 1} | dictsort(by='x')|d.nested | items | list|undefinedvar | items | list|5 | items | list|list | reverse | list|s | reverse|d | reverse | list|5 | reverse|(1, 2) | reverse | list
'42' | int|'4.7' | int|'x' | int|'x' | int(5)|4.9 | int|-4.9 | int|true | int|none | int|none | int(3)|undefinedvar | int|'0x1A' | int(0, 16)|'1A' | int(0, 16)|'0b11' | int(base=2)|' 42 ' | int|'1_000' | int|'' | int|[] | int|'1e3' | int|'inf' | int|'nan' | int(9)|'4.7' | float|'x' | float|'x' | float(1.5)|none | float|'inf' | float|'-1e5' | float|5 | float|undefinedvar | float
5 | string|none | string|1.0 | string|[1] | string | length|-5 | abs|-5.5 | abs|'a' | abs|true | abs|2.5 | round|3.5 | round|2.567 | round(2)|2.5 | round(0, 'ceil')|2.5 | round(method='floor')|1234 | round(-2)|1250 | round(-2)|1350 | round(-2)|12 | round|2.675 | round(2)|1e300 | round(5)|'a' | round|2.5 | round(1, 'x')|-2.5 | round|0.5 | round|1.005 | round(2, 'ceil')|12.5 | round(-1)
list | sum|[0.1, 0.2] | sum|people | sum(attribute='age')|people | sum('age', 100)|[] | sum|[[1], [2]] | sum(start=[])|['a'] | sum|list | min|list | max|words | min|words | max|words | max(true)|people | max(attribute='age')|[] | min|[] | min is undefined|[1, 'a'] | max|people | min(attribute='age') | tojson|[1, 2, 3, 4, 5] | batch(2) | list|[1, 2, 3, 4, 5] | batch(2, 'x') | list|[1, 2, 3, 4, 5] | slice(2) | list|[1, 2, 3, 4, 5] | slice(3, 'x') | list|[] | batch(2) | list|[1] | slice(0) | list
'a\\nb\\n\\nc' | indent|'a\\nb\\n\\nc' | indent(2, true)|'a\\nb\\n\\nc' | indent(2, blank=true)|'a\\nb' | indent('> ', true)|'' | indent|'a\\n' | indent|5 | indent|'one two-three four' | wordcount|uni | wordcount|'' | wordcount|html | escape|html | e | e|html | safe | escape|html | forceescape|html | escape ~ '<'|(html | escape) + '<'|'<' + (html | escape)|html | safe | upper|'%s<' | safe % '<'|(html | e) is escaped|html is escaped
'%s-%d' | format('a', 5)|'%(a)s' | format(a=1)|'%s' | format(1, a=2)|'abcdef ghi' | truncate(5)|'abcdef ghi jkl' | truncate(9, true, '..', 0)|'abcdef ghi jkl' | truncate(9, leeway=0)|'abc' | truncate(2)|'abc' | truncate(5, leeway=0)|uni | truncate(6, true, '', 0)|'foo bar baz qux' | wordwrap(7)|'a-very-long-hyphenated-word here' | wordwrap(8)|'abcdefghijkl' | wordwrap(5)|'abcdefghijkl mno' | wordwrap(5, false)|'one two three' | wordwrap(5, wrapstring='|')|'ab' | center(6)|'abc' | center(6)|s | attr('_x')|d | attr('a')|d | attr('a') is undefined
{'a': 1, 'b c': 2} | xmlattr|{'a': 1, 'b': none, 'c': '<"'} | xmlattr|{'a': 1} | xmlattr(false)|{} | xmlattr|'a b/ü&=' | urlencode|{'a': 1, 'b': 'x y'} | urlencode|[('a', 1)] | urlencode|5 | urlencode|d | pprint|words | pprint|(people * 2) | pprint|'x' | pprint|5 | pprint|1000 | filesizeformat|1234567 | filesizeformat|1234567 | filesizeformat(true)|1 | filesizeformat|0 | filesizeformat|1e27 | filesizeformat|999 | filesizeformat
list | nosuch|s | length > 5 | string|1 + '2' | int|-1 | abs|'a' ~ 'b' | upper|[1, 2] | first + 1|(n | string).zfill(3)|s | upper.lower|words | map('length') | sum|words | map('first') | join|d | map('upper') | join|'abc' | map('upper') | join|5 | map('upper') | list|none | map('upper') | list|list | select('in', [1, 2]) | list|list | select('>', 1) | list|list | select('gt', 1) | list | length|undefinedvar | select | list|undefinedvar | sort
""".strip()

TESTS = """
n is defined|zz is defined|zz is not defined|zz is undefined|none is none|zz is none|n is none|s is string|n is string|html | e is string|n is number|f is number|yes is number|'1' is number|n is integer|yes is integer|f is integer|f is float|n is float|yes is boolean|n is boolean|yes is true|1 is true|none is false|false is false
d is mapping|list is mapping|list is iterable|s is iterable|n is iterable|zz is iterable|none is iterable|list is sequence|s is sequence|d is sequence|n is sequence|zz is sequence|range(3) is sequence|range(3) is iterable|list | map('string') is iterable|n is odd|n is even|0 is even|s is odd|zz is odd|2.0 is even|9 is divisibleby 3|9 is divisibleby(2)|9 is divisibleby
n is sameas n|none is sameas none|n is sameas 8|list is sameas list|1 is sameas true|[] is sameas []|n is in [7]|n is in(list)|'a' is in 'abc'|n is eq 7|n is equalto 7|n is ne 7|n is lt 8|n is lessthan 7|n is gt 6|n is ge 7|n is le 7|n is greaterthan 6|n is == 7|'abc' is lower|'Abc' is lower|'ABC' is upper|'12' is lower|5 is upper
range is callable|s is callable|s.upper is callable|zz is callable|namespace() is callable|'upper' is filter|'nosuch' is filter|'odd' is test|'nosuch' is test|n is nosuch|n is not odd|not n is odd|n is odd and n is number|n is odd or zz is defined|n is number == true|n + 1 is even|(n + 1) is even|-n is number|n is odd is true|zz.y is defined|d.zz is defined|d.zz is none|d.a is defined and d.a == 1|d['q'] is undefined
s is not string|list is not mapping|n is divisibleby n|n is in list or n is in [7]|[1, 2] is eq [1, 2]|'x' is eq 'x' 'y'|n is defined if yes else 0|none is not none|d.items is defined|n is sameas(7)|1.0 is integer|'' is string|() is sequence|{} is mapping|namespace() is mapping|loop is defined|n is eq
""".strip()


def expressions(block):
    cases = []
    for line in block.splitlines():
        depth, quote, current = 0, None, ""
        i = 0
        while i < len(line):
            c = line[i]
            if quote:
                current += c
                if c == "\\":
                    i += 1
                    current += line[i]
                elif c == quote:
                    quote = None
            elif c in "'\"" and not (c == "'" and line[i:].count("'") == 1 and "|" not in line[i:]):
                quote = c
                current += c
            elif c == "|" and not (line[i - 1 : i] == " " and line[i + 1 : i + 2] == " "):
                cases.append(current)
                current = ""
            else:
                current += c
            i += 1
        cases.append(current)
    return ["{{ " + case.replace("\\\\", "\\") + " }}" for case in cases]


STATEMENTS = [
    # if
    "{% if n %}a{% endif %}", "{% if zz %}a{% else %}b{% endif %}", "{% if n == 1 %}a{% elif n == 7 %}b{% elif n %}c{% else %}d{% endif %}",
    "{% if n %}{% if zz %}x{% else %}y{% endif %}{% endif %}", "{% if n", "{% if %}x{% endif %}", "{% if n %}x", "{% if n %}{% endfor %}", "{% else %}", "{% if n %}{% else %}{% else %}{% endif %}",
    "{% if zz | nosuch %}{% endif %}", "{% if zz %}{{ n | nosuch }}{% endif %}ok", "{% if zz %}{{ n is nosuch }}{% endif %}ok", "{{ n | nosuch if zz else 'ok' }}", "{% if zz %}{% for x in list %}{{ x | nosuch }}{% endfor %}{% endif %}ok", "{{ 'ok' if n else (n | nosuch) }}",
    # for and loop
    "{% for x in list %}{{ x }},{% endfor %}", "{% for x in list %}{{ loop.index }}{{ loop.index0 }}{{ loop.revindex }}{{ loop.revindex0 }}{{ loop.first }}{{ loop.last }}{{ loop.length }};{% endfor %}",
    "{% for x in [] %}a{% else %}none{% endfor %}", "{% for x in zz %}a{% else %}none{% endfor %}", "{% for x in none %}{% endfor %}", "{% for x in 5 %}{% endfor %}", "{% for c in 'añb' %}[{{ c }}]{% endfor %}",
    "{% for k in d %}{{ k }} {% endfor %}", "{% for k, v in d.nested.items() %}{{ k }}={{ v }}{% endfor %}", "{% for k, v in d | dictsort %}{{ k }}{% endfor %}", "{% for a, b in [[1, 2], (3, 4)] %}{{ a }}{{ b }} {% endfor %}",
    "{% for a, b in [[1, 2, 3]] %}{% endfor %}", "{% for a, b in [[1]] %}{% endfor %}", "{% for a, (b, c) in [[1, [2, 3]]] %}{{ a }}{{ b }}{{ c }}{% endfor %}", "{% for a, in [[1]] %}{{ a }}{% endfor %}", "{% for a, b in ['xy'] %}{{ b }}{{ a }}{% endfor %}",
    "{% for x in list if x > 1 %}{{ x }}{{ loop.index }}{{ loop.last }}{% endfor %}", "{% for x in list if x > 9 %}{% else %}none{% endfor %}", "{% for x in list if x > 1 %}{{ loop.length }}{{ x }}{% endfor %}",
    "{% for x in list %}{{ loop.previtem }}<{{ x }}>{{ loop.nextitem }};{% endfor %}", "{% for x in list %}{{ loop.previtem is defined }}{{ loop.nextitem is defined }} {% endfor %}",
    "{% for x in [1, 1, 2, 2, 1] %}{{ loop.changed(x) }}{% endfor %}", "{% for x in list %}{{ loop.cycle('a', 'b') }}{% endfor %}", "{% for x in list %}{{ loop.cycle() }}{% endfor %}", "{% for x in list %}{% for y in 'ab' %}{{ loop.index }}{{ loop.depth }}{% endfor %}{{ loop.index }}{% endfor %}",
    "{% for x in list %}{% set outer = loop %}{% for y in 'ab' %}{{ outer.index }}{{ loop.index }} {% endfor %}{% endfor %}",
    "{% for node in tree recursive %}{{ node.v }}@{{ loop.depth }}[{{ loop(node.c) }}]{% endfor %}", "{% for node in tree recursive %}{{ node.v }}{% if node.c %}({{ loop(node.c) | upper }}){% endif %}{% else %}-{% endfor %}", "{% for x in list %}{{ loop(list) }}{% endfor %}",
    "{% for x in range(10) %}{% if x == 3 %}{% break %}{% endif %}{{ x }}{% endfor %}", "{% for x in range(6) %}{% if x is odd %}{% continue %}{% endif %}{{ x }}{% endfor %}", "{% for x in list %}{% break %}{% else %}e{% endfor %}", "{% break %}", "{% continue %}", "{% for x in list %}{% macro m() %}{% break %}{% endmacro %}{% endfor %}",
    "{% for x in list %}{% for y in list %}{% if y == 1 %}{% break %}{% endif %}{{ y }}{% endfor %}|{% endfor %}", "{% for x in list %}{% for y in [] %}{% else %}{% break %}{% endfor %}{{ x }}{% endfor %}",
    "{% for x in list %}{% set loop = 1 %}{% endfor %}", "{% for loop in list %}{% endfor %}", "{% for x in list %}{{ loop }}{% endfor %}", "{{ loop }}", "{% for x in list %}{% endfor %}{{ x }}", "{% for x in list %}{% endfor %}{{ loop.index }}",
    "{% for x in range(100001) %}{% endfor %}", "{{ range(5) | list }}{{ range(2, 5) | list }}{{ range(5, 0, -2) | list }}", "{{ range(0, 5, 0) }}", "{{ range('a') }}", "{{ range(3) }}{{ range(1, 9, 2) }}", "{{ range() }}", "{{ range(2.5) }}",
    "{% for x in list recursive if x %}{% endfor %}", "{% for x in list if x recursive %}{{ x }}{% endfor %}", "{% for x in 1, 2 %}{{ x }}{% endfor %}", "{% for x in (list if n else []) %}{{ x }}{% endfor %}", "{% for x.y in list %}{% endfor %}", "{% for 1 in list %}{% endfor %}", "{% for true in list %}{% endfor %}",
    "{% for x in list|sort %}{{ x }}{% endfor %}", "{% for p in people %}{{ p.name }}{% if not loop.last %}, {% endif %}{% endfor %}", "{% for x in people|map(attribute='name') %}{{ loop.length }}{{ x }}{{ loop.last }} {% endfor %}", "{% set ns = namespace(done=false) %}{% for x in range(9) if not ns.done %}{{ x }}{% if x == 2 %}{% set ns.done = true %}{% endif %}{% endfor %}",
    # set and scopes
    "{% set x = 5 %}{{ x }}", "{% set x, y = 1, 2 %}{{ x }}{{ y }}", "{% set x = 1, 2 %}{{ x }}", "{% set x %}a{{ n }}b{% endset %}{{ x }}", "{% set x | upper | replace('A', 'Q') %}abc{% endset %}{{ x }}", "{% set x = 1 %}{% for i in list %}{% set x = x + i %}{{ x }}{% endfor %}{{ x }}",
    "{% set x = 1 %}{% if n %}{% set x = 2 %}{% endif %}{{ x }}", "{% if zz %}{% set q = 1 %}{% endif %}{{ q is defined }}", "{% for i in list %}{% set q = i %}{% endfor %}{{ q is defined }}", "{% set ns = namespace(x=1) %}{% for i in list %}{% set ns.x = ns.x + i %}{% endfor %}{{ ns.x }}", "{% set ns = namespace() %}{{ ns.x is defined }}{% set ns.x = 1 %}{{ ns.x }}{{ ns['x'] }}",
    "{{ namespace({'a': 1}, b=2) }}", "{% set n.x = 1 %}", "{% set zz.x = 1 %}", "{% set d.x = 1 %}", "{% set d['x'] = 1 %}", "{% set 5 = 1 %}", "{% set none = 1 %}", "{% set x = y = 1 %}", "{% set x %}", "{% set ns = namespace(a=1) %}{% set ns.a, b = 5, 6 %}{{ ns.a }}{{ b }}",
    "{% with %}{{ n }}{% endwith %}", "{% with a = 1, b = 2 %}{{ a }}{{ b }}{% endwith %}{{ a is defined }}", "{% set a = 1 %}{% with a = 2, b = a %}{{ a }}{{ b }}{% set a = 9 %}{{ a }}{% endwith %}{{ a }}", "{% with a, b = 1, 2 %}{{ a }}{% endwith %}", "{% with (a, b) = (1, 2) %}{{ a }}{{ b }}{% endwith %}",
    "{% set x = 1 %}{% set y %}{% set x = 2 %}{{ x }}{% endset %}{{ x }}{{ y }}", "{% filter upper %}a{{ n }}{% set q = 1 %}{% endfilter %}{{ q is defined }}", "{% filter replace('a', 'b') | upper %}banana{% endfilter %}", "{% filter nosuch %}{% endfilter %}", "{% filter upper %}", "{% for i in [1] %}{{ x is defined }}{% set x = 1 %}{{ x }}{% endfor %}",
    "{% set f %}{{ n }}{% endset %}{{ f == '7' }}", "{% for i in [1, 2] %}{{ y is defined }}{% set y = i %}{% endfor %}", "{% set x = 1 %}{% for x in list %}{{ x }}{% endfor %}{{ x }}", "{% set n = n + 1 %}{{ n }}", "{% for i in [1] %}{% set n = n + 1 %}{{ n }}{% endfor %}{{ n }}", "{% for i in [1, 2] %}{% if i == 2 %}{% set n = 0 %}{% endif %}{{ n }}{% endfor %}",
    # macros and calls
    "{% macro m(a, b=2, c=a) %}[{{ a }}{{ b }}{{ c }}]{% endmacro %}{{ m(1) }}{{ m(1, 3) }}{{ m(b=5, a=4) }}{{ m() }}", "{% macro m(a) %}{{ a }}{{ varargs }}{{ kwargs }}{% endmacro %}{{ m(1, 2, 3, x=4) }}", "{% macro m(a) %}{% endmacro %}{{ m(1, 2) }}", "{% macro m(a) %}{% endmacro %}{{ m(x=1) }}", "{% macro m(a) %}{{ a is defined }}{% endmacro %}{{ m() }}",
    "{% macro m() %}{{ caller() }}!{% endmacro %}{% call m() %}hi {{ n }}{% endcall %}", "{% macro m() %}{{ caller(1, y=2) }}{% endmacro %}{% call(x, y=0) m() %}{{ x }}-{{ y }}{% endcall %}", "{% macro m() %}x{% endmacro %}{% call m() %}y{% endcall %}", "{% macro m() %}{{ caller is defined }}{% endmacro %}{{ m() }}", "{% call n %}{% endcall %}", "{% call zz() %}{% endcall %}",
    "{% macro m(x) %}{% if x > 0 %}{{ x }}{{ m(x - 1) }}{% endif %}{% endmacro %}{{ m(3) }}", "{{ m() }}{% macro m() %}{% endmacro %}", "{% macro m() %}{{ q }}{% endmacro %}{% set q = 5 %}{{ m() }}", "{% macro m() %}{% set q = 5 %}{% endmacro %}{{ m() }}{{ q is defined }}", "{% macro m() %} a {% endmacro %}{{ m() | trim }}|{{ m() | length }}", "{% for i in list %}{% macro m() %}{{ i }}{% endmacro %}{{ m() }}{% endfor %}{{ m is defined }}",
    "{% macro m(a, a) %}{% endmacro %}", "{% macro m(a=1, b) %}{% endmacro %}", "{% macro m(1) %}{% endmacro %}", "{% macro m %}{% endmacro %}", "{% macro a() %}A{% endmacro %}{% macro b() %}{{ a() }}B{% endmacro %}{{ b() }}", "{% macro m(a, b) %}{{ a }}{{ b }}{% endmacro %}{{ m(*[1, 2]) }}{{ m(**{'a': 3, 'b': 4}) }}{{ m(1, *[2]) }}{{ m(1, **{'b': 5}) }}", "{% macro m() %}{% endmacro %}{{ m.name }}{{ m.arguments }}{{ m }}",
    "{{ dict(a=1, b=2) }}{{ dict([('x', 1)]) }}{{ dict({'a': 1}, b=2) }}", "{% set c = cycler('a', 'b') %}{{ c.next() }}{{ c.next() }}{{ c.next() }}{{ c.current }}{{ c.reset() }}{{ c.current }}", "{% set j = joiner('; ') %}{% for x in list %}{{ j() }}{{ x }}{% endfor %}", "{{ s() }}", "{{ n() }}", "{{ zz() }}", "{{ d.zz() }}", "{{ f(x=1, x=2) }}", "{{ dict(a=1, a=2) }}", "{{ range(x=1, 2) }}",
    "{{ raise_exception('Only user and assistant roles!') }}", "{% if n == 7 %}{{ raise_exception('n is ' ~ n) }}{% endif %}", "{{ raise_exception() }}", "{{ strftime_now('%Y-%m-%d %H:%M:%S %d %b %Y %A %j %%') }}", "{{ strftime_now('%e|%I %p|%y|%B|%f|%z|%Z|') }}", "{{ strftime_now('') }}", "{{ lipsum is defined and false }}",
    # white space control
    "a\n  {% if n %}\n  b\n  {% endif %}\n  c\n", "a\n  {%- if n -%}\n  b\n  {%- endif -%}\n  c\n", "  {%+ if n %}\n x\n  {%+ endif %}\n", "{% if n +%}\n x{% endif +%}\n y", "  {{ n }}\n  {{- n -}}  \n x", "x  {# comment #}\n  y", "x\n  {# c #}\n  y\n  {#- c -#}\n z", "{# a {{ b }} #}x{#- -#}   y", "a {% raw %} {{ x }} {% y %} {% endraw %} b", "a\n {% raw %}\n {{ x }}\n {% endraw %}\n b", "a {%- raw -%}  {{ x }}  {%- endraw -%}  b",
    "a\n\n", "a\n", "\n", "", "a\r\nb\rc\n", "{{ 'a\r\nb' }}", "x{% if n %}\n\n{% endif %}\n\ny", "\t{% set x = 1 %}\t\n{{ x }}", "a{{ n }}{% if n %} b{% endif %}", "   {% if n %}x{% endif %}   {% if n %}y{% endif %}", "{% for x in list %}\n  - {{ x }}\n{% endfor %}\nend", "{%- for x in list -%}\n  {{ x }} \n{%- endfor -%}", "\u00a0{%- if n -%}\u2003x{% endif %}", "a {{- ' b ' -}} c", "{{-1}}", "{{+1}}", "{{ -1 }}", "{{- -1 -}}",
    # lexing
    "{{", "{{ n", "{{ n }", "{% if n %", "{#", "{# a", "{{ (n }}", "{{ n) }}", "{{ [n }}", "{{ {'a': {'b': 1}} }}", "{{ {'a': {}}}}", "{{ '}}' }}", "{{ \"%}\" }}", "{% raw %}", "{% raw %}{% endraw", "{{ n ? }}", "{{ n ! }}", "{{ n $ }}", "{{ n; }}", "{{ }}", "{{ , }}", "{% %}", "{% nosuch %}", "{% 5 %}", "{% endif %}", "}} %} #}", "{ { n } }", "{{ n }}}", "{{{ n }}}", "{{ {{ n }} }}", "{{ 1 2 }}", "{{ n n }}", "{{ not }}", "{{ n is }}", "{{ n | }}", "{{ n. }}", "{{ n[ }}", "{{ n[] }}", "{{ n.5 }}", "{{ 'a'", "{{ \"a' }}", "{{ a[\"foo\"(", "{{ n }}{{", "{{ é }}", "{% set é = 1 %}{{ é }}",
    "{{ 1if n else 2 }}", "{{ n|upper|lower }}", "{{n}}{{s}}", "{{ n }}{# #}{{ n }}", "{{ [1,2,3][1] }}", "{{ (1, 2)[0] }}", "{{ 'abc'[1] }}", "{{ {'a': 1}['a'] }}", "{{ {'a': 1}.a }}", "{{ 'a'.upper() }}", "{{ [].x }}", "{{ 5.upper }}", "{{ 'a' 'b'.upper() }}", "{{ n if }}", "{{ n else }}", "{{ for }}", "{{ if }}", "{{ and }}", "{% print n, s %}", "{% print %}x", "{% print n %}", "{% autoescape false %}{{ html }}{% endautoescape %}", "{% block a %}{{ n }}{% endblock %}", "{% block a %}x{% endblock a %}", "{% generation %}{{ n }}{% endgeneration %}", "{% for x in list %}{% generation %}{{ x }}{{ loop.index }}{% endgeneration %}{% endfor %}", "{% generation %}{% set q = 1 %}{% endgeneration %}{{ q is defined }}",
    "{% include 'x' %}", "{% import 'x' as y %}", "{% extends 'x' %}", "{% from 'x' import y %}", "{% do n %}", "{% trans %}x{% endtrans %}", "{{ _('x') }}", "{{ gettext }}", "{{ self }}{{ n is defined }}" if False else "{{ n is defined }}",
    # lazy values
    "{% set g = list | map('string') %}{{ g | list }}{{ g | list }}", "{% set g = list | select %}{% if g %}yes{% endif %}{{ [] | select is true }}", "{% if [] | map('upper') %}truthy{% endif %}", "{{ (list | map('string'))[0] is defined }}", "{{ (list | map('string')).x is defined }}", "{{ list | map('string') + [1] }}", "{{ 3 in list | map('int') }}", "{% set g = list | reverse %}{{ g | join }}{{ g | join }}", "{{ d.items() | first }}{{ d.items() | length }}", "{{ d.keys() + [1] }}", "{{ 'a' in d.keys() }}{{ ('a', 1) in d.items() }}{{ 1 in d.values() }}", "{{ d.keys()[0] is defined }}", "{{ people | groupby('age') | first }}", "{% for age, group in people | groupby('age') %}{{ age }}:{{ group | map(attribute='name') | join(',') }};{% endfor %}", "{% for g in people | groupby('name') %}{{ g.grouper }}{{ g.list | length }}{{ g[0] }}{% endfor %}", "{{ [1, 2, 3] | map('pprint') | join }}", "{{ (d | items | list)[0] }}",
    # printing
    "{{ uni }}", "{{ [uni] }}", "{{ [control] }}", "{{ [html, text, lines] }}", "{{ mixed }}", "{{ [zz] }}", "{{ [1.0, 1e20, 1e-10, 0.1, -0.0] }}", "{{ {'a': [none, true], 'b': (1,), 'c': ()} }}", "{{ ['\\'', '\"', '\\'\"'] }}", "{{ [s | safe] }}", "{{ none }}{{ true }}{{ false }}", "{{ 1.5e300 }}{{ 5e-324 }}{{ 1.7976931348623157e308 }}", "{{ 123456789.123456789 }}", "{{ [n, f, big] }}",
]

CASES = []
for block in (LITERALS, ARITHMETIC, COMPARISONS, SUBSCRIPTS, METHODS, FORMATTING, FILTERS, TESTS):
    CASES += expressions(block)
CASES += STATEMENTS
