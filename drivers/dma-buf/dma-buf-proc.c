// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of all dma-bufs in procfs: /proc/dmabufs
 */

#include <linux/init.h>
#include <linux/printk.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "dma-buf-list.h"

static const struct proc_ops dma_buf_proc_ops = {
	.proc_flags	= PROC_ENTRY_PERMANENT,
	.proc_open	= dma_buf_list_open,
	.proc_read_iter	= seq_read_iter,
	.proc_lseek	= seq_lseek,
	.proc_release	= dma_buf_list_release,
};

static int __init dma_buf_proc_init(void)
{
	if (!proc_create("dmabufs", 0400, NULL, &dma_buf_proc_ops))
		pr_warn("dma-buf: no /proc/dmabufs\n");

	return 0;
}
subsys_initcall(dma_buf_proc_init);
