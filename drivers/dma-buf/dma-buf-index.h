/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The index of dma-bufs, and the core's private data of a buffer
 */

#ifndef _DMA_BUF_INDEX_H
#define _DMA_BUF_INDEX_H

#include <linux/atomic.h>
#include <linux/container_of.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <linux/types.h>
#include <uapi/linux/dma-buf.h>

/**
 * struct dma_buf_index_node - node in the index, a buffer or a cursor
 * @list: place in the list of all nodes, protected by the index lock
 * @ino: number of the buffer, unique and never reused; constant once the node
 *	is in the index; 0 in a cursor
 */
struct dma_buf_index_node {
	struct list_head list;
	u64 ino;
};

/**
 * struct dma_buf_entry - a dma-buf with the core's private data
 * @node: place in the index
 * @closed: the file is being released; protected by the index lock
 * @own_resv: the reservation object follows this structure
 * @nr_attachments: number of attachments; written under the reservation lock
 * @pid: thread group of the task that exported the buffer
 * @comm: name of that task at the time
 * @time: time of the export, in nanoseconds of CLOCK_BOOTTIME
 * @dmabuf: the part that drivers see
 *
 * dma_buf_export() allocates every &struct dma_buf as part of an entry.
 */
struct dma_buf_entry {
	struct dma_buf_index_node node;
	bool closed;
	bool own_resv;
#ifdef CONFIG_DMABUF_STATS
	unsigned int nr_attachments;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	u64 time;
#endif
	struct dma_buf dmabuf;
};

static inline struct dma_buf_entry *to_dma_buf_entry(struct dma_buf *dmabuf)
{
	return container_of(dmabuf, struct dma_buf_entry, dmabuf);
}

void dma_buf_index_add(struct dma_buf *dmabuf);
void dma_buf_index_close(struct dma_buf *dmabuf);
void dma_buf_index_del(struct dma_buf *dmabuf);
struct dma_buf *dma_buf_index_get_older(struct dma_buf *dmabuf);

bool dma_buf_get_unless_closed(struct dma_buf *dmabuf);

#ifdef CONFIG_DMABUF_STATS
/**
 * struct dma_buf_totals - sums over all dma-bufs
 * @nr_buffers: buffers whose exporter's release callback has not returned
 * @bytes: sum of their sizes, modulo 2^64
 * @peak_bytes: the highest @bytes since boot or the last reset
 * @nr_exported: buffers ever exported
 * @bytes_exported: sum of their sizes, modulo 2^64
 *
 * Written under the index lock, read without it.
 */
struct dma_buf_totals {
	atomic64_t nr_buffers;
	atomic64_t bytes;
	atomic64_t peak_bytes;
	atomic64_t nr_exported;
	atomic64_t bytes_exported;
};

extern struct dma_buf_totals dma_buf_totals;

void dma_buf_index_reset_peak(void);

/* A buffer's row in the list, copied under the index lock */
struct dma_buf_row {
	u64 ino;
	size_t size;
	unsigned long refs;	/* 0 if the file is closed */
	unsigned int flags;	/* of the file */
	unsigned int attached;
	u64 time;
	pid_t pid;
	char comm[TASK_COMM_LEN];
	const char *exporter;	/* valid under rcu_read_lock() */
	const char *module;	/* likewise; NULL if built in */
	char name[DMA_BUF_NAME_LEN];
};

u64 dma_buf_index_rewind(struct dma_buf_index_node *cursor);
void dma_buf_index_del_cursor(struct dma_buf_index_node *cursor);
bool dma_buf_index_find(struct dma_buf_index_node *cursor, u64 ino, u64 last,
			struct dma_buf_row *row) __acquires(RCU);

extern const struct file_operations dma_buf_list_fops;

/* Count an attachment gained or lost, with the reservation lock held */
static inline void dma_buf_count_attachment(struct dma_buf *dmabuf, int nr)
{
	struct dma_buf_entry *entry = to_dma_buf_entry(dmabuf);

	dma_resv_assert_held(dmabuf->resv);
	WRITE_ONCE(entry->nr_attachments, entry->nr_attachments + nr);
}
#else
static inline void dma_buf_count_attachment(struct dma_buf *dmabuf, int nr) {}
#endif

#endif /* _DMA_BUF_INDEX_H */
