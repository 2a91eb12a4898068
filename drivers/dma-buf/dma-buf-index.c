// SPDX-License-Identifier: GPL-2.0-only
/*
 * The index of dma-bufs
 */

#include <linux/dma-buf.h>
#include <linux/fs.h>
#include <linux/list.h>
#include <linux/module.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/spinlock.h>
#include <linux/string.h>

#include "dma-buf-index.h"

/**
 * DOC: index
 *
 * Every dma-buf is on a list ordered by its number. The number is given under
 * the lock that also orders the insertion, so a new buffer always goes to the
 * tail, no number is used twice, and a buffer's place never changes.
 *
 * The lock is a spinlock: what is said not to sleep below may do so for it with
 * PREEMPT_RT. It is only ever held to insert, to remove, or to look at no more
 * than %DMA_BUF_INDEX_BATCH entries; a walk that has to go further leaves a
 * cursor, an entry without a number, drops the lock and resumes there. So what
 * an exporter may have to wait for does not depend on how many buffers there
 * are, nor on who walks them. Only the lock of a buffer's name nests in it.
 */

/* Entries that are looked at in one hold of the lock */
#define DMA_BUF_INDEX_BATCH	32

static struct {
	spinlock_t lock;	/* protects this and the lists' entries */
	u64 last;		/* the last number given */
	struct list_head open;	/* buffers whose file is not closed */
#ifdef CONFIG_DMABUF_STATS
	struct list_head all;	/* buffers that have not been released */
	struct dma_buf_totals totals;	/* but for nr_exported, which is last */
#endif
} dma_buf_index ____cacheline_aligned_in_smp = {
	.lock = __SPIN_LOCK_UNLOCKED(dma_buf_index.lock),
	.open = LIST_HEAD_INIT(dma_buf_index.open),
#ifdef CONFIG_DMABUF_STATS
	.all = LIST_HEAD_INIT(dma_buf_index.all),
#endif
};

#ifdef CONFIG_DMABUF_STATS
static void dma_buf_index_count(struct dma_buf *dmabuf)
{
	struct dma_buf_totals *totals = &dma_buf_index.totals;
	size_t size = dmabuf->size;

	list_add_tail(&dmabuf->node.all, &dma_buf_index.all);
	totals->nr_buffers++;
	totals->bytes += size;
	totals->bytes_exported += size;
	if (totals->peak_bytes < totals->bytes)
		totals->peak_bytes = totals->bytes;
}

/**
 * dma_buf_index_del - forget a buffer that has been released
 * @dmabuf: buffer whose exporter's release has returned
 *
 * Context: Takes the index lock; does not sleep.
 */
void dma_buf_index_del(struct dma_buf *dmabuf)
{
	spin_lock(&dma_buf_index.lock);
	list_del(&dmabuf->node.all);
	dma_buf_index.totals.nr_buffers--;
	dma_buf_index.totals.bytes -= dmabuf->size;
	spin_unlock(&dma_buf_index.lock);
}

/**
 * dma_buf_index_get_totals - read the totals
 * @totals: where to put them
 *
 * Context: Takes the index lock, so that no value is torn and all are of one
 * moment; does not sleep.
 */
void dma_buf_index_get_totals(struct dma_buf_totals *totals)
{
	spin_lock(&dma_buf_index.lock);
	*totals = dma_buf_index.totals;
	totals->nr_exported = dma_buf_index.last;
	spin_unlock(&dma_buf_index.lock);
}

/**
 * dma_buf_index_reset_peak - let peak_bytes start anew from what there is now
 *
 * Context: Takes the index lock; does not sleep.
 */
void dma_buf_index_reset_peak(void)
{
	spin_lock(&dma_buf_index.lock);
	dma_buf_index.totals.peak_bytes = dma_buf_index.totals.bytes;
	spin_unlock(&dma_buf_index.lock);
}

/**
 * dma_buf_index_add_cursor - put a cursor before the first buffer
 * @cursor: of the caller, who must call dma_buf_index_del_cursor() in the end
 *
 * Context: Takes the index lock; does not sleep.
 */
