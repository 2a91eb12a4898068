// SPDX-License-Identifier: GPL-2.0
/* A row of each open DMA-BUF, by the kernel's iterator over them */
#include <stdbool.h>
#include <linux/bpf.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#include "dmabuf_stat_bpf.h"

/* Only the members that are read; libbpf finds out where they are */
#define KERNEL	__attribute__((preserve_access_index))

struct list_head {
	struct list_head *next;
} KERNEL;

struct inode {
	unsigned long i_ino;
} KERNEL;

struct file {
	unsigned int f_flags;
	struct inode *f_inode;
	struct {
		struct {
			long long counter;
		} refcnt;
	} f_ref;
} KERNEL;

struct module {
	char name[DMABUF_MODULE];
} KERNEL;

struct dma_buf {
	unsigned long size;
	struct file *file;
	struct list_head attachments;
	const char *exp_name;
	const char *name;
	struct module *owner;
} KERNEL;

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
	unsigned long long seq_num;
} KERNEL;

struct bpf_iter__dmabuf {
	struct bpf_iter_meta *meta;
	struct dma_buf *dmabuf;
} KERNEL;

/* What has been seen, as the last row may be missing without an error */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, unsigned int);
	__type(value, struct dmabuf_end);
} end SEC(".maps");

char _license[] SEC("license") = "GPL";

struct walk {
	struct list_head *head, *at;
	unsigned int n;
};

static long attachment(unsigned int i, void *ctx)
{
	struct walk *w = ctx;
	struct list_head *at = w->at;

	if (!at || at == w->head)
		return 1;
	w->n++;
	w->at = BPF_CORE_READ(at, next);
	return 0;
}

SEC("iter/dmabuf")
int rows(struct bpf_iter__dmabuf *ctx)
{
	unsigned long long num = ctx->meta->seq_num;
	struct dma_buf *dmabuf = ctx->dmabuf;
	struct dmabuf_row row = {};
	struct dmabuf_end *e;
	unsigned int key = 0;
	struct module *owner;
	struct walk w = {};

	e = bpf_map_lookup_elem(&end, &key);
	if (!dmabuf || !e)
		return 0;

	row.ino = BPF_CORE_READ(dmabuf, file, f_inode, i_ino);
	row.size = BPF_CORE_READ(dmabuf, size);
	row.flags = BPF_CORE_READ(dmabuf, file, f_flags);
	if (bpf_core_field_exists(((struct file *)0)->f_ref)) {
		/* it is one less than there are, and the iterator has one */
		row.refs = BPF_CORE_READ(dmabuf, file, f_ref.refcnt.counter);
		row.has_refs = true;
	}
	/* without the lock of the list it might go on forever */
	w.head = (struct list_head *)((void *)dmabuf +
		bpf_core_field_offset(struct dma_buf, attachments));
	w.at = BPF_CORE_READ(dmabuf, attachments.next);
	bpf_loop(DMABUF_ATTACHMENTS, attachment, &w, 0);
	row.attached = w.n;
	row.has_attached = w.at == w.head;
	bpf_probe_read_kernel_str(row.exporter, sizeof(row.exporter),
				  BPF_CORE_READ(dmabuf, exp_name));
	bpf_probe_read_kernel_str(row.name, sizeof(row.name),
				  BPF_CORE_READ(dmabuf, name));
	owner = BPF_CORE_READ(dmabuf, owner);
	if (owner)
		bpf_probe_read_kernel_str(row.module, sizeof(row.module),
					  &owner->name);

	/* a row that did not fit is shown again, with the same number */
	if (!num || num >= e->rows) {
		e->bytes = num ? e->bytes + row.size : row.size;
		e->rows = num + 1;
	}
	bpf_seq_write(ctx->meta->seq, &row, sizeof(row));
	return 0;
}
