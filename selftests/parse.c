// SPDX-License-Identifier: GPL-2.0
/* A strict parser of the list, and what is in one. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "kselftest.h"
#include "common.h"

/* A decimal number as the kernel prints it: no sign, space or leading 0 */
bool get_number(const char **s, unsigned long long *value)
{
	char *end;

	if (**s < '0' || **s > '9' || (**s == '0' && (*s)[1] >= '0' &&
				       (*s)[1] <= '9'))
		return false;
	errno = 0;
	*value = strtoull(*s, &end, 10);
	*s = end;
	return !errno;
}

static bool plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '\\';
}

/*
 * Unescapes the field at *S, which ends with END, and moves *S past that. Each
 * byte has only one valid form: escaped if it has to be, plain if not.
 */
static bool get_string(const char **s, char end, char *out, size_t room)
{
	const char *field = *s;
	size_t len = 0;
	unsigned int c;

	while (**s != end) {
		c = (unsigned char)**s;
		if (c == '\\') {
			if (sscanf(*s, "\\%3o", &c) != 1 || c < 1 || c > 255 ||
			    strspn(*s + 1, "01234567") < 3)
				return false;
			*s += 3;
			if (plain(c) && !(c == '-' && len == 0 &&
					  (*s)[1] == end))
				return false;
		} else if (!plain(c)) {
			return false;
		}
		++*s;
		if (len + 1 >= room)
			return false;
		out[len++] = c;
	}
	if (*s == field)
		return false;
	if (*s == field + 1 && *field == '-')
		len = 0;
	out[len] = '\0';
	++*s;
	return true;
}

static bool get_field(const char **s, unsigned long long *value)
{
	return get_number(s, value) && *(*s)++ == ' ';
}

/* -1 for "-", otherwise octal with a leading 0 */
static bool get_flags(const char **s, long long *flags)
{
	char *end;

	if (!strncmp(*s, "- ", 2)) {
		*flags = -1;
		*s += 2;
		return true;
	}
	if (**s != '0')
		return false;
	*flags = strtol(*s, &end, 8);
	*s = end;
	return *(*s)++ == ' ';
}

static const char *row_fault(const char **s, struct row *row)
{
	unsigned long long pid;

	if (!get_field(s, &row->ino) || !row->ino)
		return "ino";
	if (!get_field(s, &row->size))
		return "size";
	if (!get_field(s, &row->refs))
		return "refs";
	if (!get_field(s, &row->attached))
		return "attached";
	if (!get_flags(s, &row->flags))
		return "flags";
	if (!get_field(s, &row->time))
		return "time";
	if (!get_field(s, &pid) || pid > 4194304)
		return "pid";
	row->pid = pid;
	if (!get_string(s, ' ', row->comm, sizeof(row->comm)))
		return "comm";
	if (!get_string(s, ' ', row->exporter, sizeof(row->exporter)))
		return "exporter";
	if (!get_string(s, ' ', row->module, sizeof(row->module)))
		return "module";
	if (!get_string(s, '\n', row->name, sizeof(row->name)))
		return "name";
	if (!row->refs != (row->flags == -1))
		return "refs and flags disagree on whether it is closed";
	return NULL;
}

/* Parses TEXT into LIST; returns what is wrong with it, or NULL */
const char *list_fault(const struct text *text, struct list *list)
{
	const char *s = text->s, *fault;
	unsigned long long nr, bytes;
	size_t room = 0;
	void *rows;

	memset(list, 0, sizeof(*list));
	if (strlen(s) != text->len)
		return "a NUL";
	if (strncmp(s, LIST_HEAD_1, strlen(LIST_HEAD_1)))
		return "first line";
	s += strlen(LIST_HEAD_1);
	if (strncmp(s, LIST_HEAD_2, strlen(LIST_HEAD_2)))
		return "second line";
	s += strlen(LIST_HEAD_2);

	while (*s && *s != '#') {
		if (list->nr == room) {
			room = room ? 2 * room : 64;
			rows = realloc(list->rows, room * sizeof(*list->rows));
			if (!rows)
				return "out of memory";
			list->rows = rows;
		}
		fault = row_fault(&s, &list->rows[list->nr]);
		if (fault)
			return fault;
		if (list->nr && list->rows[list->nr].ino <=
				list->rows[list->nr - 1].ino)
			return "ino does not ascend";
		list->bytes += list->rows[list->nr++].size;
	}

	if (strncmp(s, "# end ", 6))
		return "no last line";
	s += 6;
	if (!get_field(&s, &nr) || !get_number(&s, &bytes) || *s++ != '\n')
		return "last line";
	if (*s)
		return "text after the last line";
	if (nr != list->nr)
		return "last line counts other rows";
	if (bytes != list->bytes)
		return "last line sums up other bytes";
	return NULL;
}

/*
 * Returns what is wrong with a listing during which the NR buffers of INOS
 * existed, and which began before any buffer above NEWEST was exported. Nothing
 * is listed twice, as list_fault() accepts no number twice.
 */
const char *keepers_fault(const struct text *text,
			  const unsigned long long *inos, size_t nr,
			  unsigned long long newest)
{
	const char *fault;
	struct list list;
	size_t i;

	fault = list_fault(text, &list);
	for (i = 0; i < nr && !fault; i++)
		if (!list_find(&list, inos[i]))
			fault = "a buffer that was there is not listed";
	if (!fault && list.nr && list.rows[list.nr - 1].ino > newest)
		fault = "a buffer is listed that was exported later";
	list_free(&list);
	return fault;
}

bool list_parse(const struct text *text, struct list *list)
{
	const char *fault = list_fault(text, list);

	if (!fault)
		return true;
	ksft_print_msg("list: after %zu good rows: %s\n", list->nr, fault);
	ksft_print_msg("list: %zu bytes, ending in '%s'\n", text->len,
		       text->len > 200 ? text->s + text->len - 200 : text->s);
	list_free(list);
	return false;
}

void list_free(struct list *list)
{
	free(list->rows);
	memset(list, 0, sizeof(*list));
}

const struct row *list_find(const struct list *list, unsigned long long ino)
{
	size_t low = 0, high = list->nr, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (list->rows[mid].ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	return low < list->nr && list->rows[low].ino == ino ?
	       &list->rows[low] : NULL;
}

/* Number of buffers that process PID exported, and their bytes */
size_t list_of(const struct list *list, pid_t pid, unsigned long long *bytes)
{
	size_t i, nr = 0;

	*bytes = 0;
	for (i = 0; i < list->nr; i++) {
		if (list->rows[i].pid != pid)
			continue;
		nr++;
		*bytes += list->rows[i].size;
	}
	return nr;
}
