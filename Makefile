# SPDX-License-Identifier: GPL-2.0
# Entry points; all that is longer than a line lives in scripts/.

BASE ?=
VARIANT ?= patched
FRAGMENT ?=
export KSRC VARIANT KVM

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
	@scripts/kernel $(base) $(VARIANT) $(FRAGMENT)

tree:
	@scripts/packages base
	@scripts/tree $(base) $(VARIANT)

patches:
	@scripts/patches $(BASE)

drift:
	@scripts/drift $(BASE)

cocci:
	@scripts/cocci $(BASE)

mutate:
	@scripts/mutate $(NAME)

full: check
	@scripts/full $(BASE)

clean:
	@scripts/clean

.PHONY: help run shell check quick kernel tree patches drift cocci mutate full clean
