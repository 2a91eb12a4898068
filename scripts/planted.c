/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Faults that scripts/matrix and scripts/check-static plant at the end of
 * drivers/dma-buf/dma-buf.c, a kind for each checker: one that overlooks its
 * own is not working.
 */

/* W=1 of gcc and clang: set and not used */
static int __maybe_unused planted_w1(int value)
{
	int planted_unused;

	planted_unused = value;
	return value;
}

/* sparse: reads userspace memory as if it were the kernel's */
static int __maybe_unused planted_sparse(int __user *planted_user)
{
	return *planted_user;
}

/**
 * planted_doc - kernel-doc: does not describe its second parameter
 * @described: is described
 * Return: a sum
 */
static int __maybe_unused planted_doc(int described, int planted_undescribed)
{
	return described + planted_undescribed;
}

/* coccicheck: kfree() takes NULL */
static void __maybe_unused planted_cocci(int *planted_pointer)
{
	if (planted_pointer)
		kfree(planted_pointer);
}
