/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The index of dma-bufs: what dma-buf.c and the files that show buffers to
 * userspace ask of it.
 */

#ifndef _DMA_BUF_INDEX_H
#define _DMA_BUF_INDEX_H

#include <linux/dma-buf.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <uapi/linux/dma-buf.h>

/**
 * struct dma_buf_totals - sums over all dma-bufs, at one moment
 * @nr_buffers: buffers whose exporter's release has not returned
 * @bytes: sum of their sizes, modulo 2^64
 * @peak_bytes: the highest @bytes since boot or dma_buf_index_reset_peak()
 * @nr_exported: buffers ever exported
 * @bytes_exported: sum of their sizes, modulo 2^64
 */
struct dma_buf_totals {
	u64 nr_buffers;
	u64 bytes;
	u64 peak_bytes;
	u64 nr_exported;
	u64 bytes_exported;
};

/**
 * struct dma_buf_row - what the list says of a buffer
 * @ino: number
 * @size: bytes
 * @refs: references to the file, 0 if it is closed
 * @exporter: name of the exporter, to be read under rcu_read_lock()
 * @module: its module, to be read under rcu_read_lock(); NULL if built in
 * @attached: number of attachments
 * @flags: of the file, if it is not closed
 * @pid: thread group that exported the buffer, in the initial pid namespace
 * @comm: name of the thread that did so
 * @name: given by userspace, empty if none
 */
struct dma_buf_row {
	u64 ino;
	size_t size;
	unsigned long refs;
	const char *exporter;
	const char *module;
	unsigned int attached;
	unsigned int flags;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	char name[DMA_BUF_NAME_LEN];
};

void dma_buf_index_add(struct dma_buf *dmabuf);
void dma_buf_index_close(struct dma_buf *dmabuf);

bool dma_buf_get_unless_closed(struct dma_buf *dmabuf);

#ifdef CONFIG_DMABUF_STATS
void dma_buf_index_del(struct dma_buf *dmabuf);
void dma_buf_index_get_totals(struct dma_buf_totals *totals);
void dma_buf_index_reset_peak(void);
void dma_buf_index_add_cursor(struct dma_buf_index_node *cursor);
void dma_buf_index_del_cursor(struct dma_buf_index_node *cursor);
u64 dma_buf_index_rewind(struct dma_buf_index_node *cursor);
bool dma_buf_index_find(struct dma_buf_index_node *cursor, u64 ino, u64 last,
			struct dma_buf_row *row) __acquires(RCU);
#else
static inline void dma_buf_index_del(struct dma_buf *dmabuf) {}
#endif

#endif /* _DMA_BUF_INDEX_H */
