#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""plants.py TREE OBJ FOLDER: puts all of "plants" into a copy of the kernel TREE, in
FOLDER, and runs the proof with a copy of the facts of OBJ: each must be found."""

import fnmatch
import os
import re
import shutil
import sys

import shapes

prove = shapes.prove


class Planted(prove.Proof):
    """What is planted leads to where nothing was reviewed: not too far into that."""

    def build(self, files):
        if len(files) <= 300:
            super().build(files)


def copy(tree, to, paths):
    """A tree of links to TREE, but for these files and the folders on the way."""
    os.makedirs(to)
    here = {p.split('/')[0] for p in paths}
    for name in os.listdir(tree):
        below = [p.split('/', 1)[1] for p in paths if p.startswith(name + '/')]
        if below:
            copy(os.path.join(tree, name), os.path.join(to, name), below)
        elif name in here:
            shutil.copy(os.path.join(tree, name), os.path.join(to, name))
        else:
            os.symlink(os.path.join(tree, name), os.path.join(to, name))


def main():
    tree, obj, folder = map(os.path.abspath, sys.argv[1:])
    with open(os.path.join(shapes.HERE, 'plants'), encoding='utf-8') as f:
        parts = [p.split('\n', 1) for p in f.read().split('\n=== ')[1:]]
    heads = [(*h.split(' : ')[0].split(), h.split(' : ')[1]) for h, _ in parts]
    new = os.path.join(folder, 'linux')
    copy(tree, new, {h[0] for h in heads})
    for (path, function, _), (_, text) in zip(heads, parts):
        name = os.path.join(new, path)
        if function == '-':
            with open(name, 'w', encoding='utf-8') as f:
                f.write(text + '\n')
            continue
        before, _, inside = ('\n' + text + '\n').partition('\n---\n')
        with open(name, encoding='utf-8') as f:
            code = f.read()
        m = re.search(r'^(?:[\w* ]+[ *\n])?%s\s*\([^;{)]*\)\n\{\n' % function, code, re.M)
        code = code[:m.start()] + before + '\n' + m.group(0) + inside + code[m.end():]
        with open(name, 'w', encoding='utf-8') as f:
            f.write(code)
    p = Planted(new, obj, os.path.join(shapes.HERE, '..'), jobs=os.cpu_count())
    p.out = os.path.join(folder, 'facts')
    shutil.copytree(os.path.join(obj, 'facts'), p.out, copy_function=os.link)
    p.grow(p.first())
    p.report(set())
    failed = 0
    for path, function, want in heads:
        ok = any(fnmatch.fnmatchcase(k, want) for k in p.keys)
        failed += not ok
        print('%s cocci plant: %s, %s' % ('ok' if ok else 'not ok', path, want))
    return failed > 0


if __name__ == '__main__':
    sys.exit(main())
