#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""shapes.py FOLDER: the small trees of "shapes", each with a call of a sink, which
must be found, and the same with a harmless one.  FOLDER has the plugin."""

import contextlib
import importlib.machinery
import importlib.util
import os
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
loader = importlib.machinery.SourceFileLoader('prove', os.path.join(HERE, '../prove'))
prove = importlib.util.module_from_spec(importlib.util.spec_from_loader('prove', loader))
loader.exec_module(prove)

END = '''
const struct dma_buf_ops the_ops = { .release = my_release };
void *my_export(void *i) { return dma_buf_export(i); }
'''


class Plain:
    """In place of the tree's text: all is compiled from the beginning."""

    def naming(self, *_):
        return set()

    grep = naming

    def defining(self, names):
        return {'other': ['other.c']} if 'other' in names else {}, set()


class Shape(prove.Proof):
    def make(self, files):
        for f in files:
            subprocess.run(['gcc', '-w', '-O2', '-std=gnu11', '-c', os.path.join(self.tree, f),
                            '-o', '/dev/null', '-fplugin=' + os.path.join(self.obj, 'facts.so'),
                            '-fplugin-arg-facts-root=' + self.tree],
                           env=dict(os.environ, FACTS=self.out), check=False,
                           stderr=subprocess.DEVNULL)

    def fresh(self, f):
        return False


def run(obj, code):
    """The status of the proof of one file, and what it says."""
    tree = os.path.join(obj, 'tree')
    os.makedirs(os.path.join(tree, 'drivers/dma-buf'), exist_ok=True)
    with open(os.path.join(HERE, 'shapes.h'), encoding='utf-8') as f:
        code = f.read() + code
    with open(os.path.join(tree, 'drivers/dma-buf/my.c'), 'w', encoding='utf-8') as f:
        f.write(code)
    p = Shape(tree, obj, os.path.join(HERE, 'lists'), source=Plain())
    for f in os.listdir(p.out):
        os.remove(os.path.join(p.out, f))
    with open(os.path.join(obj, 'said'), 'w', encoding='utf-8') as log, \
            contextlib.redirect_stdout(log), contextlib.redirect_stderr(log):
        p.grow(['drivers/dma-buf/my.c'])
        status = p.report(set())
    with open(os.path.join(obj, 'said'), encoding='utf-8') as f:
        return status, f.read()


def main():
    with open(os.path.join(HERE, 'shapes'), encoding='utf-8') as f:
        parts = f.read().split('\n=== ')[1:]
    failed = 0
    for part in parts:
        head, code = part.split('\n', 1)
        name, *flags = head.split()
        for sink in 'kobject_del', 'harmless':
            want = {'open': 2, 'broken': 2, 'silent': 0}.get(
                ''.join(flags), 1 if sink == 'kobject_del' else 0)
            got, said = run(sys.argv[1], '#define SINK %s\n' % sink + code + END)
            ok = got == want
            failed += not ok
            print('%s cocci shape: %s, %s' % ('ok' if ok else 'not ok', name, sink))
            if not ok:
                print('status %d, not %d\n%s' % (got, want, said))
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
