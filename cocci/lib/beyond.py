# SPDX-License-Identifier: GPL-2.0
"""Beyond what spatch reads: from where the paths of drivers are left, the whole
tree is searched on, in plain text and through direct calls alone.

That sees a call in every branch of every #if and in macros that take arguments,
and none through a pointer.
"""

import collections
import re

from index import MACRO, Index

CALL = re.compile(r'\b([A-Za-z_]\w*)\s*\(')
FOLDERS = ('arch/x86', 'block', 'crypto', 'drivers', 'fs', 'include',
           'io_uring', 'ipc', 'kernel', 'lib', 'mm', 'net', 'samples',
           'security', 'sound', 'virt')


class Names(Index):
    """Where the whole tree defines functions and macros."""

    def walk(self, scope):
        for top in FOLDERS:
            yield from self.folder(top, True)

    def scan(self, jobs):
        tags = ['ctags', '-x', '--_xformat=%N\t%F\t%n\t%{end}\t%k\t%s\t%t\t%f',
                '--languages=C', '--langmap=C:.c.h', '--kinds-C=f',
                '--sort=no', '-L', '-']
        for line in self.run(tags, jobs):
            self.take_tags(line)
        for line in self.run(['grep', '-nHE', MACRO], jobs):
            self.take_macro(line)
        for table in (self.funcs, self.macros):
            for rows in table.values():
                rows.sort()


class Beyond:
    def __init__(self, index, data, jobs):
        self.data = data
        self.index = Names(index.root, data.scope, jobs)
        self.index.overlay = index.overlay
        self.edges = {}         # function or macro: what it calls
        self.sinks = {}         # those of them that are sinks, by name

    def nodes(self, name, path):
        """All that a name may mean in a file: rather too many than too few."""
        return sorted({('func', r[0], name)
                       for r in self.index.find_func(name, path)} |
                      {('macro', r[0], name)
                       for r in self.index.find_macro(name, path)})

    def line(self, node):
        rows = self.index.funcs if node[0] == 'func' else self.index.macros
        return min(r[1] for r in rows[node[2]] if r[0] == node[1])

    def texts(self, node):
        kind, path, name = node
        if kind == 'macro':
            for row in self.index.macros[name]:
                if row[0] == path:
                    body = self.index.macro_text(*row)[1]
                    # an alias
                    yield re.sub(r'^\s*(\w+)\s*$', r'\1()', body)
            return
        for row in self.index.funcs[name]:
            if row[0] == path:
                text = self.index.text(*row[:3])
                yield text[text.find('{') + 1:]

    def expand(self, node):
        calls = set()
        for text in self.texts(node):
            calls.update(CALL.findall(text))
        calls.discard(node[2])
        self.sinks[node] = sorted(c for c in calls if self.data.sink(c))
        self.edges[node] = sorted({
            to for c in calls if not self.data.sink(c)
            for to in self.nodes(c, node[1]) if not self.data.stop(to)})

    def search(self, starts):
        """{start: (all sinks that it comes to, the shortest chain to one)}"""
        callers = collections.defaultdict(set)
        todo = collections.deque(starts)
        while todo:
            node = todo.popleft()
            if node in self.edges or self.data.stop(node):
                continue
            self.expand(node)
            for to in self.edges[node]:
                callers[to].add(node)
                todo.append(to)
        found = {}
        for sink in sorted(set().union(*self.sinks.values())):
            # how far each is from it
            far = {n: 0 for n, sinks in self.sinks.items() if sink in sinks}
            todo = collections.deque(sorted(far))
            while todo:
                node = todo.popleft()
                for by in sorted(callers[node]):
                    if by not in far:
                        far[by] = far[node] + 1
                        todo.append(by)
            for start in starts:
                if start not in far:
                    continue
                chain = [start]
                while far[chain[-1]]:
                    chain.append(min((far[n], n) for n in self.edges[chain[-1]]
                                     if n in far)[1])
                sinks, best = found.get(start, ((), None))
                if not best or len(chain) + 1 < len(best):
                    best = chain + [('sink', '', sink)]
                found[start] = (sinks + (sink,), best)
        return found
