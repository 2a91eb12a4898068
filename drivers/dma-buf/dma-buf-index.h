/* SPDX-License-Identifier: GPL-2.0-only */
/* The index of dma-bufs, and the core's private data of a buffer */

#ifndef _DMA_BUF_INDEX_H
#define _DMA_BUF_INDEX_H

#include <linux/atomic.h>
#include <linux/dma-buf.h>
#include <linux/dma-resv.h>
#include <linux/list.h>
#include <linux/sched.h>
#include <uapi/linux/dma-buf.h>

/* A node in the index, a buffer or a cursor */
struct dma_buf_index_node {
	struct list_head list;	/* protected by the index lock */
	u64 ino;	/* unique, constant while in the index; 0: a cursor */
};

/* The core's data around a dma-buf; dma_buf_export() allocates no other kind */
struct dma_buf_entry {
	struct dma_buf_index_node node;
	bool closed;	/* file may be freed; under the index lock */
	bool own_resv;	/* the reservation object follows */
#ifdef CONFIG_DMABUF_STATS
	unsigned int nr_attachments;	/* written under the reservation lock */
	pid_t pid;	/* thread group that exported the buffer */
	char comm[TASK_COMM_LEN];	/* name of the exporting thread */
	u64 time;	/* of the export, in ns of CLOCK_BOOTTIME */
#endif
	struct dma_buf dmabuf;	/* what drivers see */
};

static inline struct dma_buf_entry *to_dma_buf_entry(struct dma_buf *dmabuf)
{
	return container_of(dmabuf, struct dma_buf_entry, dmabuf);
}

void dma_buf_index_add(struct dma_buf *dmabuf);
void dma_buf_index_close(struct dma_buf *dmabuf);
void dma_buf_index_del(struct dma_buf *dmabuf);
void dma_buf_index_swap_name(struct dma_buf *dmabuf, const char **name);
struct dma_buf *dma_buf_index_get_older(struct dma_buf *dmabuf);

bool dma_buf_tryget(struct dma_buf *dmabuf);
extern const struct file_operations dma_buf_list_fops;

#ifdef CONFIG_DMABUF_STATS
/*
 * Sums over all dma-bufs, modulo 2^64, written under the index lock. A reader
 * may interrupt a writer, so it would spin forever on u64_stats_sync.
 */
struct dma_buf_totals {
	atomic64_t nr_buffers;	/* release callback has not yet returned */
	atomic64_t bytes;	/* sum of their sizes */
	atomic64_t peak_bytes;	/* highest bytes since boot or reset */
	atomic64_t nr_exported;	/* ever exported */
	atomic64_t bytes_exported;	/* sum of their sizes */
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
