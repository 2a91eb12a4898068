// SPDX-License-Identifier: GPL-2.0-only
/*
 * The list of all dma-bufs, a line each, made when somebody reads it
 *
 * The position in the file is the number of the buffer to come, so that it
 * does not matter which others come and go between two reads. A row is copied
 * in one hold of the index lock and formatted after it.
 */

#include <linux/capability.h>
#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/kernel.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/string_helpers.h>

#include "dma-buf-index.h"
#include "dma-buf-list.h"

/* The names and the order are an interface: see ABI/testing/procfs-dmabufs */
#define DMA_BUF_LIST_HEADER						\
	"# dmabufs 1\n"							\
	"# ino size refs attached flags pid comm exporter module name\n"

/* An open file. @last to @bytes are of the listing that is under way. */
struct dma_buf_list {
	struct dma_buf_index_node cursor;
	u64 last;		/* number of the last buffer that belongs to it */
	u64 nr;			/* rows that the reader has come past */
	u64 bytes;		/* the sum of their sizes */
	struct dma_buf_row row;	/* where the reader is */
	unsigned int flags;	/* that flags_text shows */
	char flags_text[16];
};

/*
 * Returns the row at or after @pos, @list itself for the line that ends the
 * listing, and NULL behind that. Takes rcu_read_lock() in each case.
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

	/* A seek may come here for every buffer of a long list */
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
 * A row goes straight into the buffer of the seq_file, from @p on, as a
 * seq_printf() of it takes twice as long. If it does not fit, these return @end,
 * and so does each that is given @end; seq_commit() of -1 then makes seq_file
 * come again with a larger buffer.
 */
static char *dma_buf_list_num(char *p, char *end, u64 num)
{
	int len = 1;

	/* As seq_put_decimal_ull() does: most of them have one digit */
	if (num <= 9 && p < end)
		*p = '0' + num;
	else
		len = num_to_str(p, end - p, num, 0);
	if (!len)
		return end;
	p += len;
	if (p < end)
		*p++ = ' ';
	return p;
}

static char *dma_buf_list_escape(char *p, char *end, const char *s,
				 const char *also)
{
	int len = string_escape_mem(s, strlen(s), p, end - p,
				    ESCAPE_OCTAL | ESCAPE_NAP | ESCAPE_APPEND,
				    also);

	return len < end - p ? p + len : end;
}

static char *dma_buf_list_text(char *p, char *end, const char *s, char sep)
{
	if (s[0] == '-' && !s[1]) {
		p = dma_buf_list_escape(p, end, s, "-");
		s = "";
	}

	/* Nearly all texts need no escaping, which is slow */
	for (; p < end; s++) {
		char c = *s;

		if (c <= ' ' || c >= 0x7f || c == '\\')
			break;
		*p++ = c;
	}
	if (*s)
		p = dma_buf_list_escape(p, end, s, " \\");
	if (p < end)
		*p++ = sep;
	return p;
}

/*
 * Whatever is in @s, it makes one field: an empty one is "-", and what is not
 * printable, a space or a backslash is escaped, as is a "-" that is not ours.
 */
static inline char *dma_buf_list_field(char *p, char *end, const char *s,
				       char sep)
{
	if (s && *s)
		return dma_buf_list_text(p, end, s, sep);
	if (end - p < 2)
		return end;
	*p++ = '-';
	*p++ = sep;
	return p;
}

/* Nearly all files have the same flags: print them when they change */
static const char *dma_buf_list_flags(struct dma_buf_list *list)
{
	if (!list->row.refs)
		return NULL;
	if (list->flags != list->row.flags || !list->flags_text[0]) {
		list->flags = list->row.flags;
		snprintf(list->flags_text, sizeof(list->flags_text), "0%o",
			 list->flags);
	}
	return list->flags_text;
}

static int dma_buf_list_show(struct seq_file *m, void *v)
{
	struct dma_buf_list *list = m->private;
	struct dma_buf_row *row = &list->row;
	char *buf, *end, *p;
	size_t size;

	if (v == SEQ_START_TOKEN) {
		seq_puts(m, DMA_BUF_LIST_HEADER);
		return 0;
	}
	if (v == list) {
		seq_put_decimal_ull(m, "# end ", list->nr);
		seq_put_decimal_ull(m, " ", list->bytes);
		seq_putc(m, '\n');
		return 0;
	}

	size = seq_get_buf(m, &buf);
	end = buf + size;
	p = dma_buf_list_num(buf, end, row->ino);
	p = dma_buf_list_num(p, end, row->size);
	p = dma_buf_list_num(p, end, row->refs);
	p = dma_buf_list_num(p, end, row->attached);
	p = dma_buf_list_field(p, end, dma_buf_list_flags(list), ' ');
	p = dma_buf_list_num(p, end, row->pid);
	p = dma_buf_list_field(p, end, row->comm, ' ');
	p = dma_buf_list_field(p, end, row->exporter, ' ');
	p = dma_buf_list_field(p, end, row->module, ' ');
	p = dma_buf_list_field(p, end, row->name, '\n');
	seq_commit(m, p < end ? p - buf : -1);

	return 0;
}

static const struct seq_operations dma_buf_list_ops = {
	.start	= dma_buf_list_start,
	.next	= dma_buf_list_next,
	.stop	= dma_buf_list_stop,
	.show	= dma_buf_list_show,
};

/**
 * dma_buf_list_open - open the list
 * @inode: of the file
 * @file: that is being opened
 *
 * Beyond the mode of the file this asks for a capability in the initial user
 * namespace, since the file may be visible in any container.
 *
 * Return: 0, -EACCES without CAP_PERFMON and CAP_SYS_ADMIN, -ENOMEM.
 */
int dma_buf_list_open(struct inode *inode, struct file *file)
{
	struct dma_buf_list *list;

	if (!perfmon_capable())
		return -EACCES;

	list = __seq_open_private(file, &dma_buf_list_ops, sizeof(*list));
	if (!list)
		return -ENOMEM;

	dma_buf_index_add_cursor(&list->cursor);
	return 0;
}

/**
 * dma_buf_list_release - close the list
 * @inode: of the file
 * @file: that is being closed
 *
 * Return: 0.
 */
int dma_buf_list_release(struct inode *inode, struct file *file)
{
	struct seq_file *m = file->private_data;
	struct dma_buf_list *list = m->private;

	dma_buf_index_del_cursor(&list->cursor);
	return seq_release_private(inode, file);
}

static const struct file_operations dma_buf_list_fops = {
	.owner		= THIS_MODULE,
	.open		= dma_buf_list_open,
	.read		= seq_read,
	.llseek		= seq_lseek,
	.release	= dma_buf_list_release,
};

/**
 * dma_buf_list_init_debugfs - show the list in debugfs
 * @dir: directory of dma-buf
 */
void dma_buf_list_init_debugfs(struct dentry *dir)
{
	debugfs_create_file("buffers", 0400, dir, NULL, &dma_buf_list_fops);
}
