# SPDX-License-Identifier: GPL-2.0
"""Run the semantic patch over chosen functions and tables, collect its facts.

Only what the check asks for is given to spatch: a copy of each file in which
every other line is empty, so that lines and columns stay true.  What was
given and is not in the answer is an error, never a silence.
"""

import os
import re
import subprocess
import tempfile
import threading

HERE = os.path.dirname(os.path.abspath(__file__))


# Spelled so that spatch 1.1.1 loses the whole function: blanked, or replaced
# by something as wide.  The calls that hide there are found by plain text.
SOFTEN = [
    (re.compile(r'\b(__(cond_)?(acquires?|releases?)(_shared)?(_ctx_lock)?|'
                r'__must_(not_)?hold\w*|__\w*excludes\w*|__requires\w*|'
                r'__(pt_)?guarded_by|__(returns|assumes)_ctx_lock|__context_unsafe|'
                r'__(re)?alloc_size|__diagnose_as\w*|'
                r'__free)\s*(?=\()'), ''),
    (re.compile(r'\b(scoped_guard|scoped_cond_guard|scoped_class|'
                r'drm_exec_until_all_locked)\s*(?=\()'), 'if (1)'),
    (re.compile(r'(?<=\bUVERBS_HANDLER)\s*(?=\()'), ''),
    (re.compile(r'\b(asm|__asm__|asm_inline|asm_volatile_goto)'
                r'(\s+(volatile|__volatile__|goto|inline))*\s*(?=\()'), ';'),
    (re.compile(r'\b(__force|__kernel|__int128|__no_context_analysis|'
                r'__no_(kasan|sanitize)_or_inline)\b|'
                r'\(intptr_t\)'), None),
    (re.compile(r'\b(__no_kmsan_checks|__no_sanitize_\w+|noinstr|notrace|'
                r'__attribute__\s*\(\(\w+\)\))(?=\s)'), None),
    # a struct that a sizeof or the type of a function defines in passing
    (re.compile(r'struct \{[^{}]*\}(?= \w+\))'), None),
    (re.compile(r'^\}(?=\s*\*\s*\w+\()', re.M), 'T'),
]


def last_branches(text):
    """Of each #if only the last branch, and no directives."""
    lines, opened = text.split('\n'), []
    for i, line in enumerate(lines):
        m = re.match(r'\s*#\s*(if|el|endif)', line)
        if not m:
            continue
        if m.group(1) != 'if' and opened:
            first = opened.pop()
            if m.group(1) == 'el':
                lines[first:i] = [''] * (i - first)
        if m.group(1) != 'endif':
            opened.append(i)
        lines[i] = ''
    return '\n'.join(lines)


def soften(text):
    for pattern, instead in SOFTEN:
        out, last = [], 0
        for m in pattern.finditer(text):
            end = m.end()
            if instead is not None and instead != 'T':
                end = closing(text, end)
            if m.start() < last:
                continue
            gone = re.sub(r'[^\n]', ' ', text[m.start():end])
            if instead:
                gone = instead + gone[len(instead):]
            out += [text[last:m.start()], gone]
            last = end
        text = ''.join(out) + text[last:]
    return text


def closing(text, i):
    """The index after the parenthesis that closes the one at i."""
    depth = 0
    for j in range(i, len(text)):
        depth += (text[j] == '(') - (text[j] == ')')
        if depth == 0:
            return j + 1
    return len(text)


class Facts:
    """What spatch saw in one range of lines."""

    def __init__(self):
        self.seen = False
        self.name = None
        self.params = ''
        self.calls = []         # (line, column, name, arguments)
        self.indirect = []      # (line, column, expression, field, arguments)
        self.refs = []          # (line, column, name)
        self.vars = []          # (type, name)
        self.inits = []         # (type, name, initializer)
        self.assigns = []       # (line, left, right)


