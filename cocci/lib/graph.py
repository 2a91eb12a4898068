# SPDX-License-Identifier: GPL-2.0
"""The call graph: from the facts of spatch to chains from root to sink.

A node is a tuple (kind, where, name):
  func   (path, name)        a function; equal names in two files are two nodes
  macro  (path, name)        a macro that takes arguments
  slot   (struct, field)     a function pointer in a struct: ops tables, too
  arg    (path of f, f, n)   what callers pass as the n-th argument of f
  queue  (struct, field)     work, timer or the like that is embedded there
  var    (path, name)        a function pointer, or an array of them
  made                       made by a macro, or what a guard() of a class or a
                             static call of a name runs

An edge leads from a node to what it may call, with the place and how: 'call',
'pass' (the address is passed), 'queue' (runs later) or 'text' (only plain text
shows it: a branch of an #if that spatch dropped, an unusual macro).
"""

import collections
import functools
import os
import re
import subprocess

from index import Incomplete, struct_of

WORD = re.compile(r'[A-Za-z_]\w*')
MEMBER = re.compile(r'(->|\.)\s*\w+')
STATIC = re.compile(r'static_call(_cond|_mod)?')
TAG = re.compile(r'\b(enum|struct|union)$')
KEYWORDS = set(
    'if while for switch return sizeof typeof __typeof__ typeof_unqual do else '
    'case goto defined asm __asm__ __attribute__ __attribute static inline '
    'const struct union enum void int char long unsigned signed volatile '
    '__volatile__ __auto_type _Generic alignof __alignof__ offsetof bool '
    'float double short register extern _Static_assert static_assert __asm '
    '__aligned__ __section__ __cleanup__ __inline__ asm_inline __extension__ '
    '_Alignof __typeof __typeof_unqual__ default __releases __acquires '
    '__must_hold __printf __scanf section _Pragma '
    'locks_excluded'.split())
BUILTIN = re.compile(r'^(__builtin_\w+|__sync_\w+|__atomic_\w+|__c11_\w+|'
                     r'__underlying_\w+)$')

# Twice what the core has: a chain has got past the stop-list
LIMIT = 6000

# Objects that are queued and run later, and chains of callbacks that run now.
QUEUED = {'work_struct', 'delayed_work', 'rcu_work', 'timer_list', 'hrtimer',
          'tasklet_struct', 'irq_work', 'kthread_work', 'kthread_delayed_work',
          'callback_head', 'rcu_head'}
CHAINS = {'blocking_notifier_head', 'atomic_notifier_head',
          'raw_notifier_head', 'srcu_notifier_head'}
# Calls that take such an object and do not make it run.
UNQUEUE = re.compile(r'cancel|flush|del_timer|timer_delete|timer_shutdown|'
                     r'_kill$|pending|destroy|disable|_sync$|_active|'
                     r'kfree|^INIT_|_init|_setup|setup_|_register|'
                     r'container_of|^from_|^to_|_entry$|_busy|_remaining|'
                     r'_unregister')
# Calls that only look at a pointer.
TESTS = re.compile(r'^(un)?likely$|^(WARN|BUG|IS_ERR|ASSERT|lockdep_)|_WARN|'
                   r'_BUG|^(drm|dev|pr)_\w*(dbg|err|warn|info)|^typeof$|'
                   r'^(data_race|static_assert|BUILD_BUG)')
# The value is that of the first argument.
WRAPPERS = re.compile(
    r'^(rcu_\w*dereference\w*|srcu_dereference\w*|rcu_access_pointer|'
    r'READ_ONCE|smp_load_acquire|smp_store_release|per_cpu_ptr|this_cpu_ptr|'
    r'raw_cpu_ptr|get_cpu_ptr|WARN_ON\w*|unlikely|likely|ERR_CAST|'
    r'no_free_ptr|return_ptr|get_unaligned|xchg|cmpxchg|list_next_entry|'
    r'list_prev_entry|__container_of|PTR_ERR_OR_ZERO|ACCESS_PRIVATE|'
    r'unrcu_pointer|lockless_dereference|uaccess_mask_ptr|RCU_INITIALIZER|'
    r'per_cpu|__this_cpu_read|this_cpu_read|raw_cpu_read|xchg_relaxed)$')


@functools.lru_cache(None)
def squeeze(e):
    e = re.sub(r'\s*(->|\.|\[|\]|\(|\)|,|&|\?|:)\s*', r'\1', e)
    return re.sub(r'\s*\*\s*', '*', e).strip()


@functools.lru_cache(None)
def split_top(text, sep=','):
    """Split at separators outside every bracket."""
    if sep not in text:
        return [text.strip()] if text.strip() else []
    out, depth, last = [], 0, 0
    for i, c in enumerate(text):
        if c in '([{':
            depth += 1
        elif c in ')]}':
            depth -= 1
        elif c == sep and depth == 0:
            out.append(text[last:i])
            last = i + 1
    out.append(text[last:])
    return [x.strip() for x in out] if text.strip() else []


def closing(text, i):
    """The index after the bracket that closes the one at i."""
    pair = {'(': ')', '[': ']', '{': '}'}
    want, depth = pair[text[i]], 0
    for j in range(i, len(text)):
        if text[j] == text[i]:
            depth += 1
        elif text[j] == want:
            depth -= 1
            if depth == 0:
                return j + 1
    return len(text)


def left_chain(s, i):
    """Where the expression that ends at i begins: names, ->, ., [], ()."""
    j = i
    while j > 0:
        c = s[j - 1]
        if c.isalnum() or c == '_':
            j -= 1
        elif c in ')]':
            opener = {')': '(', ']': '['}[c]
            depth, k = 0, j - 1
            while k >= 0:
                if s[k] == c:
                    depth += 1
                elif s[k] == opener:
                    depth -= 1
                    if depth == 0:
                        break
                k -= 1
            j = max(k, 0)
        elif s[j - 2:j] == '->':
            j -= 2
        elif c == '.':
            j -= 1
        elif c in ' \t\n' and re.match(r'\s*(->|\.|\[)', s[j - 1:j + 60]):
            j -= 1
        else:
            break
        if i - j > 400:
            break
    return j


