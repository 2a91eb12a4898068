// SPDX-License-Identifier: GPL-2.0
/* /proc/dmabufs */
#include <errno.h>
#include <string.h>

#include "dmabuf-stat.h"

enum {
	L_INO, L_SIZE, L_REFS, L_ATTACHED, L_FLAGS, L_TIME, L_PID, L_COMM,
	L_EXPORTER, L_MODULE, L_NAME, L_N
};

static const char * const names[L_N] = {
	"ino", "size", "refs", "attached", "flags", "time", "pid", "comm",
	"exporter", "module", "name",
};

#define MAX_COLUMNS 64

/* Columns are found by name, since new ones may come */
static bool header(char *line, int at[L_N], int *ncol)
{
	char *save, *word;
	int i;

	for (i = 0; i < L_N; i++)
		at[i] = -1;
	*ncol = 0;
	if (strncmp(line, "# ", 2))
		return false;
	for (word = strtok_r(line + 2, " ", &save); word;
	     word = strtok_r(NULL, " ", &save)) {
		for (i = 0; i < L_N; i++)
			if (!strcmp(word, names[i]))
				at[i] = *ncol;
		if (++*ncol == MAX_COLUMNS)
			return false;
	}
	return at[L_INO] >= 0 && at[L_SIZE] >= 0;
}

static bool number(char **field, int at, uint64_t *val, uint8_t *has, int bit)
{
	if (at < 0)
		return true;
	if (!parse_u64(field[at], 10, val))
		return false;
	*has |= bit;
	return true;
}

static const char *text(char **field, int at)
{
	return at < 0 ? NULL : escape(field[at]);
}

static bool row(struct snap *s, char *line, const int at[L_N], int ncol,
		struct buf *b)
{
	char *field[MAX_COLUMNS];
	int n = 0;

	memset(b, 0, sizeof(*b));
	for (;;) {
		field[n++] = line;
		line = strchr(line, ' ');
		if (!line || n == MAX_COLUMNS)
			break;
		*line++ = 0;
	}
	if (n != ncol || line)
		return false;
	for (n = 0; n < ncol; n++)
		if (!*field[n])
			return false;

	if (!number(field, at[L_INO], &b->ino, &b->has, HAS_INO) ||
	    !number(field, at[L_SIZE], &b->size, &b->has, HAS_SIZE) ||
	    !number(field, at[L_REFS], &b->refs, &b->has, HAS_REFS) ||
	    !number(field, at[L_ATTACHED], &b->attached, &b->has,
		    HAS_ATTACHED) ||
	    !number(field, at[L_TIME], &b->time, &b->has, HAS_TIME) ||
	    !number(field, at[L_PID], &b->pid, &b->has, HAS_PID))
		return false;
	/* what is there again is told by its number */
	if (s->second)
		return true;
	b->flags = text(field, at[L_FLAGS]);
	if (snap_wants(s, G_COMM))
		b->comm = text(field, at[L_COMM]);
	b->exporter = text(field, at[L_EXPORTER]);
	b->module = text(field, at[L_MODULE]);
	if (snap_wants(s, G_NAME))
		b->name = text(field, at[L_NAME]);
	return true;
}

static bool trailer(const char *line, uint64_t rows, uint64_t bytes)
{
	char want[64];

	snprintf(want, sizeof(want), "# end %llu %llu",
		 (unsigned long long)rows, (unsigned long long)bytes);
	return !strcmp(line, want);
}

int list_read(struct snap *s)
{
	struct lines *l = lines_open(rec_path(s, "proc/dmabufs"));
	uint64_t rows = 0, bytes = 0;
	int at[L_N], ncol;
	struct buf b;
	char *line;

	if (!l)
		return -errno;

	line = lines_next(l);
	if (!line || strcmp(line, "# dmabufs 1")) {
		if (line && !strncmp(line, "# dmabufs ", 10))
			snap_note(s, true, "/proc/dmabufs: version %s is not understood; use a newer dmabuf-stat",
				  escape(line + 10));
		else
			snap_note(s, true, "/proc/dmabufs: format not understood");
		goto invalid;
	}
	line = lines_next(l);
	if (!line || !header(line, at, &ncol)) {
		snap_note(s, true, "/proc/dmabufs: names of the columns not understood");
		goto invalid;
	}

	while ((line = lines_next(l))) {
		if (!strncmp(line, "# end ", 6)) {
			if (l->cut || !trailer(line, rows, bytes))
				snap_note(s, true, "/proc/dmabufs: the last line does not agree with the rows");
			lines_close(l);
			return 0;
		}
		if (*line == '#')
			continue;
		if (l->cut)
			break;
		if (!row(s, line, at, ncol, &b)) {
			snap_note(s, true, "/proc/dmabufs: a row is not understood");
			continue;
		}
		rows++;
		bytes += b.size;	/* modulo 2^64, as the kernel does */
		snap_add(s, &b);
	}
	snap_note(s, true, "/proc/dmabufs: cut short, no \"# end\"%s%s",
		  l->error ? ": " : "", l->error ? strerror(l->error) : "");
	lines_close(l);
	return 0;

invalid:
	lines_close(l);
	return -EPROTO;
}
