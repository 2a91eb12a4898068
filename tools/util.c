// SPDX-License-Identifier: GPL-2.0
/* Strings, numbers and files below the root */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "dmabuf-stat.h"

int root_fd;
bool root_live = true;

void die(const char *fmt, ...)
{
	va_list ap;

	fputs("dmabuf-stat: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	exit(EXIT_ERROR);
}

void *xrealloc(void *p, size_t n, size_t size)
{
	p = reallocarray(p, n ?: 1, size);
	if (!p)
		die("out of memory");
	return p;
}

char *xasprintf(const char *fmt, ...)
{
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		die("out of memory");
	va_end(ap);
	return s;
}

/* Names repeat, so each is stored once; they live as long as the program */
const char *intern(const char *s)
{
	static char **table;
	static size_t size, used;
	uint32_t hash = 2166136261u;
	const char *p;
	size_t i;

	if (used * 2 >= size) {
		size_t old = size, j;
		char **from = table;

		size = size ? size * 2 : 256;
		table = calloc(size, sizeof(*table));
		if (!table)
			die("out of memory");
		used = 0;
		for (j = 0; j < old; j++) {
			if (!from[j])
				continue;
			hash = 2166136261u;
			for (p = from[j]; *p; p++)
				hash = (hash ^ (unsigned char)*p) * 16777619u;
			for (i = hash % size; table[i]; i = (i + 1) % size)
				;
			table[i] = from[j];
			used++;
		}
		free(from);
		hash = 2166136261u;
	}

	for (p = s; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619u;
	for (i = hash % size; table[i]; i = (i + 1) % size)
		if (!strcmp(table[i], s))
			return table[i];
	table[i] = strdup(s);
	if (!table[i])
		die("out of memory");
	used++;
	return table[i];
}

static bool is_octal(const char *s)
{
	return s[0] >= '0' && s[0] <= '3' && s[1] >= '0' && s[1] <= '7' &&
	       s[2] >= '0' && s[2] <= '7';
}

/*
 * The form of the list, which is safe for terminals and in JSON. An escape that
 * is there already stays: the list and patched kernels have written it. Only a
 * stock kernel may mean these four characters literally.
 */
const char *escape(const char *s)
{
	static char *buf;
	static size_t size;
	size_t len = strlen(s) * 4 + 1;
	const char *p;
	char *q;

	for (p = s; *p > ' ' && *p < 0x7f && *p != '\\'; p++)
		;
	if (!*p)
		return intern(*s ? s : "-");

	if (len > size) {
		size = len;
		buf = xrealloc(buf, size, 1);
	}
	for (p = s, q = buf; *p; p++) {
		unsigned char c = *p;

		if ((c > ' ' && c < 0x7f && c != '\\') ||
		    (c == '\\' && is_octal(p + 1)))
			*q++ = c;
		else
			q += sprintf(q, "\\%03o", c);
	}
	*q = 0;
	return intern(buf);
}

bool parse_u64(const char *s, int base, uint64_t *val)
{
	uint64_t v = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		int digit;

		if (*s >= '0' && *s <= '9')
			digit = *s - '0';
		else if (*s >= 'a' && *s <= 'f')
			digit = *s - 'a' + 10;
		else
			return false;
		if (digit >= base || __builtin_mul_overflow(v, base, &v) ||
		    __builtin_add_overflow(v, digit, &v))
			return false;
	}
	*val = v;
	return true;
}

/* 10485760, 10240K, 10M or 10MiB */
bool parse_size(const char *s, uint64_t *val)
{
	static const char units[] = "KMGTPE";
	char num[24];
	const char *unit;
	size_t n = strspn(s, "0123456789");

	if (!n || n >= sizeof(num))
		return false;
	memcpy(num, s, n);
	num[n] = 0;
	if (!parse_u64(num, 10, val))
		return false;
	s += n;
	if (!*s)
		return true;
	unit = strchr(units, *s);
	if (!unit || (s[1] && strcmp(s + 1, "iB")))
		return false;
	return !__builtin_mul_overflow(*val, 1ull << (10 * (unit - units + 1)),
				       val);
}

struct lines *lines_openat(int dir, const char *path)
{
	struct lines *l;
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);

	if (fd < 0)
		return NULL;
	l = xrealloc(NULL, 1, sizeof(*l));
	l->fd = fd;
	l->start = 0;
	l->end = 0;
	l->error = 0;
	l->cut = false;
	return l;
}

struct lines *lines_open(const char *path)
{
	return lines_openat(root_fd, path);
}

char *lines_next(struct lines *l)
{
	char *line, *nl;
	ssize_t n;
	size_t i;

	for (;;) {
		line = l->buf + l->start;
		nl = memchr(line, '\n', l->end - l->start);
		if (nl)
			break;
		if (l->start) {
			memmove(l->buf, line, l->end - l->start);
			l->end -= l->start;
			l->start = 0;
		}
		if (l->end == sizeof(l->buf) - 1) {
			l->error = E2BIG;
			return NULL;
		}
		n = read(l->fd, l->buf + l->end,
			 sizeof(l->buf) - 1 - l->end);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			l->error = errno;
		if (n <= 0) {
			if (!l->end)
				return NULL;
			l->cut = true;
			line = l->buf;
			nl = l->buf + l->end;
			break;
		}
		l->end += n;
	}

	*nl = 0;
	l->start = nl - l->buf + (l->cut ? 0 : 1);
	if (l->cut)
		l->end = l->start;
	/* a NUL byte must not hide the rest of a line */
	for (i = 0; line + i < nl; i++)
		if (!line[i])
			line[i] = 1;
	return line;
}

void lines_close(struct lines *l)
{
	if (!l)
		return;
	close(l->fd);
	free(l);
}

bool read_word(const char *path, char *buf, size_t size)
{
	int fd = openat(root_fd, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		return false;
	buf[n] = 0;
	buf[strcspn(buf, "\n")] = 0;
	return true;
}

bool read_u64(const char *path, uint64_t *val)
{
	char buf[32];

	return read_word(path, buf, sizeof(buf)) && parse_u64(buf, 10, val);
}
