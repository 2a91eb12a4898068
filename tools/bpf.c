// SPDX-License-Identifier: GPL-2.0
/* The kernel's iterator over open DMA-BUFs, Linux 6.16 and later */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dmabuf-stat.h"
#include "dmabuf_stat_bpf.h"

#ifdef HAVE_BPF
#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include "dmabuf_stat.skel.h"

static char *read_rows(struct dmabuf_stat_bpf *skel, size_t *size)
{
	struct bpf_link *link = bpf_program__attach_iter(skel->progs.rows, NULL);
	/* more than the kernel's buffer: rows end where it is full or at the end */
	const size_t chunk = 256 << 10;
	struct dmabuf_end end = { 0 };
	unsigned int key = 0;
	char *data = NULL;
	ssize_t n = -1;
	int fd = -1, err;

	*size = 0;
	if (link)
		fd = bpf_iter_create(bpf_link__fd(link));
	if (fd >= 0) {
		do {
			data = xrealloc(data, *size + chunk, 1);
			n = read(fd, data + *size, chunk);
			if (n > 0)
				*size += n;
		} while (n > 0 || (n < 0 && (errno == EINTR || errno == EAGAIN)));
	}
	if (n < 0 || bpf_map_lookup_elem(bpf_map__fd(skel->maps.end), &key, &end)) {
		free(data);
		data = NULL;
	} else {
		memcpy(data + *size, &end, sizeof(end));
		*size += sizeof(end);
	}
	err = errno;
	if (fd >= 0)
		close(fd);
	bpf_link__destroy(link);
	errno = err;
	return data;
}

char *bpf_rows(size_t *size)
{
	struct dmabuf_stat_bpf *skel;
	char *data;
	int err;

	if (!root_live) {
		errno = ENOENT;
		return NULL;
	}
	/* the program takes the kernel's longs and pointers for 64 bits */
	if (sizeof(long) < 8) {
		errno = ENOTSUP;
		return NULL;
	}
	libbpf_set_print(NULL);
	skel = dmabuf_stat_bpf__open_and_load();
	if (!skel) {
		/* there is no such iterator */
		if (errno == ESRCH)
			errno = ENOENT;
		return NULL;
	}
	data = read_rows(skel, size);
	err = errno;
	dmabuf_stat_bpf__destroy(skel);
	errno = err;
	return data;
}
#else
char *bpf_rows(size_t *size)
{
	*size = 0;
	errno = ENOTSUP;
	return NULL;
}
#endif

static const char *text(const char *s, size_t size)
{
	char buf[DMABUF_EXPORTER + 1];

	size = strnlen(s, size);
	memcpy(buf, s, size);
	buf[size] = 0;
	return escape(buf);
}

static void add(struct snap *s, const struct dmabuf_row *row)
{
	struct buf b = { .ino = row->ino, .size = row->size, .refs = row->refs,
			 .attached = row->attached, .has = HAS_INO | HAS_SIZE };
	char octal[32];

	if (row->has_refs)
		b.has |= HAS_REFS;
	if (row->has_attached)
		b.has |= HAS_ATTACHED;
	snprintf(octal, sizeof(octal), "0%o", row->flags);
	b.flags = intern(octal);
	b.exporter = text(row->exporter, sizeof(row->exporter));
	b.module = text(row->module, sizeof(row->module));
	if (snap_wants(s, G_NAME))
		b.name = text(row->name, sizeof(row->name));
	snap_add(s, &b);
}

int bpf_read(struct snap *s)
{
	struct dmabuf_end end, got = { 0 };
	struct dmabuf_row row;
	size_t size = 0, at;
	char *data;

	if (root_live)
		data = bpf_rows(&size);
	else
		data = rec_slurp(rec_path(s, rec_bpf), &size);
	if (!data)
		return -errno;
	if (size < sizeof(end) || (size - sizeof(end)) % sizeof(row)) {
		snap_note(s, true, "BPF iterator: rows not understood");
		free(data);
		return -EPROTO;
	}
	for (at = 0; at + sizeof(row) < size; at += sizeof(row)) {
		memcpy(&row, data + at, sizeof(row));
		got.rows++;
		got.bytes += row.size;
		add(s, &row);
	}
	memcpy(&end, data + at, sizeof(end));
	free(data);
	if (got.rows != end.rows || got.bytes != end.bytes)
		snap_note(s, true, "BPF iterator: cut short, as by Linux 6.16 to 6.18; try --source bufinfo");
	return 0;
}
