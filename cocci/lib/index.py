# SPDX-License-Identifier: GPL-2.0
"""What a kernel tree defines, and where: functions, macros, types, variables.

This is the independent list: ctags and grep make it, spatch has no part in
it.  It says in which files to look, and what spatch must not have missed.
"""

import collections
import os
import re
import subprocess
import threading

# Where exporters are looked for.  tools/ and scripts/ run in userspace.
TREE = ['arch', 'block', 'crypto', 'drivers', 'fs', 'io_uring', 'ipc',
        'kernel', 'lib', 'mm', 'net', 'samples', 'security', 'sound', 'virt']
EXPORT = r'\bdma_buf_export[ \t]*\(|struct (virtio_)?dma_buf_ops\b[^;()]*='

# What a guard() or __free() of that name runs
CLASSES = (r'^(DEFINE|EXTEND)_(FREE|CLASS\w*|GUARD\w*|LOCK_GUARD\w*)'
           r'\(\s*(\w+)')

# What a static call of that name runs
STATIC = (r'\b(DEFINE_STATIC_CALL|(__)?static_call_update)\w*'
          r'\(\s*(\w+)\s*,\s*&?(\w+)')

# What gives a queued object its function, for all kinds of deferred work.
BINDERS = ('INIT_(DELAYED_|RCU_|DEFERRABLE_)?WORK(_ONSTACK)?|'
           'INIT_DELAYED_WORK_ONSTACK|__INIT_WORK|__INIT_DELAYED_WORK|'
           'DECLARE_(DELAYED_|DEFERRABLE_)?WORK|'
           'timer_setup(_on_stack)?|hrtimer_setup(_on_stack)?|setup_timer|'
           'DEFINE_TIMER|tasklet_(setup|init)|DECLARE_TASKLET(_OLD)?|'
           'init_irq_work|DEFINE_IRQ_WORK|IRQ_WORK_INIT(_LAZY|_HARD)?|init_task_work|'
           'kthread_init_(delayed_)?work|DEFINE_KTHREAD_(DELAYED_)?WORK|'
           r'\w*_notifier_chain_register|INIT_WORK_\w+')

# What ctags would take for the name of a variable or member.
ATTRIBUTES = ('____cacheline_aligned_in_smp,____cacheline_aligned,'
              '____cacheline_internodealigned_in_smp,__cacheline_aligned,'
              '__cacheline_aligned_in_smp,__aligned+,__guarded_by+,'
              '__pt_guarded_by+,__counted_by+,__packed,__private,__rcu,'
              '__percpu,__iomem,__user,__randomize_layout,__ro_after_init,'
              '__read_mostly,__maybe_unused,__counted_by_le+,__section+,'
              '__refdata,__initdata,__initconst,__used,__nonstring,'
              'CGROUP_REF_FN_ATTRS,CGROUP_REF_EXPORT+,__no_context_analysis,'
              '__returns_ctx_lock+,SEQCOUNT_LOCKNAME+,DEFINE_BATCHED_ENTROPY+,'
              'I915_SELFTEST_DECLARE+,__releases+,'
              '__acquires+,__must_hold+,__cond_acquires+,__cond_releases+,'
              '__acquires_shared+,__releases_shared+,__must_hold_shared+,'
              'DEFINE_FREE+,DEFINE_CLASS+,DEFINE_GUARD+,DEFINE_GUARD_COND+,'
              'DEFINE_LOCK_GUARD_0+,DEFINE_LOCK_GUARD_1+,EXTEND_CLASS+,'
              'DEFINE_LOCK_GUARD_1_COND+')

CORE = re.compile(r'(block|fs|init|ipc|kernel|lib|mm|security|virt)/')

# Macros that take arguments, stand for another name, or go on in the next line
MACRO = (r'^[ \t]*#[ \t]*define[ \t]+\w+(\(|[ \t]*\\\\$|[ \t]+'
         r'[A-Za-z_]\w*[ \t]*$|[ \t]+[a-z_]\w*\()').replace(r'\t', '\t')