void dma_buf_index_add_cursor(struct dma_buf_index_node *cursor)
{
	cursor->ino = 0;
	spin_lock(&dma_buf_index.lock);
	list_add(&cursor->all, &dma_buf_index.all);
	spin_unlock(&dma_buf_index.lock);
}

/**
 * dma_buf_index_del_cursor - take a cursor out of the index
 * @cursor: of the caller, in the index
 *
 * Context: Takes the index lock; does not sleep.
 */
void dma_buf_index_del_cursor(struct dma_buf_index_node *cursor)
{
	spin_lock(&dma_buf_index.lock);
	list_del(&cursor->all);
	spin_unlock(&dma_buf_index.lock);
}

/**
 * dma_buf_index_rewind - put a cursor before the first buffer again
 * @cursor: of the caller, in the index
 *
 * Context: Takes the index lock; does not sleep.
 *
 * Return: The number of the buffer exported last, 0 if there was none.
 */
u64 dma_buf_index_rewind(struct dma_buf_index_node *cursor)
{
	u64 last;

	spin_lock(&dma_buf_index.lock);
	list_move(&cursor->all, &dma_buf_index.all);
	last = dma_buf_index.last;
	spin_unlock(&dma_buf_index.lock);

	return last;
}

static void dma_buf_index_copy(struct dma_buf *dmabuf, struct dma_buf_row *row)
{
	bool open = !list_empty(&dmabuf->node.open);

	row->ino = dmabuf->node.ino;
	row->size = dmabuf->size;
	/* As long as it is among the open ones, its file is there */
	row->refs = open ? file_count(dmabuf->file) : 0;
	/* fcntl() changes them by a plain store, and old or new is as good */
	row->flags = open ? data_race(READ_ONCE(dmabuf->file->f_flags)) : 0;
	row->exporter = dmabuf->exp_name;
	row->module = dmabuf->owner ? module_name(dmabuf->owner) : NULL;
	row->attached = READ_ONCE(dmabuf->nr_attachments);
	row->pid = dmabuf->pid;
	memcpy(row->comm, dmabuf->comm, sizeof(row->comm));

	row->name[0] = '\0';
	/* A name once set is only ever replaced */
	if (data_race(READ_ONCE(dmabuf->name))) {
		spin_lock(&dmabuf->name_lock);
		strscpy(row->name, dmabuf->name, sizeof(row->name));
		spin_unlock(&dmabuf->name_lock);
	}
}

/**
 * dma_buf_index_find - find a buffer by its number and copy what the list says
 * @cursor: of the caller, in the index, not behind any buffer with the number
 *	@ino or more
 * @ino: the lowest number that will do, 1 or more
 * @last: the highest number that will do
 * @row: where to put the row of the buffer with the lowest such number
 *
 * Moves @cursor right before that buffer, so that the next call finds this one
 * or the next in a step or two. No reference to the buffer is kept. It may be
 * released as soon as this returns; rcu_read_lock() keeps the strings of @row,
 * as the module that they are in waits for RCU before it goes.
 *
 * Context: May sleep. Takes the index lock several times if it has to pass many
 * cursors of others. (They may overtake each other for as long as more than
 * %DMA_BUF_INDEX_BATCH readers pass the same place in turn.) Returns with
 * rcu_read_lock() held, also on failure.
 *
 * Return: false if there is no such buffer.
 */
bool dma_buf_index_find(struct dma_buf_index_node *cursor, u64 ino, u64 last,
			struct dma_buf_row *row)
	__acquires(RCU)
{
	struct list_head *pos = &cursor->all;
	int budget = DMA_BUF_INDEX_BATCH;
	struct dma_buf_index_node *node;
	bool found = false;

	spin_lock(&dma_buf_index.lock);
	while ((pos = pos->next) != &dma_buf_index.all) {
		node = list_entry(pos, struct dma_buf_index_node, all);
		if (node->ino >= ino) {
			found = node->ino <= last;
			break;
		}
		if (!--budget) {
			list_move(&cursor->all, pos);
			spin_unlock(&dma_buf_index.lock);
			cond_resched();
			spin_lock(&dma_buf_index.lock);
			budget = DMA_BUF_INDEX_BATCH;
			pos = &cursor->all;
		}
	}
	list_move_tail(&cursor->all, pos);
	if (found)
		dma_buf_index_copy(container_of(node, struct dma_buf, node),
				   row);
	rcu_read_lock();
	spin_unlock(&dma_buf_index.lock);

	return found;
}
#else
static inline void dma_buf_index_count(struct dma_buf *dmabuf) {}
#endif

