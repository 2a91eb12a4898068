# SPDX-License-Identifier: GPL-2.0
# Entry points; all that is longer than a line lives in scripts/.

BASE ?=
VARIANT ?= patched
FRAGMENT ?=
export CONFIG LOCALMOD MINUTES PLAN SUITE KSRC VARIANT KVM CELL SET SUBMITTER REROLL CHANGES OUT

# the default base is the first of the table
base = $(or $(BASE),$(shell awk '!/^$(hash)/ && NF { print $$1; exit }' bases))
hash := \#

help:
	@scripts/help

run:
	@scripts/run $(base)

shell:
	@scripts/run $(base) shell

check:
	@scripts/check $(BASE)

quick:
	@QUICK=1 scripts/check $(BASE)

kernel:
	@scripts/packages base
	@WORK=1 scripts/kernel $(base) $(VARIANT) $(FRAGMENT)

tree:
	@scripts/packages base
	@WORK=1 scripts/make-tree $(base) $(VARIANT)

deb:
	@WORK=1 scripts/deb $(base)

deb-tool:
	@scripts/deb tool

system:
	@scripts/system $(base)

import:
	@scripts/packages base
	@scripts/import $(base)

drift:
	@scripts/drift $(BASE)

model:
	@scripts/model

bisect:
	@scripts/packages base check cross
	@scripts/bisect $(BASE)

matrix:
	@scripts/packages base check cross
	@scripts/matrix --full $(BASE)

check-static:
	@scripts/packages base check
	@scripts/check-static $(BASE)

series:
	@scripts/packages base check
	@scripts/make-series $(base)

cocci:
	@scripts/cocci $(BASE)

torture:
	@scripts/torture $(PART)

mutate:
	@scripts/mutate $(NAME)

bench:
	@scripts/bench

check-all:
	@scripts/check-all $(PART)

clean:
	@scripts/clean

.PHONY: help run shell check quick kernel tree deb deb-tool system import drift \
	model bisect matrix check-static series cocci torture mutate bench check-all clean
