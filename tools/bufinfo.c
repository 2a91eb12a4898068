// SPDX-License-Identifier: GPL-2.0
/* /sys/kernel/debug/dma_buf/bufinfo, in each shape that it has had */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "dmabuf-stat.h"

enum { B_SIZE, B_FLAGS, B_COUNT, B_EXPORTER, B_INO, B_NAME, B_N };

static const char * const names[B_N] = {
	"size", "flags", "count", "exp_name", "ino", "name",
};

#define MAX_COLUMNS 16

static bool header(char *line, int at[B_N], int *ncol)
{
	char *word;
	int i;

	for (i = 0; i < B_N; i++)
		at[i] = -1;
	*ncol = 0;
	while ((word = strsep(&line, "\t"))) {
		word[strcspn(word, " ")] = 0;
		for (i = 0; i < B_N; i++)
			if (!strcmp(word, names[i]))
				at[i] = *ncol;
		if (++*ncol == MAX_COLUMNS)
			return false;
	}
	if (at[B_SIZE] < 0)
		return false;
	/* Linux 5.3 to 5.9 print the name without naming it */
	if (at[B_NAME] < 0 && at[B_INO] == *ncol - 1)
		at[B_NAME] = *ncol;
	return true;
}

/* Fields are separated by tabs; the name is last and may hold anything */
static bool row(struct snap *s, char *line, const int at[B_N], int ncol,
		struct buf *b)
{
	char *field[MAX_COLUMNS + 1] = { NULL };
	int last = at[B_NAME] >= ncol - 1 ? at[B_NAME] : ncol;
	int n;

	memset(b, 0, sizeof(*b));
	for (n = 0; line && n < last; n++)
		field[n] = strsep(&line, "\t");
	if (line)
		field[n++] = line;
	if (n < ncol - 1 || (n < ncol && at[B_NAME] != ncol - 1))
		return false;

	if (!parse_u64(field[at[B_SIZE]], 10, &b->size))
		return false;
	b->has = HAS_SIZE;
	if (at[B_COUNT] >= 0) {
		if (!parse_u64(field[at[B_COUNT]], 10, &b->refs))
			return false;
		b->has |= HAS_REFS;
	}
	if (at[B_INO] >= 0) {
		if (!parse_u64(field[at[B_INO]], 10, &b->ino))
			return false;
		b->has |= HAS_INO;
	}
	if (at[B_FLAGS] >= 0) {
		char *end;
		unsigned long flags = strtoul(field[at[B_FLAGS]], &end, 16);
		char octal[32];

		if (*end)
			return false;
		snprintf(octal, sizeof(octal), "0%lo", flags);
		b->flags = intern(octal);
	}
	if (at[B_EXPORTER] >= 0)
		b->exporter = escape(field[at[B_EXPORTER]]);
	if (at[B_NAME] >= 0 && snap_wants(s, G_NAME)) {
		const char *name = at[B_NAME] < n ? field[at[B_NAME]] : NULL;

		b->name = !name || !strcmp(name, "<none>") ?
			  intern("-") : escape(name);
	}
	return true;
}

static bool total(const char *line, const char *fmt, uint64_t *n, uint64_t *m)
{
	unsigned long long a, b = 0;
	int len = 0;

	if (sscanf(line, fmt, &a, &b, &len) < 1)
		return false;
	*n = a;
	*m = b;
	return true;
}

static void add_device(struct snap *s, const char *name)
{
	if (s->ndevices == s->device_room) {
		s->device_room = s->device_room ? s->device_room * 2 : 8;
		s->devices = xrealloc(s->devices, s->device_room,
				      sizeof(*s->devices));
	}
	s->devices[s->ndevices++] = escape(name);
}

int bufinfo_read(struct snap *s)
{
	struct lines *l = lines_open(rec_path(s, BUFINFO));
	uint64_t rows = 0, bytes = 0, n, m, total_n = 0, total_m = 0;
	bool have = false, devices = false, ended = false, known = false;
	int at[B_N], ncol = 0;
	struct buf b;
	char *line;

	if (!l)
		return -errno;

	while ((line = lines_next(l))) {
		if (!known) {
			known = !strncmp(line, "size", 4) &&
				header(line, at, &ncol);
			continue;
		}
		if (*line == '\t') {
			if (!strcasecmp(line, "\tAttached Devices:")) {
				devices = true;
				b.attached = 0;
			} else if (devices && have) {
				b.attached++;
				if (!s->second && (b.has & HAS_INO) &&
				    s->detail_ino == b.ino)
					add_device(s, line + 1);
			}
		} else if (isdigit((unsigned char)*line)) {
			if (have && s->source == SRC_BUFINFO)
				snap_add(s, &b);
			have = row(s, line, at, ncol, &b);
			devices = false;
			if (!have) {
				snap_note(s, true, "bufinfo: a row is not understood");
				continue;
			}
			rows++;
			bytes += b.size;
		} else if (strstr(line, " devices attached") &&
			   total(line, "Total %llu devices attached", &n, &m)) {
			if (!have)
				continue;
			if (devices && n == b.attached)
				b.has |= HAS_ATTACHED;
			else
				snap_note(s, true, "bufinfo: number of devices does not agree");
			if (s->source == SRC_BUFINFO)
				snap_add(s, &b);
			have = false;
			devices = false;
		} else if (strstr(line, " objects, ") &&
			   total(line, "Total %llu objects, %llu bytes", &n,
				 &m)) {
			/* a name may forge such a line: the last one counts */
			ended = !l->cut;
			total_n = n;
			total_m = m;
		}
	}
	if (have && s->source == SRC_BUFINFO)
		snap_add(s, &b);
	if (l->error)
		snap_note(s, true, "bufinfo: %s", strerror(l->error));
	lines_close(l);

	if (!known) {
		snap_note(s, true, "bufinfo: format not understood");
		return -EPROTO;
	}
	if (!ended)
		snap_note(s, true, "bufinfo: cut short, no last line");
	else if (total_n != rows || total_m != bytes)
		snap_note(s, true, "bufinfo: the last line does not agree with the rows");
	if (at[B_INO] < 0)
		snap_note(s, true, "bufinfo: no inode numbers on this kernel, so holders are not known");
	return 0;
}
