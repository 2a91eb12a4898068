// SPDX-License-Identifier: GPL-2.0-only
/* The index of dma-bufs */

#include <linux/fs.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/spinlock.h>
#include <linux/string.h>
#include <linux/timekeeping.h>

#include "dma-buf-index.h"

/**
 * DOC: index
 *
 * Every dma-buf is on one list, in the order of their numbers, from its export
 * until the exporter's release callback has returned. Numbers are assigned
 * under the lock that protects the list, so a new buffer always goes to the
 * tail, no number is used twice, and buffers never change places.
 *
 * The lock is a spinlock and a leaf: its holder takes no other lock, except in
 * emulated 64-bit atomics. On PREEMPT_RT, functions that do not sleep otherwise
 * may block on it. It is held to insert, mark, rename or remove a buffer, or
 * to look at no more than %DMA_BUF_INDEX_BATCH nodes. A walk that has to go on
 * leaves a cursor, a node without a number, drops the lock, and resumes at the
 * cursor. An export therefore waits equally long for any number of buffers.
 *
 * A buffer that may outlive its file, because something else pins the dentry, is
 * marked under the lock when the file is released. Without the mark each walk
 * would have to check for a reused file, as get_file_active() does.
 */

/* Maximum number of nodes to look at in one hold of the lock */
#define DMA_BUF_INDEX_BATCH	32

static struct {
	spinlock_t lock;	/* protects this and all nodes */
	u64 last;		/* the last number assigned */
	struct list_head list;	/* buffers and cursors, oldest first */
} dma_buf_index ____cacheline_aligned_in_smp = {
	.lock = __SPIN_LOCK_UNLOCKED(dma_buf_index.lock),
	.list = LIST_HEAD_INIT(dma_buf_index.list),
};

#ifdef CONFIG_DMABUF_STATS
/* Not in the cache line of the lock, which readers would make bounce */
struct dma_buf_totals dma_buf_totals ____cacheline_aligned_in_smp;

/* The lock excludes other writers; release stores the peak before the bytes */
static void dma_buf_total_add(atomic64_t *total, u64 n)
{
	atomic64_set_release(total, atomic64_read(total) + n);
}

static void dma_buf_index_count(u64 nr, u64 bytes)
{
	dma_buf_total_add(&dma_buf_totals.nr_buffers, nr);
	dma_buf_total_add(&dma_buf_totals.bytes, bytes);
}

/* Called before the bytes change, so bytes read first are not above the peak */
static void dma_buf_index_count_export(u64 size)
{
	u64 bytes = atomic64_read(&dma_buf_totals.bytes) + size;

	dma_buf_total_add(&dma_buf_totals.nr_exported, 1);
	dma_buf_total_add(&dma_buf_totals.bytes_exported, size);
	if (bytes > (u64)atomic64_read(&dma_buf_totals.peak_bytes))
		atomic64_set(&dma_buf_totals.peak_bytes, bytes);
}

/* Restart peak_bytes from the current bytes */
void dma_buf_index_reset_peak(void)
{
	spin_lock(&dma_buf_index.lock);
	atomic64_set(&dma_buf_totals.peak_bytes,
		     atomic64_read(&dma_buf_totals.bytes));
	spin_unlock(&dma_buf_index.lock);
}

static void dma_buf_index_set_creator(struct dma_buf_entry *entry)
{
	entry->time = ktime_get_boottime_ns();
	entry->pid = task_tgid_nr(current);
	/* A concurrent change may mix two names, always ending in NUL */
	data_race(memcpy(entry->comm, current->comm, sizeof(entry->comm)));
}

/*
 * Move a cursor in front of the first buffer. The list_head of a new cursor
 * must be initialized. Returns the number of the buffer exported last, or 0.
 */
u64 dma_buf_index_rewind(struct dma_buf_index_node *cursor)
{
	u64 last;

	spin_lock(&dma_buf_index.lock);
	list_move(&cursor->list, &dma_buf_index.list);
	last = dma_buf_index.last;
	spin_unlock(&dma_buf_index.lock);

	return last;
}