WEAK = re.compile(r'\b__weak\b|\bweak\b.*\)\)')

COMMENT = re.compile(
    r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


class Incomplete(Exception):
    """The check itself could not do its work."""


def blank(match):
    text = match.group(0)
    return (' ' if text[0] == '/' else '""') + '\n' * text.count('\n')


def struct_of(typeref):
    """The struct or union that a ctags or C type names, or None."""
    m = re.search(r'\b(?:struct|union)[ :](\w[\w:]*)', typeref)
    return m.group(1) if m else None


def common(a, b):
    """How many leading directories two paths share."""
    n = 0
    for x, y in zip(a.split('/')[:-1], b.split('/')[:-1]):
        if x != y:
            break
        n += 1
    return n


def public(path):
    return path.startswith('include/') or '/include/asm/' in path


class Index:
    def __init__(self, root, scope, jobs=2, arch='x86', timeout=300):
        self.root = root
        self.arch = 'arch/%s/' % arch
        self.timeout = timeout
        self.overlay = {}
        self.files = sorted(set(self.walk(scope)))
        self.funcs = collections.defaultdict(list)
        self.byfile = collections.defaultdict(list)
        self.structs = collections.defaultdict(dict)
        self.typedefs = {}
        self.vars = collections.defaultdict(list)
        self.vartype = collections.defaultdict(list)
        self.macros = collections.defaultdict(list)
        self.assigns = collections.defaultdict(list)
        self.binds = []
        self.assembler = set()
        self.classes = collections.defaultdict(list)
        self.static = collections.defaultdict(list)
        self._raw = {}
        self._clean = {}
        self._sum = {}
        self._depth = {}
        self._containers = None
        self.scan(max(1, jobs))

    # -- reading the tree ------------------------------------------------

    def walk(self, scope):
        """The files in scope, and the folders of all that "plain" finds."""
        for top in scope['deep']:
            yield from self.folder(top, True)
        for top in scope['flat']:
            yield from self.folder(top, False)
        yield from (f for f in scope['core']
                    if os.path.exists(os.path.join(self.root, f)))
        self.exporters = self.plain(EXPORT)
        self.found = self.plain('|'.join([EXPORT] + scope['plain']))
        for top in sorted({os.path.dirname(f) for f in self.found}):
            yield from self.folder(top, False)

    def folder(self, top, deep):
        for here, dirs, names in os.walk(os.path.join(self.root, top)):
            dirs[:] = sorted(dirs) if deep else []
            rel = os.path.relpath(here, self.root)
            for name in names:
                if name.endswith(('.c', '.h')):
                    yield os.path.normpath(rel + '/' + name)

    def plain(self, pattern):
        """Files of the whole tree, found by plain text."""
        p = subprocess.run(
            ['grep', '-rlE', '--include=*.c', pattern] +
            [d for d in TREE if os.path.isdir(os.path.join(self.root, d))],
            cwd=self.root, encoding='utf-8', stdout=subprocess.PIPE)
        if p.returncode > 1:
            raise Incomplete('grep: exit status %d' % p.returncode)
        return sorted(p.stdout.split())

    def scan(self, jobs):
        """ctags and grep over everything, one share of the files per job."""
        fmt = '%N\t%F\t%n\t%{end}\t%k\t%s\t%t\t%f'
        tags = ['ctags', '-x', '--_xformat=' + fmt, '--languages=C',
                '--langmap=C:.c.h', '--kinds-C=fvmsut', '--sort=no',
                '-I', ATTRIBUTES, '-L', '-']
        text = [['grep', '-nHE', MACRO],
                ['grep', '-nHE', r'(->|\.)\w+(\[[^]]*\])?[ \t]*=($|[^=])'
                 .replace(r'\t', '\t')],
                ['grep', '-nHwE', BINDERS],
                ['grep', '-nHE', CLASSES],
                ['grep', '-nHE', STATIC]]
        for top in 'entry', 'lib':
            top = os.path.join(self.root, self.arch, top)
            for name in os.listdir(top) if os.path.isdir(top) else ():
                if name.endswith('.S'):
                    with open(os.path.join(top, name), encoding='latin-1') as f:
                        self.assembler.update(re.findall(
                            r'^SYM_(?:TYPED_)?(?:FUNC|CODE)_\w+\((\w+)',
                            f.read(), re.M))
        for cmd, take in ([tags, self.take_tags],
                          [text[0], self.take_macro],
                          [text[1], self.take_assign],
                          [text[2], self.take_bind],
                          [text[3], self.take_class],
                          [text[4], self.take_static]):
            for line in self.run(cmd, jobs):
                take(line)
        for table in (self.funcs, self.vars, self.macros, self.assigns,
                      self.classes, self.static):
            for rows in table.values():
                rows.sort()
        self.binds.sort()
        for rows in self.byfile.values():
            rows.sort()

    def run(self, cmd, jobs):
        env = dict(os.environ, LC_ALL='C')
        files = self.files
        procs = []
        for i in range(jobs):
            if not files[i::jobs]:
                continue
            full = cmd if cmd[0] == 'ctags' else ['xargs', '-r'] + cmd
            p = subprocess.Popen(full, cwd=self.root, env=env,
                                 stdin=subprocess.PIPE, encoding='latin-1',
                                 stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL)
            procs.append((p, '\n'.join(files[i::jobs]) + '\n'))
        outs = [None] * len(procs)

        def talk(i, p, text):
            try:
                outs[i] = p.communicate(text, self.timeout)[0]
            except subprocess.TimeoutExpired:
                p.kill()
        threads = [threading.Thread(target=talk, args=(i,) + a)
                   for i, a in enumerate(procs)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        for out in outs:
            if out is None:
                raise Incomplete('%s: timeout after %d s'
                                 % (cmd[0], self.timeout))
        for p, _ in procs:
            # grep says 1 (xargs 123) when nothing matches
            if p.returncode not in (0, 1, 123):
                raise Incomplete('%s: exit status %d'
                                 % (cmd[0], p.returncode))
        # the same order whatever the jobs
        return sorted(line for out in outs for line in out.split('\n') if line)

    def take_tags(self, line):
        f = line.split('\t')
        if len(f) != 8:
            return
        name, path, start, end, kind, scope, typeref, static = f
        start = int(start)
        end = int(end) if end else start
        if kind == 'f' and name == 'CONCATENATE':
            return               # the function's name is pasted
        if kind == 'f':
            row = (path, start, end, typeref, static == 'file')
            self.funcs[name].append(row)
            self.byfile[path].append((start, end, name))
        elif kind == 'm':
            top, _, inner = scope.partition('::')
            rows = self.structs[top].setdefault(path, [])
            rows.append((start, name, typeref, scope))
            nested = scope.rsplit('::', 1)[-1]
            if inner and not nested.startswith('__anon'):
                rows = self.structs[nested].setdefault(path, [])
                rows.append((start, name, typeref, nested))
        elif kind == 'v':
            self.vars[name].append((path, start, end, typeref,
                                    static == 'file'))
            s = struct_of(typeref)
            if not s:
                m = re.match(r'typename:(?:const )?(\w+)', typeref)
                s = m and 't ' + m.group(1)
            if s:
                self.vartype[s.split('::')[0]].append((path, start, end, name))
        elif kind == 't':
            self.typedefs.setdefault(name, typeref)

    @staticmethod
    def grepped(line):
        path, _, rest = line.partition(':')
        num, _, text = rest.partition(':')
        return path, int(num), text

    def take_macro(self, line):
        if line:
            path, num, text = self.grepped(line)
            m = re.match(r'\s*#\s*define\s+(\w+)', text)
            self.macros[m.group(1)].append((path, num))

    def take_assign(self, line):
        if line:
            path, num, text = self.grepped(line)
            for m in re.finditer(r'(?:->|\.)(\w+)(?:\[[^]]*\])?\s*=[^=]', text + ' '):
                if self.having(m.group(1)):
                    self.assigns[m.group(1)].append((path, num))

    def take_bind(self, line):
        if line:
            path, num, text = self.grepped(line)
            if not re.match(r'\s*(#|\*|/\*)', text):
                self.binds.append((path, num))

    def take_class(self, line):
        if line:
            path, num, text = self.grepped(line)
            m = re.search(CLASSES, text)
            self.classes[m.group(3)].append((path, num))

    def take_static(self, line):
        if line:
            path, num, text = self.grepped(line)
            for m in re.finditer(STATIC, text):
                self.static[m.group(3)].append((path, num, m.group(4)))

    def raw(self, path):
        if path not in self._raw:
            if path in self.overlay:
                text = self.overlay[path]
            else:
                with open(os.path.join(self.root, path),
                          encoding='latin-1') as f:
                    text = f.read()
            self._raw[path] = text.split('\n')
        return self._raw[path]

    def clean(self, path):
        """The lines of a file, comments and strings blanked."""
        if path not in self._clean:
            text = '\n'.join(self.raw(path))
            self._clean[path] = COMMENT.sub(blank, text).split('\n')
        return self._clean[path]

    def text(self, path, start, end):
        return '\n'.join(self.clean(path)[start - 1:end])

    # -- names -----------------------------------------------------------

    def usable(self, path):
        return not path.startswith('arch/') or path.startswith(self.arch)

    def near(self, rows, path):
        """Of equal names, those that a file can mean.

        Its own first, which may be a stub for kernels without the real one;
        then what is public, with what the folders next to it hold.  Only if
        there is neither, all of them: too many rather than too few.
        """
        own = [r for r in rows if r[0] == path]
        if own:
            others = [r for r in rows if r[0] != path]
            if not others or len(own[0]) == 1 or \
                    not all(self.replaceable(r) for r in own):
                return own
            return own + self.near(others, path)
        here = [r for r in rows if self.usable(r[0])]
        rows = here or rows
        pub = [r for r in rows if public(r[0])]
        rest = [r for r in rows if not public(r[0])]
        least = 2 if path.startswith(('drivers/', 'sound/', 'arch/')) else 1
        score = max([common(r[0], path) for r in rest], default=0)
        if score >= least:
            return pub + [r for r in rest if common(r[0], path) == score]
        core = [r for r in rest if CORE.match(r[0])]
        if core and not path.startswith('arch/'):
            # a driver may not take the name of one of the kernel's own
            rest = core
        if pub:
            # what no header declares for all can still be a global function
            return pub + [r for r in rest if r[0].endswith('.c')]
        return [r for r in rest if r[0].endswith('.c')] or rest

    def replaceable(self, row):
        """Whether another definition may take the place of this one: it is
        weak, or stands in an #if."""
        path = row[0]
        if WEAK.search(self.text(path, max(row[1] - 2, 1), row[1] + 1)):
            return True
        if path not in self._depth:
            depth, depths = -1 if path.endswith('.h') else 0, [0]
            for line in self.clean(path):
                m = re.match(r'\s*#\s*(if|endif)', line)
                if m:
                    depth += 1 if m.group(1) == 'if' else -1
                depths.append(depth)
            self._depth[path] = depths
        return self._depth[path][row[1]] > 0

    def find_func(self, name, path):
        rows = [r for r in self.funcs.get(name, ())
                if r[0] == path or not (r[4] and r[0].endswith('.c'))]
        # a static one of another .c: that file may be included in this one
        return self.near(rows, path) if rows else \
            [r for r in self.funcs.get(name, ())
             if os.path.dirname(r[0]) == os.path.dirname(path)]

    def find_macro(self, name, path):
        rows = [r for r in self.macros.get(name, ())
                if r[0] == path or r[0].endswith('.h')]
        if not rows:
            # one of another .c: this file may be included there
            return [r for r in self.macros.get(name, ())
                    if os.path.dirname(r[0]) == os.path.dirname(path)]
        if any(r[0] == path for r in rows):
            return self.near(rows, path)
        rows = self.near(rows, path)
        return [r for r in rows if public(r[0]) or common(r[0], path)] or rows

    def macro_text(self, path, line):
        """(parameters, body) of the macro defined at a line."""
        lines = self.clean(path)
        text = lines[line - 1]
        while text.endswith('\\') and line < len(lines):
            text = text[:-1] + ' ' + lines[line]
            line += 1
        m = re.match(r'\s*#\s*define\s+\w+(\(([^)]*)\))?', text)
        if not m:
            return [], text
        params = m.group(2).split(',') if m.group(1) else []
        return [p.strip().rstrip('.') for p in params if p.strip()], \
            text[m.end():]

    def func_at(self, path, line):
        for start, end, name in self.byfile.get(path, ()):
            if start <= line <= end:
                return start, end, name
            if start > line:
                break
        return None

    # -- types -----------------------------------------------------------

    def members(self, struct, path):
        """field -> (typeref, order) of the struct that a file means."""
        top, _, inner = struct.partition('::')
        key = (struct, path)
        if key in self._sum:
            return self._sum[key]
        places = self.structs.get(top, {})
        if not places and top in self.macros:
            # #define rcu_head callback_head
            body = self.macro_text(*self.macros[top][0])[1].strip()
            places = self.structs.get(body, {})
        rows = self.near([(p,) for p in sorted(places)], path)
        out = {}
        for (place,) in rows:
            order = 0
            for line, name, typeref, scope in sorted(places[place]):
                if inner and scope != struct:
                    continue
                if name not in out:
                    out[name] = (typeref, order)
                    order += 1
        self._sum[key] = out
        return out

    def base(self, typeref, depth=0):
        """The struct behind a type, through typedefs and pointers."""
        if not typeref or depth > 8:
            return None
        s = struct_of(typeref)
        if s:
            return s
        m = re.match(r'(?:typename:)?(?:const |volatile |unsigned |__\w+ )*'
                     r'(\w+)', typeref)
        if m and m.group(1) in self.typedefs:
            alias = self.typedefs[m.group(1)]
            if alias != typeref:
                return self.base(alias, depth + 1)
        return None

    def is_fnptr(self, typeref, depth=0):
        if '(*' in typeref or '( *' in typeref:
            return True
        m = re.match(r'(?:typename:)?(?:const )?(\w+)', typeref)
        if m and m.group(1) in self.typedefs and depth < 4:
            alias = self.typedefs[m.group(1)]
            return ')(' in alias or self.is_fnptr(alias, depth + 1)
        return False

    def containers(self, struct):
        """Structs that embed one by value, and the struct itself."""
        if self._containers is None:
            self._containers = collections.defaultdict(set)
            for top, places in self.structs.items():
                for rows in places.values():
                    for _, _, typeref, _ in rows:
                        s = struct_of(typeref)
                        if s and '*' not in typeref and s != top:
                            self._containers[s.split('::')[0]].add(top)
        seen, todo = set(), [struct.split('::')[0]]
        while todo:
            s = todo.pop()
            if s not in seen:
                seen.add(s)
                todo.extend(self._containers.get(s, ()))
        return seen

    def having(self, field):
        """Structs with a function pointer of that name."""
        if not hasattr(self, '_having'):
            self._having = collections.defaultdict(set)
            for top, places in self.structs.items():
                for rows in places.values():
                    for _, name, typeref, _ in rows:
                        if '(' in typeref or self.is_fnptr(typeref):
                            self._having[name].add(top)
        return self._having.get(field, set())
