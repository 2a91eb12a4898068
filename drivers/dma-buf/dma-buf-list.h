/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The list of all dma-bufs: what dma-buf.c notes for it, and what puts it into
 * a file system
 */

#ifndef _DMA_BUF_LIST_H
#define _DMA_BUF_LIST_H

#include <linux/compiler.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/sched.h>
#include <linux/string.h>

struct dentry;
struct file;
struct inode;

#ifdef CONFIG_DMABUF_STATS
int dma_buf_list_open(struct inode *inode, struct file *file);
int dma_buf_list_release(struct inode *inode, struct file *file);
void dma_buf_list_init_debugfs(struct dentry *dir);

/* Note who exports @dmabuf */
static inline void dma_buf_list_set_creator(struct dma_buf *dmabuf)
{
	dmabuf->pid = task_tgid_nr(current);
	/*
	 * Without a lock: should another thread rename this one just now, the
	 * list shows a mix of both names. It ends with a NUL anyway.
	 */
	data_race(memcpy(dmabuf->comm, current->comm, sizeof(dmabuf->comm)));
}

/* Note that @dmabuf has gained an attachment, or lost one; under its @resv */
static inline void dma_buf_list_count_attachment(struct dma_buf *dmabuf, int nr)
{
	dma_resv_assert_held(dmabuf->resv);
	WRITE_ONCE(dmabuf->nr_attachments, dmabuf->nr_attachments + nr);
}
#else
static inline void dma_buf_list_init_debugfs(struct dentry *dir) {}
static inline void dma_buf_list_set_creator(struct dma_buf *dmabuf) {}
static inline void dma_buf_list_count_attachment(struct dma_buf *dmabuf,
						 int nr) {}
#endif

#endif /* _DMA_BUF_LIST_H */