void dma_buf_index_del_cursor(struct dma_buf_index_node *cursor)
{
	spin_lock(&dma_buf_index.lock);
	list_del(&cursor->list);
	spin_unlock(&dma_buf_index.lock);
}

static void dma_buf_index_copy(struct dma_buf_entry *entry,
			       struct dma_buf_row *row)
{
	struct dma_buf *dmabuf = &entry->dmabuf;
	bool open = !entry->closed;

	/* Not under name_lock, whose holders may run tracepoint probes */
	row->name[0] = '\0';
	if (dmabuf->name)
		strscpy(row->name, dmabuf->name, sizeof(row->name));

	row->ino = entry->node.ino;
	row->size = dmabuf->size;
	/* The index lock keeps the file of an open buffer from being freed */
	row->refs = open ? file_count(dmabuf->file) : 0;
	/* fcntl() changes the flags with a plain store */
	row->flags = open ? data_race(READ_ONCE(dmabuf->file->f_flags)) : 0;
	row->attached = READ_ONCE(entry->nr_attachments);
	row->time = entry->time;
	row->pid = entry->pid;
	memcpy(row->comm, entry->comm, sizeof(row->comm));
	row->exporter = dmabuf->exp_name;
	row->module = dmabuf->owner ? module_name(dmabuf->owner) : NULL;
}

/**
 * dma_buf_index_find - find a buffer by its number and copy its row
 * @cursor: caller's cursor; must be in the index, in front of all buffers with
 *	a number of @ino or higher
 * @ino: lowest number to look for, at least 1
 * @last: highest number to look for
 * @row: filled in from the buffer with the lowest number in this range
 *
 * Moves @cursor in front of that buffer, and keeps no reference to it. Strings
 * in @row stay valid under rcu_read_lock(), as unloading a module waits for it.
 *
 * Context: May sleep. Takes the index lock, repeatedly if many other cursors
 * are in the way. Returns with rcu_read_lock() held, even without a buffer.
 *
 * Return: false if there is no such buffer.
 */
bool dma_buf_index_find(struct dma_buf_index_node *cursor, u64 ino, u64 last,
			struct dma_buf_row *row)
	__acquires(RCU)
{
	struct list_head *pos = &cursor->list;
	struct dma_buf_index_node *node = NULL;
	int budget = DMA_BUF_INDEX_BATCH;
	bool found = false;

	spin_lock(&dma_buf_index.lock);
	while ((pos = pos->next) != &dma_buf_index.list) {
		node = list_entry(pos, struct dma_buf_index_node, list);
		if (node->ino >= ino) {
			found = node->ino <= last;
			break;
		}
		if (--budget)
			continue;

		list_move(&cursor->list, pos);
		spin_unlock(&dma_buf_index.lock);
		cond_resched();
		spin_lock(&dma_buf_index.lock);
		budget = DMA_BUF_INDEX_BATCH;
		pos = &cursor->list;
	}
	list_move_tail(&cursor->list, pos);
	rcu_read_lock();
	if (found)
		dma_buf_index_copy(container_of(node, struct dma_buf_entry,
						node), row);
	spin_unlock(&dma_buf_index.lock);

	return found;
}
#else
static inline void dma_buf_index_count(u64 nr, u64 bytes) {}
static inline void dma_buf_index_count_export(u64 size) {}
static inline void dma_buf_index_set_creator(struct dma_buf_entry *entry) {}
#endif

/**
 * dma_buf_index_add - assign a number to a new buffer and add it to the index
 * @dmabuf: new buffer, complete except for its number, which st_ino shows, too
 *
 * Context: Takes the index lock; does not sleep. Cannot fail.
 */