/**
 * dma_buf_index_add - give a buffer its number and put it into the index
 * @dmabuf: new buffer, complete but for its number
 *
 * From here on others can find the buffer. The number is also that of the
 * buffer's inode.
 *
 * Context: Takes the index lock; does not sleep. Cannot fail.
 */
void dma_buf_index_add(struct dma_buf *dmabuf)
{
	struct inode *inode = file_inode(dmabuf->file);

	spin_lock(&dma_buf_index.lock);
	dmabuf->node.ino = ++dma_buf_index.last;
	inode->i_ino = dmabuf->node.ino;
	list_add_tail(&dmabuf->node.open, &dma_buf_index.open);
	dma_buf_index_count(dmabuf);
	spin_unlock(&dma_buf_index.lock);
}

/**
 * dma_buf_index_close - take note that the file of a buffer is going away
 * @dmabuf: buffer whose last file reference is gone
 *
 * After this nobody finds @dmabuf->file through the index. The buffer itself
 * may live on for long, as somebody may hold its dentry.
 *
 * Context: Takes the index lock; does not sleep.
 */
void dma_buf_index_close(struct dma_buf *dmabuf)
{
	spin_lock(&dma_buf_index.lock);
	list_del_init(&dmabuf->node.open);
	spin_unlock(&dma_buf_index.lock);
}

/*
 * Take a reference to the newest open buffer that is older than @pos, which is
 * the head or a buffer that the caller has a reference to. Buffers on their way
 * to their release have no reference left to share and are passed over; a dying
 * process may leave any number of them.
 */
static struct dma_buf *dma_buf_index_get_older(struct list_head *pos)
{
	struct dma_buf_index_node cursor = {};
	struct dma_buf_index_node *node;
	struct dma_buf *dmabuf = NULL;
	int budget = DMA_BUF_INDEX_BATCH;

	spin_lock(&dma_buf_index.lock);
	while ((pos = pos->prev) != &dma_buf_index.open) {
		if (!budget--) {
			list_add(&cursor.open, pos);
			spin_unlock(&dma_buf_index.lock);
			cond_resched();
			spin_lock(&dma_buf_index.lock);
			budget = DMA_BUF_INDEX_BATCH;
			pos = cursor.open.next;
			list_del(&cursor.open);
			continue;
		}

		node = list_entry(pos, struct dma_buf_index_node, open);
		if (!node->ino)
			continue;
		dmabuf = container_of(node, struct dma_buf, node);
		if (dma_buf_get_unless_closed(dmabuf))
			break;
		dmabuf = NULL;
	}
	spin_unlock(&dma_buf_index.lock);

	return dmabuf;
}

/**
 * dma_buf_iter_begin - begin iteration through all open DMA buffers
 *
 * Buffers come newest first, and none that is exported after this call. The
 * caller must release the reference, either by continuing the iteration with
 * dma_buf_iter_next(), or with dma_buf_put().
 *
 * Context: May sleep.
 *
 * Return:
 * * Newest buffer that is not in the process of being destroyed, with its
 *   refcount elevated
 * * NULL if there is none
 */
struct dma_buf *dma_buf_iter_begin(void)
{
	return dma_buf_index_get_older(&dma_buf_index.open);
}

/**
 * dma_buf_iter_next - continue iteration through all open DMA buffers
 * @dmabuf: buffer that the iteration has come to
 *
 * Drops the reference to @dmabuf, without any lock held since that may be the
 * last one. The caller must release the new reference as with
 * dma_buf_iter_begin().
 *
 * Context: May sleep.
 *
 * Return:
 * * Next older buffer, with its refcount elevated
 * * NULL if there is none
 */
struct dma_buf *dma_buf_iter_next(struct dma_buf *dmabuf)
{
	struct dma_buf *next = dma_buf_index_get_older(&dmabuf->node.open);

	dma_buf_put(dmabuf);
	return next;
}
