// SPDX-License-Identifier: GPL-2.0
virtual facts

@initialize:python@
@@
import sys

def fact(*columns):
    row = "\t".join(str(c) for c in columns)
    sys.stdout.write("@" + row.replace("\n", " ") + "\n")

@fn@
identifier f; type T; parameter list PL; position p;
@@
T f@p(PL) { ... }

@script:python depends on facts@
f << fn.f; T << fn.T; PL << fn.PL; p << fn.p;
@@
for x in p:
    fact("F", x.file, x.line, f, T, PL)

@call@
identifier c; expression list es; position p;
@@
c@p(es)

@script:python depends on facts@
c << call.c; es << call.es; p << call.p;
@@
for x in p:
    fact("C", x.file, x.line, x.column, c, es)

@ind@
expression E; identifier m; expression list es; position p;
@@
(
E->m@p(es)
|
E.m@p(es)
|
 (E->m@p)(es)
|
 (E.m@p)(es)
|
 (*E->m@p)(es)
|
 (*E.m@p)(es)
|
 E->m@p[...](es)
|
 E.m@p[...](es)
)

@script:python depends on facts@
E << ind.E; m << ind.m; es << ind.es; p << ind.p;
@@
for x in p:
    fact("I", x.file, x.line, x.column, E, m, es)

@ref@
global idexpression e; position p;
@@
e@p

@script:python depends on facts@
e << ref.e; p << ref.p;
@@
for x in p:
    fact("R", x.file, x.line, x.column, e)

@loop@
iterator I; expression list es; statement S; position p;
@@
I@p(es) S

@script:python depends on facts@
c << loop.I; es << loop.es; p << loop.p;
@@
for x in p:
    fact("C", x.file, x.line, x.column, c, es)

@decl@
declarer D; expression list es; position p;
@@
D@p(es);

@script:python depends on facts@
c << decl.D; es << decl.es; p << decl.p;
@@
for x in p:
    fact("C", x.file, x.line, x.column, c, es)

@var@
type T; identifier v; position p;
@@
T v@p;

@script:python depends on facts@
T << var.T; v << var.v; p << var.p;
@@
for x in p:
    fact("V", x.file, x.line, T, v)

@init@
type T; identifier v; initializer i; position p;
@@
T v@p = i;

@script:python depends on facts@
T << init.T; v << init.v; i << init.i; p << init.p;
@@
for x in p:
    fact("T", x.file, x.line, T, v, i)

@assign@
expression L, R; position p;
@@
L =@p R

@script:python depends on facts@
L << assign.L; R << assign.R; p << assign.p;
@@
for x in p:
    fact("A", x.file, x.line, L, R)

@script:python depends on facts@
@@
fact("END", *cocci.files())
