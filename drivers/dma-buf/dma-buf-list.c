// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of all dma-bufs, one line for each, generated when it is read
 *
 * The file position is the number of the next buffer, so it stays valid while
 * others come and go. A row is copied under the index lock and formatted after.
 */

#include <linux/capability.h>
#include <linux/init.h>
#include <linux/math64.h>
#include <linux/printk.h>
#include <linux/proc_fs.h>
#include <linux/rcupdate.h>
#include <linux/seq_file.h>
#include <linux/string_helpers.h>
#include <linux/time64.h>

#include "dma-buf-index.h"

/* State of an open file; @last, @nr and @bytes are those of the listing */
struct dma_buf_list {
	struct dma_buf_index_node cursor;
	u64 last;		/* number of the last buffer to be listed */
	u64 nr;			/* rows listed so far */
	u64 bytes;		/* sum of their sizes */
	struct dma_buf_row row;	/* current row */
};

/*
 * Returns the row at or after @pos, @list itself for the line that ends the
 * listing, and NULL after that. Takes rcu_read_lock() in any case.
 */
static void *dma_buf_list_find(struct dma_buf_list *list, u64 pos)
	__acquires(RCU)
{
	if (dma_buf_index_find(&list->cursor, pos, list->last, &list->row))
		return &list->row;

	return pos <= list->last + 1 ? list : NULL;
}

static void *dma_buf_list_start(struct seq_file *m, loff_t *pos)
	__acquires(RCU)
{
	struct dma_buf_list *list = m->private;

	if (*pos)
		return dma_buf_list_find(list, *pos);

	list->last = dma_buf_index_rewind(&list->cursor);
	list->nr = 0;
	list->bytes = 0;
	rcu_read_lock();
	return SEQ_START_TOKEN;
}

static void *dma_buf_list_next(struct seq_file *m, void *v, loff_t *pos)
	__must_hold(RCU)
{
	struct dma_buf_list *list = m->private;

	/* A seek may call this for every buffer of a long list */
	rcu_read_unlock();
	cond_resched();

	if (v == SEQ_START_TOKEN) {
		*pos = 1;
	} else if (v == list) {
		*pos = list->last + 2;
	} else {
		/* ->show may run twice for a row, this does not */
		list->nr++;
		list->bytes += list->row.size;
		*pos = list->row.ino + 1;
	}

	return dma_buf_list_find(list, *pos);
}

static void dma_buf_list_stop(struct seq_file *m, void *v)
	__releases(RCU)
{
	rcu_read_unlock();
}

/*
 * Show @s as one field: "-" if it is empty. Spaces, backslashes and bytes that
 * are not printable ASCII are escaped, and so is the text "-" itself.
 */
static void dma_buf_list_show_text(struct seq_file *m, const char *s)
{
	const char *p = s;

	seq_putc(m, ' ');
	if (!s || !*s) {
		seq_putc(m, '-');
		return;
	}
	/* Most strings need no escaping, which is much slower */
	while (*p > ' ' && *p <= '~' && *p != '\\')
		p++;
	if (s[0] == '-' && !s[1])
		seq_puts(m, "\\055");
	else if (!*p)
		seq_write(m, s, p - s);
	else
		seq_escape_mem(m, s, strlen(s),
			       ESCAPE_OCTAL | ESCAPE_NAP | ESCAPE_APPEND,
			       " \\");
}

static int dma_buf_list_show(struct seq_file *m, void *v)
{
	struct dma_buf_list *list = m->private;
	struct dma_buf_row *row = &list->row;

	if (v == SEQ_START_TOKEN) {
		/* Readers find columns by these names: append new ones only */
		seq_puts(m, "# dmabufs 1\n");
		seq_puts(m, "# ino size refs attached flags time pid comm exporter module name\n");
		return 0;
	}
	if (v == list) {
		seq_put_decimal_ull(m, "# end ", list->nr);
		seq_put_decimal_ull(m, " ", list->bytes);
		seq_putc(m, '\n');
		return 0;
	}

	seq_put_decimal_ull(m, "", row->ino);
	seq_put_decimal_ull(m, " ", row->size);
	seq_put_decimal_ull(m, " ", row->refs);
	seq_put_decimal_ull(m, " ", row->attached);
	if (row->refs)
		seq_printf(m, " 0%o", row->flags);
	else
		seq_puts(m, " -");
	seq_put_decimal_ull(m, " ", div_u64(row->time, NSEC_PER_MSEC));
	seq_put_decimal_ull(m, " ", row->pid);
	dma_buf_list_show_text(m, row->comm);
	dma_buf_list_show_text(m, row->exporter);
	dma_buf_list_show_text(m, row->module);
	dma_buf_list_show_text(m, row->name);
	seq_putc(m, '\n');

	return 0;
}

static const struct seq_operations dma_buf_list_ops = {
	.start	= dma_buf_list_start,
	.next	= dma_buf_list_next,
	.stop	= dma_buf_list_stop,
	.show	= dma_buf_list_show,
};

static int dma_buf_list_open(struct inode *inode, struct file *file)
{
	struct dma_buf_list *list;

	/* In addition to the mode: the file may be visible in any container */
	if (!perfmon_capable())
		return -EACCES;

	list = __seq_open_private(file, &dma_buf_list_ops, sizeof(*list));
	if (!list)
		return -ENOMEM;

	/* ->start inserts it */
	INIT_LIST_HEAD(&list->cursor.list);
	return 0;
}

static int dma_buf_list_release(struct inode *inode, struct file *file)
{
	struct seq_file *m = file->private_data;
	struct dma_buf_list *list = m->private;

	dma_buf_index_del_cursor(&list->cursor);
	return seq_release_private(inode, file);
}

const struct file_operations dma_buf_list_fops = {
	.owner		= THIS_MODULE,
	.open		= dma_buf_list_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= dma_buf_list_release,
};

#ifdef CONFIG_PROC_FS
static const struct proc_ops dma_buf_list_proc_ops = {
	.proc_flags	= PROC_ENTRY_PERMANENT,
	.proc_open	= dma_buf_list_open,
	.proc_read_iter	= seq_read_iter,
	.proc_lseek	= seq_lseek,
	.proc_release	= dma_buf_list_release,
};

static int __init dma_buf_list_init(void)
{
	if (!proc_create("dmabufs", 0400, NULL, &dma_buf_list_proc_ops))
		pr_warn("dma-buf: no /proc/dmabufs\n");

	return 0;
}
subsys_initcall(dma_buf_list_init);
#endif