def last_member(e):
    """(expression, field) of e1->f or e1.f, else None; e is squeezed."""
    depth = 0
    for i in range(len(e) - 1, -1, -1):
        c = e[i]
        if c in ')]}':
            depth += 1
        elif c in '([{':
            depth -= 1
        elif depth == 0:
            if c == '>' and e[i - 1] == '-':
                return e[:i - 1], e[i + 1:]
            if c == '.':
                return e[:i], e[i + 1:]
            if not (c.isalnum() or c == '_'):
                return None
    return None


class Text:
    """Calls and names that plain text shows; for macros, and to be sure."""

    def __init__(self, text):
        self.calls, self.indirect, self.refs = [], [], []
        for m in WORD.finditer(text):
            name = m.group(0)
            if name in KEYWORDS:
                continue
            before = text[max(0, m.start() - 40):m.start()].rstrip()
            rest = text[m.end():m.end() + 60].lstrip()
            member = before.endswith('->') or \
                (before.endswith('.') and not before.endswith('..'))
            if before.endswith('##') or rest.startswith('##') or \
                    TAG.search(before):
                continue
            if not rest.startswith('('):
                if not member:
                    self.refs.append((m.start(), name))
                    continue
                if rest.startswith(')'):
                    # (*x->f)(...) and (x->f)(...)
                    j = text.index(')', m.end())
                    if not text[j + 1:j + 3].lstrip().startswith('('):
                        continue
                    op = text.index('(', j)
                else:
                    continue
            else:
                op = text.index('(', m.end())
            args = text[op + 1:closing(text, op) - 1]
            if not member:
                self.calls.append((m.start(), name, args))
                continue
            k = max(text.rfind('->', 0, m.start()), text.rfind('.', 0,
                                                              m.start()))
            e = text[left_chain(text, k):k]
            self.indirect.append((m.start(), e, name, args))


class Env:
    """The types of the names that a function uses."""

    def __init__(self, graph, path, facts=None, func=None):
        self.graph = graph
        self.path = path
        self.func = func
        self.types = {}
        self.params = []
        self.locals = set()
        self.assigned = collections.defaultdict(list)
        if facts:
            for f in facts:
                self.add(f)

    def add(self, f):
        for p in split_top(f.params):
            m = re.match(r'(.*?)\(\s*\*+\s*(\w+)', p) or \
                re.match(r'(.*?)(\w+)\s*(\[[^]]*\]\s*)*$', p)
            if m:
                self.types[m.group(2)] = p if '( *' in p else m.group(1)
                self.locals.add(m.group(2))
                if m.group(2) not in self.params:
                    self.params.append(m.group(2))
        for t, v in f.vars:
            self.var(t, v)
        for t, v, i in f.inits:
            v = self.var(t, v)
            if v:
                self.assigned[v].append(i)
                if re.match(r'(const )?(typeof|__typeof__|__auto_type|auto)\b',
                            t):
                    self.types[v] = 'typeof ( %s )' % (
                        i if 'auto' in t else
                        re.search(r'\((.*)\)', t).group(1)
                        if '(' in t else i)
        for _, left, right in f.assigns:
            if WORD.fullmatch(left):
                self.assigned[left].append(right)
        for _, _, name, args in f.calls:
            # DEFINE_SOMETHING(variable)
            v = split_top(args)[:1]
            if name.isupper() and v and WORD.fullmatch(v[0]) and \
                    v[0] not in self.types:
                for row in self.graph.index.find_macro(name, self.path):
                    params, body = self.graph.index.macro_text(*row)
                    m = params and re.search(r'\b(struct \w+)\s+\**%s\s*=' %
                                             params[0], body)
                    if m:
                        self.var(m.group(1), v[0])

    def var(self, t, v):
        if v == '__free':
            # "struct foo * p ( kfree ) __free" is how spatch reads __free()
            m = re.match(r'(.*?)(\w+) \( \w+ \)$', t)
            if not m:
                return None
            t, v = m.group(1), m.group(2)
        self.types.setdefault(v, t)
        self.locals.add(v)
        return v

    def struct(self, e, depth=0):
        """The struct that an expression is or points to, or None."""
        ix = self.graph.index
        e = squeeze(e)
        if depth > 10 or not e or len(e) > 2000:
            return None
        while e and e[0] in '&*!':
            e = e[1:]
        if not e:
            return None
        q = split_top(e, '?')
        if len(q) > 1:
            for part in split_top(q[1], ':'):
                s = self.struct(part, depth + 1)
                if s:
                    return s
            return None
        if e[0] == '(':
            # a cast holds for all that follows it
            m = re.match(r'\((?:const )?(?:struct|union) (\w+)\*+\)[\w(*&]', e)
            if m:
                return m.group(1)
        m = last_member(e) if e[-1] not in ')]' else None
        if m:
            s = self.struct(m[0], depth + 1)
            return s and ix.base(self.member(s, m[1]))
        if e[-1] == ']':
            d = 0
            for i in range(len(e) - 1, -1, -1):
                d += (e[i] == ']') - (e[i] == '[')
                if d == 0:
                    return self.struct(e[:i], depth + 1)
            return None
        if e[0] == '(':
            end = closing(e, 0)
            inner = e[1:end - 1]
            if end < len(e):
                m = re.match(r'(?:const )?(?:struct|union) (\w+)\**$', inner)
                if m:
                    return m.group(1)
                m = re.match(r'(?:const )?(\w+)\*+$', inner)
                if m and ix.base(m.group(1)):
                    return ix.base(m.group(1))
                if inner.startswith('typeof('):
                    return self.struct(inner[7:].rstrip(')*'), depth + 1)
                return self.struct(e[end:], depth + 1)
            if inner.startswith('{'):
                last = [x for x in split_top(inner.strip('{}'), ';') if x]
                return self.struct(last[-1], depth + 1) if last else None
            return self.struct(inner, depth + 1)
        m = re.match(r'(\w+)\(', e)
        if m and closing(e, m.end() - 1) == len(e):
            return self.call(m.group(1), e[m.end():-1], depth)
        if WORD.fullmatch(e):
            t = self.types.get(e)
            if t is not None:
                m = re.match(r'(?:const )?(?:typeof|__typeof__) ?\((.*)\)', t)
                if m:
                    return self.struct(m.group(1), depth + 1)
                return ix.base(t)
            for row in self.graph.find_var(e, self.path):
                return ix.base(row[3])
            for row in ix.find_macro(e, self.path):
                params, body = ix.macro_text(*row)
                if not params and len(body) < 200:
                    return self.struct(body, depth + 1)
        return None

    def member(self, struct, field):
        rows = self.graph.index.members(struct, self.path)
        if field in rows:
            return rows[field][0]
        return None

    def call(self, name, args, depth):
        """The struct that a call or macro returns."""
        ix = self.graph.index
        m = re.search(r'(?:^|,)(?:const )?struct (\w+)\**(?:,|$)', args)
        if m:
            return m.group(1)
        parts = split_top(args)
        if WRAPPERS.match(name):
            return self.struct(parts[0], depth + 1) if parts else None
        for row in ix.find_func(name, self.path):
            s = ix.base(row[3])
            if s:
                return s
        for row in ix.find_macro(name, self.path):
            params, body = ix.macro_text(*row)
            m = re.search(r'container_of\w*\(.*,\s*(?:const )?struct (\w+)\s*,',
                          body)
            if m and m.group(1) not in params:
                return m.group(1)
            m = re.match(r'\s*\(*\s*\(\s*(?:const )?struct (\w+)\s*\*\s*\)',
                         body)
            if m and m.group(1) not in params:
                return m.group(1)
            body = substitute(params, parts, body)
            s = self.struct(body, depth + 2) if len(body) < 600 else None
            if s:
                return s
            m = re.search(r'\bstruct (\w+) \*', body)
            if m:
                return m.group(1)
        return None


