// SPDX-License-Identifier: GPL-2.0
/* What the kernel tells: the counters, the list, fdinfo and bufinfo. */

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "kselftest.h"
#include "common.h"

/* How often to try for a moment when nothing changes */
#define TRIES	1000

bool counter_read(const char *file, unsigned long long *value)
{
	struct text text;
	char path[64];
	const char *s;
	bool ok;

	snprintf(path, sizeof(path), STATS_DIR "%s", file);
	if (!text_read_path(path, &text))
		return false;
	s = text.s;
	ok = get_number(&s, value) && s == text.s + text.len - 1 && *s == '\n';
	if (!ok)
		ksft_print_msg("%s: not a number and a newline: '%s'\n", path,
			       text.s);
	text_free(&text);
	return ok;
}

/* A kernel may do without the peak and the sums of exports, but not in part */
bool peak_there(void)
{
	return !access(STATS_DIR "peak_bytes", F_OK) ||
	       !access(STATS_DIR "nr_exported", F_OK) ||
	       !access(STATS_DIR "bytes_exported", F_OK);
}

/* Without the peak and the sums of exports, these are 0 */
bool counters_read(struct counters *c)
{
	memset(c, 0, sizeof(*c));
	if (!counter_read("nr_buffers", &c->nr_buffers) ||
	    !counter_read("bytes", &c->bytes))
		return false;
	return !peak_there() ||
	       (counter_read("peak_bytes", &c->peak_bytes) &&
		counter_read("nr_exported", &c->nr_exported) &&
		counter_read("bytes_exported", &c->bytes_exported));
}

ssize_t peak_write(const char *text, size_t len)
{
	return file_write(STATS_DIR "peak_bytes", text, len);
}

bool list_read(struct list *list)
{
	struct text text;
	bool ok;

	memset(list, 0, sizeof(*list));
	if (!text_read_path(LIST_PROC, &text))
		return false;
	ok = list_parse(&text, list);
	text_free(&text);
	return ok;
}

/* By number, for a buffer that has no descriptor any more */
bool row_find(unsigned long long ino, struct row *row)
{
	const struct row *found;
	struct list list;

	if (!list_read(&list))
		return false;
	found = list_find(&list, ino);
	if (found)
		*row = *found;
	list_free(&list);
	return found;
}

bool row_of(int fd, struct row *row)
{
	return row_find(buffer_ino(fd), row);
}

bool snapshot(struct counters *c, struct list *list)
{
	struct counters after;
	int i;

	for (i = 0; i < TRIES; i++) {
		if (!counters_read(c) || !list_read(list))
			return false;
		if (counters_read(&after) && !memcmp(c, &after, sizeof(after)))
			return true;
		list_free(list);
		usleep(1000);
	}
	ksft_print_msg("the counters never stood still\n");
	return false;
}

bool exact(size_t nr, unsigned long long bytes)
{
	unsigned long long own_bytes;
	struct counters c;
	struct list list;
	size_t own;
	bool ok;

	if (!snapshot(&c, &list))
		return false;
	own = list_of(&list, getpid(), &own_bytes);
	ok = c.nr_buffers == list.nr && c.bytes == list.bytes &&
	     own == nr && own_bytes == bytes;
	if (!ok) {
		ksft_print_msg("counted %llu (%llu bytes), listed %zu (%llu)\n",
			       c.nr_buffers, c.bytes, list.nr, list.bytes);
		ksft_print_msg("own listed %zu (%llu), made %zu (%llu)\n",
			       own, own_bytes, nr, bytes);
	}
	list_free(&list);
	return ok;
}

bool snapshot_text(bool (*read)(void *arg, struct text *text), void *arg,
		   struct text *text, struct text *list)
{
	struct text after;
	bool same;
	int i;

	for (i = 0; i < TRIES; i++) {
		if (!text_read_path(LIST_PROC, list))
			return false;
		if (!read(arg, text) || !text_read_path(LIST_PROC, &after))
			return false;
		same = !strcmp(list->s, after.s);
		text_free(&after);
		if (same)
			return true;
		text_free(text);
		text_free(list);
		usleep(1000);
	}
	ksft_print_msg("the list never stood still\n");
	return false;
}

/* Returns 0, which no buffer has, on failure */
unsigned long long fdinfo_ino(int fd)
{
	unsigned long long ino = 0;
	struct text text;
	char *line;

	if (!fdinfo_read(fd, &text))
		return 0;
	line = strstr(text.s, "\nino:\t");
	if (line)
		ino = strtoull(line + strlen("\nino:\t"), NULL, 10);
	text_free(&text);
	return ino;
}

/*
 * Splits the row of a buffer in bufinfo at the tabs; the last field is the
 * name. The fields point into TEXT, which the caller frees.
 */
bool bufinfo_row(unsigned long long ino, char *fields[7], struct text *text)
{
	char *line, *next, *tab;
	int i;

	if (!text_read_path(BUFINFO, text))
		return false;
	for (line = text->s; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		for (i = 0; i < 7; i++) {
			fields[i] = line;
			tab = i < 6 ? strchr(line, '\t') : NULL;
			if (!tab)
				break;
			*tab = '\0';
			line = tab + 1;
		}
		if (i == 6 && strtoull(fields[5], NULL, 10) == ino)
			return true;
	}
	text_free(text);
	return false;
}