class Spatch:
    def __init__(self, index, jobs=2, timeout=120, cocci=None):
        self.index = index
        self.jobs = max(1, jobs)
        self.timeout = timeout
        self.cocci = cocci or os.path.join(HERE, 'facts.cocci')
        self.facts = {}
        self.problems = []
        self.runs = 0

    def forget(self, path):
        for key in [k for k in self.facts if k[0] == path]:
            del self.facts[key]

    def want(self, ranges):
        """Facts of (path, start, end), each range, from memory or spatch."""
        todo = {}
        for rng in ranges:
            if rng in self.facts:
                continue
            todo.setdefault(rng[0], []).append(rng)
        if todo:
            self.run(todo)
        # once more, with one branch of each #if; the text shows the others
        again = {}
        for path, rngs in todo.items():
            for rng in rngs:
                f = self.facts[rng]
                if not f.seen and not f.inits and \
                        '\n#if' in '\n' + self.index.text(*rng):
                    again.setdefault(path, []).append(rng)
        if again:
            self.run(again, True)
        return [self.facts[r] for r in ranges]

    def head(self, path, start):
        """The first line of a definition: its type may stand above it."""
        lines = self.index.clean(path)
        first = start
        while first > 1 and start - first < 6:
            above = lines[first - 2].strip()
            if not above or above[-1] in ';}{,:' or above[0] == '#' \
                    or above.endswith(('*/', '\\')):
                break
            if lines[first - 2][0] in ' \t':
                break
            first -= 1
        return first

    def run(self, todo, last=False):
        paths = sorted(todo)
        for path in paths:
            for rng in todo[path]:
                self.facts[rng] = Facts()
        with tempfile.TemporaryDirectory(prefix='cocci-') as tmp:
            size = []
            for path in paths:
                raw = self.index.raw(path)
                out = [''] * len(raw)
                for _, start, end in todo[path]:
                    first = self.head(path, start)
                    out[first - 1:end] = raw[first - 1:end]
                full = os.path.join(tmp, path)
                os.makedirs(os.path.dirname(full), exist_ok=True)
                with open(full, 'w', encoding='latin-1') as f:
                    text = soften('\n'.join(out))
                    f.write(last_branches(text) if last else text)
                size.append((sum(e - s for _, s, e in todo[path]), path))
            jobs = min(self.jobs, len(paths))
            # the heaviest first, each to the lighter share
            share = [[0, []] for _ in range(jobs)]
            for weight, path in sorted(size, reverse=True):
                least = min(share, key=lambda s: s[0])
                least[0] += weight + 20
                least[1].append(path)
            outs = [None] * jobs
            threads = []
            for i in range(jobs):
                t = threading.Thread(target=self.spatch,
                                     args=(tmp, i, share[i][1], outs))
                t.start()
                threads.append(t)
            for t in threads:
                t.join()
        for i in range(jobs):
            self.take(outs[i], share[i][1], todo)
        self.runs += 1

    def spatch(self, tmp, i, paths, outs):
        group = os.path.join(tmp, '.group%d' % i)
        with open(group, 'w') as f:
            f.write('\n\n'.join(paths) + '\n')
        cmd = ['spatch', '--very-quiet', '--no-show-diff', '--no-includes',
               '--no-loops', '-D', 'facts', '--timeout', str(self.timeout),
               '--sp-file', self.cocci,
               '--file-groups', group]
        try:
            p = subprocess.run(cmd, cwd=tmp, encoding='latin-1',
                               stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE,
                               timeout=self.timeout + 20 * len(paths))
            outs[i] = (p.returncode, p.stdout, p.stderr)
        except subprocess.TimeoutExpired:
            outs[i] = (124, '', '')

    def take(self, out, paths, todo):
        code, stdout, stderr = out
        ended = set()
        spans = {p: sorted((self.head(p, s), e, (p, s, e))
                           for _, s, e in todo[p]) for p in paths}
        for row in stdout.split('\n'):
            if not row.startswith('@'):
                continue
            f = row[1:].split('\t')
            if f[0] == 'END':
                ended.add(f[1])
                continue
            path, line = f[1], int(f[2])
            span = spans.get(path, [])
            for start, end, rng in span:
                if start <= line <= end:
                    self.put(self.facts[rng], f, line)
        if code == 124:
            self.problems.append('timeout: spatch did not finish %s'
                                 % ' '.join(paths[:5]))
        elif code != 0:
            self.problems.append('spatch: exit status %d: %s'
                                 % (code, stderr.strip()[-300:]))
        for m in re.finditer(r'(EXN|Fatal|[Tt]imeout)[^\n]*', stderr):
            self.problems.append('spatch: ' + m.group(0)[:300])
        for path in paths:
            if path not in ended and code == 0:
                self.problems.append('%s: spatch did not get to its end'
                                     % path)

    @staticmethod
    def put(facts, f, line):
        kind = f[0]
        if kind == 'F':
            facts.seen = True
            facts.name = facts.name or f[3]
            facts.params += ' , ' + f[5]
        elif kind == 'C':
            facts.calls.append((line, int(f[3]), f[4], f[5]))
        elif kind == 'I':
            facts.indirect.append((line, int(f[3]), f[4], f[5], f[6]))
        elif kind == 'R':
            facts.refs.append((line, int(f[3]), f[4]))
        elif kind == 'V':
            facts.vars.append((f[3], f[4]))
        elif kind == 'T':
            facts.seen_init = True
            facts.inits.append((f[3], f[4], f[5]))
        elif kind == 'A':
            facts.assigns.append((line, f[3], f[4]))