def substitute(params, args, body):
    if not params:
        return body
    table = dict(zip(params, args))
    if len(args) > len(params):
        table[params[-1]] = ', '.join(args[len(params) - 1:])
    table['__VA_ARGS__'] = table.get(params[-1], '') \
        if len(args) >= len(params) else ''
    body = re.sub(r'\s*##\s*', '##', body)
    body = WORD.sub(lambda m: table.get(m.group(0), m.group(0)), body)
    return body.replace('##', '')


class Graph:
    def __init__(self, index, spatch, data):
        self.index = index
        self.spatch = spatch
        self.data = data
        self.edges = {}
        self.problems = set()
        self.lost = set()       # the same, in drivers
        self.left = {}          # (node, name): line where a driver calls what
                                # is not read
        self.strict = True
        self.outside = set()
        self.followed = set(index.found)
        self.stopped = collections.Counter()
        self.words = {}
        self.ahead = set()
        self._resolved = {}
        self._args = {}
        self._macro = {}

    # -- finding things --------------------------------------------------

    def find_var(self, name, path):
        rows = [r for r in self.index.vars.get(name, ())
                if r[0] == path or not r[4]]
        own = [r for r in rows if r[0] == path]
        return own or rows[:1]

    def resolve(self, name, path):
        """Functions and macros that a name means in a file."""
        key = (name, path)
        if key not in self._resolved:
            self._resolved[key] = self.look_up(name, path)
        return self._resolved[key]

    def look_up(self, name, path):
        out = [('func', r[0], name) for r in self.index.find_func(name, path)]
        own = [r for r in self.index.funcs.get(name, ()) if r[0] == path]
        if not own or all(self.index.replaceable(r) for r in own):
            for r in self.index.find_macro(name, path):
                out.append(('macro', r[0], name))
        # other architectures only for what this one lacks
        here = [n for n in out if self.index.usable(n[1])]
        return sorted(set(here or out))

    # -- growing ---------------------------------------------------------

    def enters(self, node):
        """Whether the check follows a node; see the scope's two parts."""
        if node[0] not in ('func', 'macro'):
            return True
        path = node[1]
        if self.strict:
            return self.data.core(path)
        return self.data.stop(node) or path in self.followed or \
            path.startswith(('include/', 'arch/')) or path.endswith('.h') or \
            os.path.dirname(path) in self.data.flat


    def grow(self, roots):
        todo = sorted(set(roots))
        waiting = []
        while todo or waiting:
            if not todo:
                todo, waiting = waiting, []
                self.grep({w for n in todo for w in self.need_words(n)})
            now, todo = [], sorted(set(todo))
            for node in todo:
                if node in self.edges:
                    continue
                if not self.enters(node):
                    self.outside.add(node)
                    continue
                if self.need_words(node) - self.words.keys():
                    waiting.append(node)
                else:
                    now.append(node)
            ranges = self.lookahead(now)
            self.spatch.want(sorted(ranges))
            todo = []
            for node in now:
                self.edges[node] = {}
                if self.data.stop(node):
                    self.stopped[node[2]] += 1
                    continue
                getattr(self, 'do_' + node[0])(node)
                todo.extend(self.edges[node])
            todo = [n for n in todo if n not in self.edges]
            if self.strict and len(self.edges) > LIMIT:
                raise Incomplete('the core has more than %d functions and '
                                 'macros on these paths; the last are %s'
                                 % (LIMIT, ' '.join(self.title(n)
                                                    for n in now[:20])))

    def lookahead(self, nodes):
        """What these nodes need of spatch, and what they will lead to.

        The second part only saves runs: plain text tells which functions the
        next rounds will ask for.
        """
        ranges, todo = set(), list(nodes)
        for node in nodes:
            if not self.data.stop(node):
                ranges.update(self.need_ranges(node))
        while todo:
            node = todo.pop()
            if node in self.ahead:
                continue
            self.ahead.add(node)
            if self.data.stop(node) or not self.enters(node):
                continue
            ranges.update(self.need_ranges(node))
            if node[0] != 'func':
                continue
            for row in self.func_rows(node):
                text = self.function_text(row)
                for _, name, _ in text.calls:
                    if self.data.sink(name):
                        continue
                    todo.extend(n for n in self.resolve(name, node[1])
                                if n[0] == 'func')
        return ranges

    def func_rows(self, node):
        return [r for r in self.index.funcs.get(node[2], ())
                if r[0] == node[1]]

    def function_text(self, row):
        key = row[:3]
        if key not in self._macro:
            self._macro[key] = Text(self.index.text(*key))
        return self._macro[key]

    def need_words(self, node):
        if node[0] == 'arg':
            return {node[2][0]}
        if node[0] == 'var':
            return {node[2]}
        return set()

    def need_ranges(self, node):
        kind = node[0]
        if kind == 'func':
            return [r[:3] for r in self.func_rows(node)]
        if kind in ('slot', 'queue', 'arg', 'var'):
            return self.places(node)
        return []

    def grep(self, words):
        words = sorted(words - self.words.keys())
        for w in words:
            self.words[w] = []
        if not words:
            return
        for line in self.index.run(['grep', '-nHwF'] +
                                   [x for w in words for x in ('-e', w)],
                                   self.spatch.jobs):
            if line:
                path, num, text = self.index.grepped(line)
                for w in words:
                    if w in text:
                        self.words[w].append((path, num))
        for w in words:
            self.words[w].sort()

    # -- where a pointer gets its value ------------------------------------

    def around(self, lines, near=None):
        """Ranges of the functions that hold these lines."""
        out = set()
        for path, num in lines:
            f = self.index.func_at(path, num)
            if f:
                out.add((path, f[0], f[1]))
        return out

    def places(self, node):
        if node in self._args:
            return self._args[node]
        kind, where, name = node
        ix, out = self.index, set()
        if kind == 'slot':
            struct = where.split('::')[0]
            for s in ix.containers(struct):
                for path, start, end, _ in ix.vartype.get(s, ()):
                    if not ix.usable(path):
                        continue
                    text = ix.text(path, start, end)
                    if '=' not in text:
                        continue
                    if re.search(r'\b%s\b' % name, text) or \
                            not re.search(r'[{,]\s*\.\w', text) or \
                            re.search(r'[{,]\s*[A-Z_0-9]+\s*[,(}]', text):
                        out.add((path, start, end))
            for path, num in ix.assigns.get(name, ()):
                f = ix.func_at(path, num)
                if f and ix.usable(path) and \
                        self.may_assign(path, f, num, name, struct):
                    out.add((path, f[0], f[1]))
        elif kind == 'queue':
            field = name.split('.')[0]
            lines = []
            for path, num in ix.binds + ix.assigns.get('function', []) + \
                    ix.assigns.get('func', []) + \
                    ix.assigns.get('notifier_call', []):
                if not ix.usable(path):
                    continue
                text = '\n'.join(ix.raw(path)[num - 1:num + 3])
                if re.search(r'\b%s\b' % field, text):
                    lines.append((path, num))
            out = self.around(lines)
        elif kind == 'arg':
            func, _ = name
            lines = [(p, n) for p, n in self.words.get(func, ())
                     if ix.usable(p) and ('func', where, func) in
                     self.resolve(func, p)]
            out = self.around(lines)
        elif kind == 'var':
            rows = self.find_var(name, where)
            lines = [(p, n) for p, n in self.words.get(name, ())
                     if p == where or not any(r[4] for r in rows)]
            lines = [(p, n) for p, n in lines if ix.usable(p) and
                     re.search(r'\b%s\s*(\[[^]]*\]\s*)?=[^=]' % name,
                               ix.raw(p)[n - 1] + ' ')]
            out = self.around(lines)
        self._args[node] = sorted(out)
        return self._args[node]

    def may_assign(self, path, func, num, field, struct):
        """Could this line, by its text, set struct.field?"""
        line = self.index.clean(path)[num - 1]
        m = re.search(r'(->|\.)\s*%s\b' % field, line)
        if not m:
            return False
        e = line[left_chain(line, m.start()):m.start()]
        if not e.strip():
            return True          # a table in the function
        key = ('env', path, func[0])
        if key not in self._macro:
            env = Env(self, path)
            text = self.index.text(path, func[0], func[1])
            for t, v in re.findall(
                    r'\b((?:struct|union)\s+\w+)\s*(?:\*|const|__\w+|\s)*'
                    r'\b(\w+)\s*(?=[,;=)\[])', text):
                env.types.setdefault(v, t)
            self._macro[key] = env
        s = self._macro[key].struct(e)
        return s.split('::')[0] == struct if s else self.names(path, struct)

    def names(self, path, struct):
        """Does a file, or its folder, know a struct by name?"""
        key = ('names', path, struct)
        if key not in self._macro:
            self._macro[key] = self.close(struct, path) or bool(re.search(
                r'\b%s\b' % struct, '\n'.join(self.index.clean(path))))
        return self._macro[key]

    # -- edges -------------------------------------------------------------

    def optional(self, name, path):
        """Whether a file asks the preprocessor if that name exists at all."""
        key = ('asked', path)
        if key not in self._macro:
            self._macro[key] = {
                w for line in self.index.clean(path)
                if re.match(r'\s*#\s*(el)?if', line)
                for w in WORD.findall(line)}
        return name in self._macro[key]

    def edge(self, frm, to, how, line=0, column=0):
        if to[0] == 'slot' and to[1] in QUEUED:
            return               # what is queued is found by its object
        old = self.edges[frm].get(to)
        rank = {'call': 0, 'pass': 1, 'text': 2, 'queue': 3}
        if old is None or (rank[how], line, column) < \
                (rank[old[0]], old[1], old[2]):
            self.edges[frm][to] = (how, line, column)

    def problem(self, text):
        (self.problems if self.strict else self.lost).add(text)

    def nowhere(self, node, name, line, text):
        """A call of what no file that is read defines."""
        if self.strict:
            self.problem(text)
        else:
            self.left[node, name] = line

    @staticmethod
    def title(node):
        """A node as a reader of a chain sees it."""
        kind, where, name = node
        if kind in ('slot', 'queue'):
            return '[%s.%s]' % (where.split('::')[0], name)
        if kind == 'arg':
            return '[argument %d of %s]' % (name[1] + 1, name[0])
        return name

    def name_edge(self, node, name, path, how, line, column, env):
        """An edge to what a name means.  False: the name means nothing."""
        own = any(r[0] == path and r[4] and not self.index.replaceable(r)
                  for r in self.index.funcs.get(name, ()))
        if not own:
            if self.data.sink(name):
                self.edge(node, ('sink', '', name), how, line, column)
                return True
        found = False
        for to in self.resolve(name, path):
            self.edge(node, to, how, line, column)
            found = True
        return found

    def do_func(self, node):
        rows = self.func_rows(node)
        facts = []
        for row in rows:
            f = self.spatch.facts[row[:3]]
            facts.append(f)
            if not f.seen:
                self.problem('%s:%d: function %s, which ctags lists, was not '
                             'seen by spatch' % (row[0], row[1], node[2]))
        env = Env(self, node[1], facts, node[2])
        for row, f in zip(rows, facts):
            self.facts_edges(node, env, f)
            self.text_edges(node, env, row, f)

    def facts_edges(self, node, env, f):
        path = node[1]
        passed = {}
        for line, column, name, args in f.calls:
            self.call_edges(node, env, name, args, line, column, passed)
        for line, column, e, field, args in f.indirect:
            self.slot_edge(node, env, e, field, line, column)
            self.arg_edges(node, env, field, args, line, column, passed)
        called = {(c[0], c[1]) for c in f.calls}
        pasted = {w for c in f.calls for w in self.pasted(path, c[2], c[3])}
        for line, column, name in f.refs:
            if (line, column) not in called and name not in env.locals \
                    and name not in pasted:
                self.ref_edge(node, env, name, passed.get(name, 'pass'),
                              line, column)
        for t, v, i in f.inits:
            self.value_read(node, env, i, 0)
            if v == '__free':
                m = re.search(r'\( (\w+) \)$', t)
                if m:
                    self.cleanup(node, m.group(1), 0)
        for line, left, right in f.assigns:
            self.value_read(node, env, right, line)

    def ref_edge(self, node, env, name, how, line, column):
        path = node[1]
        text = self.index.clean(path)[line - 1]
        if re.search(r'[!=]=\s*&?%s\b|\b%s\s*[!=]=' % (name, name), text):
            return               # compared, not called
        if name in self.index.funcs:
            self.name_edge(node, name, path, how, line, column, env)
            return
        for row in self.find_var(name, path):
            if self.index.is_fnptr(row[3]):
                self.edge(node, ('var', row[0], name), how, line, column)

    def value_read(self, node, env, e, line, argument=False):
        """p = x->f; the pointer may then be called as p()."""
        e = squeeze(e)
        m = re.fullmatch(r'(\w+)\((.*)\)', e)
        if m and WRAPPERS.match(m.group(1)):
            e = m.group(2)
        q = split_top(e, '?')
        parts = split_top(q[1], ':') if len(q) > 1 else [e]
        for part in parts:
            m = last_member(part.lstrip('('))
            if m and not part.startswith('&') and WORD.fullmatch(m[1]):
                s = env.struct(m[0])
                t = s and env.member(s, m[1])
                if t and self.index.is_fnptr(t):
                    self.edge(node, ('slot', s, m[1]), 'call', line)
            if part.startswith('&') and not argument:
                self.object_edge(node, env, part, line, 0)

    def call_edges(self, node, env, name, args, line, column, passed):
        path = node[1]
        self.arg_edges(node, env, name, args, line, column, passed)
        if name in ('guard', 'scoped_guard', 'CLASS', 'scoped_class',
                    'scoped_cond_guard', 'DEFINE_CLASS', 'cond_guard'):
            self.cleanup(node, split_top(args)[0] if args else '', line)
            return
        if STATIC.fullmatch(name):
            self.edge(node, ('made', 'static', args.strip()), 'call', line)
            return
        if name in env.locals and name not in self.index.macros:
            for e in env.assigned.get(name, ()):
                self.value_read(node, env, e, line)
            return
        if self.name_edge(node, name, path, 'call', line, column, env):
            self.expand(node, env, name, args, line, column, ())
            return
        self.other(node, env, name, line, column)

    def other(self, node, env, name, line, column):
        """Called, but neither function nor macro."""
        path = node[1]
        for row in self.find_var(name, path):
            self.edge(node, ('var', row[0], name), 'call', line, column)
            return
        if name in KEYWORDS or BUILTIN.match(name) or \
                name in self.index.typedefs or name in self.index.assembler:
            return
        if self.optional(name, path):
            return
        if name in self.data.stops:
            self.stopped[name] += 1
        elif self.data.maker(name):
            self.edge(node, ('made', '', name), 'call', line, column)
        else:
            self.nowhere(node, name, line,
                         '%s:%d: %s() calls %s(), which is neither in the '
                         'tree nor on the stop-list'
                         % (path, line, node[2], name))

    def arg_edges(self, node, env, name, args, line, column, passed):
        """Functions and queued objects among the arguments of a call."""
        if not args:
            return
        parts = split_top(args)
        objects = [self.object_of(env, p) for p in parts]
        queued = any(o and o[3] in QUEUED for o in objects)
        functions = []
        for p in parts:
            e = squeeze(p).lstrip('&')
            m = re.fullmatch(r'(?:\([^()]*\))?(\w+)', e)
            if m and m.group(1) not in env.locals and \
                    m.group(1) in self.index.funcs and \
                    m.group(1) not in self.pasted(env.path, name, args):
                functions.append(m.group(1))
        for f in functions:
            how = 'queue' if queued else 'pass'
            if passed.get(f) != 'pass':
                passed[f] = how
        if not TESTS.match(name) and not any(
                self.data.stop(n) for n in self.resolve(name, env.path)):
            for p in parts:
                if '->' in p or '.' in p:
                    self.value_read(node, env, p, line, True)
        if functions or UNQUEUE.search(name):
            return
        for p, o in zip(parts, objects):
            if o:
                self.object_edge(node, env, p, line, column)

    def pasted(self, path, name, args):
        """Arguments that a macro makes part of another name."""
        out = set()
        for row in self.index.find_macro(name, path) \
                if name in self.index.macros else ():
            params, body = self.index.macro_text(*row)
            if '##' not in body:
                continue
            for p, a in zip(params, split_top(args)):
                if re.search(r'##\s*%s\b|\b%s\s*##' % (p, p), body):
                    out.add(a)
        return out

    def object_of(self, env, e):
        """(kind, where, name, type) of &x->work, &work, or None."""
        e = squeeze(e)
        if not e.startswith('&'):
            return None
        e = e[1:]
        while e.startswith('(') and closing(e, 0) == len(e):
            e = e[1:-1]
        m = last_member(e)
        if m and WORD.fullmatch(m[1]):
            # &x->dwork.work is x->dwork
            s = env.struct(m[0])
            t = s and struct_of(env.member(s, m[1]) or '')
            if s in QUEUED:
                m2 = last_member(m[0])
                s2 = m2 and env.struct(m2[0])
                if s2:
                    return 'queue', s2, m2[1], s
            if t in QUEUED or t in CHAINS:
                return 'queue', s, m[1], t
        elif WORD.fullmatch(e) and e not in env.locals:
            for row in self.find_var(e, env.path):
                t = struct_of(row[3])
                if t in QUEUED or t in CHAINS:
                    return 'queue', row[0] if row[4] else '', e, t
        return None

    def object_edge(self, node, env, e, line, column):
        o = self.object_of(env, e)
        if o:
            how = 'call' if o[3] in CHAINS else 'queue'
            if o[3] not in ('rcu_head', 'callback_head'):
                self.edge(node, o[:3], how, line, column)

    def slot_edge(self, node, env, e, field, line, column):
        s = env.struct(e)
        t = s and env.member(s, field)
        if t is None:
            all_ = self.index.having(field)
            here = {x for x in all_ if self.close(x, node[1])}
            all_ = here or all_
            if not all_:
                # a macro that looks like a call through a pointer
                return
            for s in all_:
                self.edge(node, ('slot', s, field), 'call', line, column)
            return
        self.edge(node, ('slot', s, field), 'call', line, column)

    def close(self, struct, path):
        places = self.index.structs.get(struct, {})
        return any(p == path or os.path.dirname(p) == os.path.dirname(path)
                   for p in places)

    def cleanup(self, node, name, line):
        """__free(name), guard(name), CLASS(name): what the class runs."""
        self.edge(node, ('made', 'class', name.strip()), 'call', line)

    def expand(self, node, env, name, args, line, column, stack):
        """Calls in a macro whose target depends on its arguments."""
        if name in stack or len(stack) > 6:
            return
        if self.data.sink(name):
            return
        for row in self.index.find_macro(name, node[1]):
            if not self.depends(row, ()):
                continue
            params, body = self.index.macro_text(*row)
            text = Text(substitute(params, split_top(args), body))
            for _, e, field, a in text.indirect:
                self.slot_edge(node, env, e, field, line, column)
            for _, callee, a in text.calls:
                if callee == name:
                    continue
                self.arg_edges(node, env, callee, a, line, column, {})
                self.expand(node, env, callee, a, line, column,
                            stack + (name,))

    def depends(self, row, stack):
        """Does a macro call through, or queue, what its arguments name?"""
        key = ('depends', row)
        if key in self._macro:
            return self._macro[key]
        if row in stack or len(stack) > 6:
            return False
        params, body = self.index.macro_text(*row)
        text = Text(body)
        out = bool(text.indirect)
        for _, name, args in text.calls:
            if out:
                break
            if re.search(r'&[^,]*(->|\.)', args):
                out = True
            elif params:
                out = any(self.depends(r, stack + (row,)) for r in
                          self.index.find_macro(name, row[0])[:3])
        self._macro[key] = out
        return out

    def text_edges(self, node, env, row, f):
        """What plain text shows and spatch did not report."""
        text = self.function_text(row)
        names = {c[2] for c in f.calls} | {node[2]}
        fields = {i[3] for i in f.indirect}
        lines = self.index.text(*row[:3])
        for at, name, args in text.calls:
            if name in names or name in env.locals or name in KEYWORDS:
                continue
            line = row[1] + lines.count('\n', 0, at)
            if name in ('__free', 'guard', 'scoped_guard', 'CLASS',
                        'scoped_cond_guard', 'scoped_class'):
                self.cleanup(node, split_top(args)[0] if args else '', line)
                if name == '__free':
                    continue
            if STATIC.fullmatch(name):
                self.edge(node, ('made', 'static', args.strip()), 'text', line)
            elif self.name_edge(node, name, node[1], 'text', line, 0, env):
                self.expand(node, env, name, args, line, 0, ())
                self.arg_edges(node, env, name, args, line, 0, {})
        for at, e, field, args in text.indirect:
            if field not in fields:
                line = row[1] + lines.count('\n', 0, at)
                self.slot_edge(node, env, e, field, line, 0)

    def do_macro(self, node):
        _, path, name = node
        for row in self.index.macros[name]:
            if row[0] != path:
                continue
            params, body = self.index.macro_text(*row)
            text = Text(body)
            env = Env(self, path)
            env.locals = set(params) | {
                v for t, v in re.findall(
                    r'([\w)]+)\s+\**\s*(\w+)\s*(?=[=,;)\[])', body)
                if t not in ('return', 'else', 'case', 'goto', 'in')}
            for _, callee, args in text.calls:
                if callee in env.locals or callee == name:
                    continue
                if STATIC.fullmatch(callee) and \
                        not env.locals & set(WORD.findall(args)):
                    self.edge(node, ('made', 'static', args.strip()), 'call',
                              row[1])
                elif not self.name_edge(node, callee, path, 'call', row[1], 0,
                                      env):
                    self.other_in_macro(node, env, callee, row[1])
            for _, ref in text.refs:
                if ref in env.locals or ref == name:
                    continue
                if ref in self.index.funcs and not self.find_var(ref, path):
                    # the body names a function: an alias, or passes it
                    self.name_edge(node, ref, path, 'pass', row[1], 0, env)
                elif ref in self.index.macros and not params:
                    for r in self.index.find_macro(ref, path):
                        self.edge(node, ('macro', r[0], ref), 'call', row[1])
            for _, e, field, _ in text.indirect:
                # what hangs on an argument is found where the macro is used
                if not env.locals & set(WORD.findall(e) + [field]):
                    self.slot_edge(node, env, e, field, row[1], 0)

    def other_in_macro(self, node, env, name, line):
        if name in self.index.vars or name in KEYWORDS or \
                BUILTIN.match(name) or name in self.index.typedefs or \
                name in self.index.assembler:
            return
        if self.optional(name, node[1]):
            return
        if name in self.data.stops:
            self.stopped[name] += 1
        elif self.data.maker(name):
            self.edge(node, ('made', '', name), 'call', line)
        else:
            self.nowhere(node, name, line,
                         '%s:%d: macro %s calls %s(), which is neither in the '
                         'tree nor on the stop-list'
                         % (node[1], line, node[2], name))

    def do_sink(self, node):
        pass

    def do_made(self, node):
        """What the macros that make a function, or its class, call."""
        _, kind, name = node
        if kind == 'static':
            rows = self.index.static.get(name, ())
            for path, line, callee in rows:
                if callee not in ('NULL', 'func') and \
                        callee not in self.index.assembler and \
                        not self.name_edge(node, callee, path, 'call', line,
                                           0, None):
                    self.problem('%s:%d: static_call(%s) runs %s(), which is '
                                 'not in the tree' % (path, line, name, callee))
            if not rows:
                self.problem('nothing defines static_call(%s)' % name)
            return
        if kind == 'class':
            rows = self.index.classes.get(name, ())
            if not rows:
                self.problem('nothing defines the class of guard(%s) or '
                             '__free(%s)' % (name, name))
            for path, line in rows:
                lines = self.index.clean(path)[line - 1:line + 30]
                text = '\n'.join(lines)
                text = text[text.index('('):]
                for _, callee, _ in Text(text[:closing(text, 0)]).calls:
                    if callee not in ('if', 'sizeof'):
                        self.name_edge(node, callee, path, 'call', line, 0,
                                       None)
            return
        for maker in self.data.maker(name):
            rows = self.index.macros.get(maker, ())
            for row in rows:
                self.edge(node, ('macro', row[0], maker), 'call')
            if not rows and maker != '-':
                self.problem('generated: no macro %s makes %s()'
                             % (maker, name))

    # -- pointers ------------------------------------------------------------

    def do_slot(self, node):
        _, struct, field = node
        top = struct.split('::')[0]
        known = self.index.containers(top)
        for rng in self.places(node):
            f = self.spatch.facts[rng]
            func = self.index.func_at(rng[0], rng[1])
            env = Env(self, rng[0], [f], func[2] if func else None)
            for t, v, init in f.inits:
                s = self.index.base(t)
                if s and s.split('::')[0] in known:
                    self.init_values(node, env, s, init, rng)
            for line, left, right in f.assigns:
                m = last_member(re.sub(r'\[[^]]*\]$', '', squeeze(left)))
                if m and m[1] == field:
                    s = env.struct(m[0])
                    if s.split('::')[0] == top if s else \
                            self.names(rng[0], top):
                        self.values(node, env, right, rng[0], line)
                for m in re.finditer(r'\( (?:const )?struct (\w+) \) \{',
                                     right):
                    if m.group(1) in known:
                        end = closing(right, m.end() - 1)
                        self.init_values(node, env, m.group(1),
                                         right[m.end() - 1:end], rng)
            if not f.seen and not f.inits:
                self.problem('%s:%d: the table or function there was not seen '
                             'by spatch' % (rng[0], rng[1]))
        if not self.edges[node]:
            self.problem('no function is known for %s' % self.title(node))

    def init_values(self, node, env, struct, init, rng, depth=0):
        """Functions that an initializer puts into the slot."""
        init = init.strip()
        if not init.startswith('{') or depth > 6:
            return
        _, want, field = node
        want = want.split('::')[0]
        members = self.index.members(struct, env.path)
        order = {v[1]: k for k, v in members.items()}
        n = 0
        for item in split_top(init[1:closing(init, 0) - 1]):
            m = re.match(r'((?:\.\s*\w+\s*|\[[^]]*\]\s*)+)=(?!=)\s*(.*)$',
                         item, re.S)
            value = item
            s, name = struct, None
            if m:
                value = m.group(2)
                for part in re.findall(r'\.\s*(\w+)', m.group(1)):
                    if name:
                        s = self.index.base(
                            self.index.members(s, env.path)
                            .get(name, ('', 0))[0]) or s
                    name = part
                if name in members and s == struct:
                    n = members[name][1]
            elif not value.startswith('{'):
                if self.macro_items(node, env, struct, value, rng, depth):
                    continue
                name = order.get(n)
            n += 1
            t = self.index.members(s, env.path).get(name, ('', 0))[0] \
                if name else ''
            if value.startswith('{') or \
                    re.match(r'\( ?(const )?struct \w+ ?(\[ ?\] ?)?\) ?\{', value):
                inner = self.index.base(t) if name else None
                if inner is None and name is None:
                    # an array of structs, or a positional struct
                    inner = s
                    if order.get(n - 1) and not re.search(
                            r'\{', value[1:]):
                        pass
                if name == field and s.split('::')[0] == want:
                    self.values(node, env, value, rng[0], rng[1])
                value = value[value.index('{'):]
                self.init_values(node, env, inner or s, value, rng, depth + 1)
            elif name == field and s.split('::')[0] == want:
                self.values(node, env, value, rng[0], rng[1])

    def macro_items(self, node, env, struct, value, rng, depth):
        """A macro that stands for some of the fields of a table."""
        m = re.match(r'(\w+)\s*(?:\((.*)\))?\s*$', value, re.S)
        if not m:
            return False
        for row in self.index.find_macro(m.group(1), env.path):
            params, body = self.index.macro_text(*row)
            body = substitute(params, split_top(m.group(2) or ''), body)
            if re.search(r'\.\s*\w+\s*=', body):
                body = body.strip()
                self.init_values(node, env, struct, body
                                 if body.startswith('{')
                                 else '{ %s }' % body, rng, depth + 1)
                return True
        return False

    def values(self, node, env, e, path, line, depth=0):
        """Edges to the functions that an expression can be."""
        if depth > 5:
            return
        e = squeeze(e)
        m = re.fullmatch(r'(\w+)\((.*)\)', e)
        if m and (WRAPPERS.match(m.group(1)) or m.group(1) == 'PTR_IF'):
            self.values(node, env, m.group(2), path, line, depth + 1)
            return
        q = split_top(e, '?')
        if len(q) > 1:
            for part in split_top(q[1], ':'):
                self.values(node, env, part, path, line, depth + 1)
            return
        m = last_member(e)
        if m and WORD.fullmatch(m[1]) and '(' not in m[1]:
            s = env.struct(m[0].lstrip('&*('))
            t = s and env.member(s, m[1])
            if t and self.index.is_fnptr(t):
                self.edge(node, ('slot', s, m[1]), 'call', line)
            elif t and 'notifier_block' in t:
                self.edge(node, ('queue', s, m[1] + '.notifier_call'), 'call',
                          line)
            return
        for name in WORD.findall(e):
            if name in env.params:
                self.edge(node, ('arg', path, (env.func,
                                               env.params.index(name))),
                          'call', line)
            elif name in env.locals:
                for x in env.assigned.get(name, ()):
                    if name not in WORD.findall(MEMBER.sub('', x)):
                        self.values(node, env, x, path, line, depth + 1)
            elif name in self.index.funcs:
                self.name_edge(node, name, path, 'call', line, 0, env)
            elif self.find_var(name, path):
                for row in self.find_var(name, path):
                    if 'notifier_block' in row[3]:
                        self.table_names(node, row)
                    elif self.index.is_fnptr(row[3]):
                        self.edge(node, ('var', row[0], name), 'call', line)
            else:
                for row in self.index.find_macro(name, path):
                    self.edge(node, ('macro', row[0], name), 'call', line)

    def table_names(self, node, row):
        for name in WORD.findall(self.index.text(*row[:3])):
            if name in self.index.funcs:
                self.name_edge(node, name, row[0], 'call', row[1], 0, None)

    def do_arg(self, node):
        _, path, (func, n) = node
        for rng in self.places(node):
            f = self.spatch.facts[rng]
            at = self.index.func_at(rng[0], rng[1])
            env = Env(self, rng[0], [f], at[2])
            for line, _, name, args in f.calls:
                if name == func:
                    parts = split_top(args)
                    if n < len(parts):
                        self.values(node, env, parts[n], rng[0], line)

    def do_var(self, node):
        _, path, name = node
        for row in self.find_var(name, path):
            if row[0] == path:
                self.table_names(node, row)
        for rng in self.places(node):
            f = self.spatch.facts[rng]
            at = self.index.func_at(rng[0], rng[1])
            env = Env(self, rng[0], [f], at[2])
            for line, left, right in f.assigns:
                if re.sub(r'\[.*', '', squeeze(left)) == name:
                    self.values(node, env, right, rng[0], line)

    def do_queue(self, node):
        _, where, name = node
        field, _, sub = name.partition('.')
        for rng in self.places(node):
            f = self.spatch.facts[rng]
            at = self.index.func_at(rng[0], rng[1])
            env = Env(self, rng[0], [f], at[2])
            for line, _, callee, args in f.calls:
                if sub:
                    continue
                parts = split_top(args)
                for i, p in enumerate(parts):
                    o = self.object_of(env, p)
                    if o and o[1:3] == (where, name):
                        for q in parts[:i] + parts[i + 1:]:
                            if not self.object_of(env, q) or \
                                    'register' in callee:
                                self.values(node, env, q, rng[0], line)
            for line, left, right in f.assigns:
                m = last_member(squeeze(left))
                if m and m[1] == field and 'INIT' in right and \
                        env.struct(m[0]) in (where, None):
                    self.values(node, env, right, rng[0], line)
                if not m or m[1] not in ('function', 'func', 'notifier_call'):
                    continue
                o = last_member(m[0])
                if o and o[1] == field:
                    s = env.struct(o[0])
                    if s == where or s is None and \
                            self.names(rng[0], where):
                        self.values(node, env, right, rng[0], line)
                elif m[0] == field and where in ('', rng[0]):
                    self.values(node, env, right, rng[0], line)
        # DECLARE_WORK() and the like outside functions
        for path, num in self.index.binds:
            text = ' '.join(self.index.clean(path)[num - 1:num + 2])
            m = re.search(r'(DECLARE|DEFINE)\w+\s*\(\s*%s\s*,([^)]*)\)' %
                          re.escape(field), text)
            if m and (where in ('', path)):
                env = Env(self, path)
                for q in split_top(m.group(2)):
                    self.values(node, env, q, path, num)
        if not self.edges[node]:
            self.problem('no function is known for %s' % self.title(node))