void dma_buf_index_add(struct dma_buf *dmabuf)
{
	struct dma_buf_entry *entry = to_dma_buf_entry(dmabuf);
	struct dma_buf_index_node *node = &entry->node;
	struct inode *inode = file_inode(dmabuf->file);

	dma_buf_index_set_creator(entry);
	spin_lock(&dma_buf_index.lock);
	node->ino = ++dma_buf_index.last;
	inode->i_ino = node->ino;
	list_add_tail(&node->list, &dma_buf_index.list);
	dma_buf_index_count_export(dmabuf->size);
	dma_buf_index_count(1, dmabuf->size);
	spin_unlock(&dma_buf_index.lock);
}

/**
 * dma_buf_index_close - mark a buffer that may outlive its file
 * @dmabuf: buffer whose last file reference is gone, while something else, for
 *	example an O_PATH descriptor, pins its dentry
 *
 * Walks no longer use &dma_buf.file afterwards.
 *
 * Context: Takes the index lock; does not sleep.
 */
void dma_buf_index_close(struct dma_buf *dmabuf)
{
	spin_lock(&dma_buf_index.lock);
	to_dma_buf_entry(dmabuf)->closed = true;
	spin_unlock(&dma_buf_index.lock);
}

/**
 * dma_buf_index_del - remove a released buffer from the index
 * @dmabuf: buffer whose exporter's release callback has returned
 *
 * Context: Takes the index lock; does not sleep.
 */
void dma_buf_index_del(struct dma_buf *dmabuf)
{
	spin_lock(&dma_buf_index.lock);
	list_del(&to_dma_buf_entry(dmabuf)->node.list);
	dma_buf_index_count(-1, -(u64)dmabuf->size);
	spin_unlock(&dma_buf_index.lock);
}

/**
 * dma_buf_index_swap_name - replace the name of a buffer
 * @dmabuf: buffer, with its name_lock held
 * @name: new name, becomes the old one, which no row is copied from any more
 *
 * Context: Takes the index lock; does not sleep.
 */
void dma_buf_index_swap_name(struct dma_buf *dmabuf, const char **name)
{
	spin_lock(&dma_buf_index.lock);
	swap(dmabuf->name, *name);
	spin_unlock(&dma_buf_index.lock);
}

/**
 * dma_buf_index_get_older - get the next buffer of a walk from new to old
 * @dmabuf: buffer that the caller holds a reference to, NULL to begin
 *
 * Skips buffers whose last reference is gone even if the file has not been
 * released yet; an exiting process may leave any number of these.
 *
 * Context: May sleep. Takes the index lock.
 *
 * Return: The newest open buffer that is older than @dmabuf, with its refcount
 * elevated, or NULL if there is none.
 */
struct dma_buf *dma_buf_index_get_older(struct dma_buf *dmabuf)
{
	struct list_head *pos = dmabuf ? &to_dma_buf_entry(dmabuf)->node.list :
				&dma_buf_index.list;
	struct dma_buf_index_node cursor = {};
	struct dma_buf_index_node *node;
	struct dma_buf_entry *entry;
	int budget = DMA_BUF_INDEX_BATCH;

	dmabuf = NULL;
	spin_lock(&dma_buf_index.lock);
	while ((pos = pos->prev) != &dma_buf_index.list) {
		if (!budget--) {
			list_add(&cursor.list, pos);
			spin_unlock(&dma_buf_index.lock);
			cond_resched();
			spin_lock(&dma_buf_index.lock);
			budget = DMA_BUF_INDEX_BATCH;
			pos = cursor.list.next;
			list_del(&cursor.list);
			continue;
		}

		node = list_entry(pos, struct dma_buf_index_node, list);
		if (!node->ino)
			continue;
		entry = container_of(node, struct dma_buf_entry, node);
		if (!entry->closed && dma_buf_tryget(&entry->dmabuf)) {
			dmabuf = &entry->dmabuf;
			break;
		}
	}
	spin_unlock(&dma_buf_index.lock);

	return dmabuf;
}
