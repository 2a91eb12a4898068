// SPDX-License-Identifier: GPL-2.0
/* Strings, numbers and files below the root */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
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

void usage(const char *fmt, ...)
{
	va_list ap;

	fputs("dmabuf-stat: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputs("; see dmabuf-stat --help\n", stderr);
	exit(EXIT_USAGE);
}

static char **doomed;
static size_t ndoomed;
volatile sig_atomic_t stop;

static const int signals[] = { SIGHUP, SIGINT, SIGTERM };

/* In a signal handler too */
static void cleanup(void)
{
	while (ndoomed) {
		const char *path = doomed[--ndoomed];

		if (path && unlink(path))
			rmdir(path);
	}
}

static void on_signal(int sig)
{
	if (opt.interval && !stop) {
		stop = 1;
		return;
	}
	cleanup();
	signal(sig, SIG_DFL);
	raise(sig);
}

static void block(int how)
{
	sigset_t set;
	size_t i;

	sigemptyset(&set);
	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		sigaddset(&set, signals[i]);
	sigprocmask(how, &set, NULL);
}

void catch_signals(void)
{
	struct sigaction sa = { .sa_handler = on_signal, .sa_flags = SA_RESTART };
	struct sigaction old;
	size_t i;

	atexit(cleanup);
	signal(SIGPIPE, SIG_IGN);
	for (i = 0; i < sizeof(signals) / sizeof(*signals); i++)
		/* nohup and "&" have them ignored */
		if (!sigaction(signals[i], NULL, &old) &&
		    old.sa_handler != SIG_IGN)
			sigaction(signals[i], &sa, NULL);
}

void remove_later(const char *path)
{
	block(SIG_BLOCK);
	if (!(ndoomed & (ndoomed - 1)))
		doomed = xrealloc(doomed, ndoomed ? ndoomed * 2 : 1,
				  sizeof(*doomed));
	doomed[ndoomed++] = xasprintf("%s", path);
	block(SIG_UNBLOCK);
}

int temporary(char *path, bool dir)
{
	int fd;

	block(SIG_BLOCK);
	fd = dir ? -!mkdtemp(path) : mkstemp(path);
	if (fd >= 0)
		remove_later(path);
	block(SIG_UNBLOCK);
	return fd;
}

void keep(const char *path)
{
	size_t i = ndoomed;
	char *kept;

	while (i--) {
		kept = doomed[i];
		if (!kept || strcmp(kept, path))
			continue;
		doomed[i] = NULL;
		free(kept);
	}
}

jmp_buf *no_memory;

static void *allocated(void *p)
{
	if (!p && no_memory)
		longjmp(*no_memory, 1);
	if (!p)
		die("out of memory");
	return p;
}

void *xrealloc(void *p, size_t n, size_t size)
{
	return allocated(reallocarray(p, n ?: 1, size));
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

/* Names repeat, so each is stored once, until all are forgotten at a time */
static struct chunk {
	struct chunk *next;
	size_t used;
	char text[];
} *chunks;

#define CHUNK 65000

bool keep_strings;
static const char **strings;
static size_t nstrings, string_room;

static const char **string_slot(const char *s)
{
	uint32_t hash = 2166136261u;
	const char *p;
	size_t i;

	for (p = s; *p; p++)
		hash = (hash ^ (unsigned char)*p) * 16777619u;
	for (i = hash % string_room; strings[i]; i = (i + 1) % string_room)
		if (!strcmp(strings[i], s))
			break;
	return &strings[i];
}

static void grow_strings(void)
{
	size_t old = string_room, room = old ? old * 2 : 256, i;
	const char **from = strings;

	strings = allocated(calloc(room, sizeof(*strings)));
	string_room = room;
	for (i = 0; i < old; i++)
		if (from[i])
			*string_slot(from[i]) = from[i];
	free(from);
}

const char *intern(const char *s)
{
	size_t len = strlen(s) + 1;
	const char **slot;
	char *text;

	if (nstrings * 2 >= string_room)
		grow_strings();
	slot = string_slot(s);
	if (*slot)
		return *slot;
	if (!chunks || chunks->used + len > CHUNK) {
		struct chunk *c = xrealloc(NULL, 1, sizeof(*c) +
					   (len > CHUNK ? len : CHUNK));

		c->next = chunks;
		c->used = 0;
		chunks = c;
	}
	text = memcpy(chunks->text + chunks->used, s, len);
	chunks->used += len;
	nstrings++;
	*slot = text;
	return text;
}

const char *internf(const char *fmt, ...)
{
	const char *stored;
	va_list ap;
	char *s;

	va_start(ap, fmt);
	if (vasprintf(&s, fmt, ap) < 0)
		die("out of memory");
	va_end(ap);
	stored = intern(s);
	free(s);
	return stored;
}

void forget_strings(void)
{
	struct chunk *c;

	if (keep_strings)
		return;
	while ((c = chunks)) {
		chunks = c->next;
		free(c);
	}
	free(strings);
	strings = NULL;
	nstrings = 0;
	string_room = 0;
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

bool parse_u64(const char *s, unsigned int base, uint64_t *val)
{
	uint64_t v = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		unsigned int digit = *s - '0';

		if (digit > 9)
			digit = *s >= 'a' && *s <= 'f' ? *s - 'a' + 10 : 16;
		if (digit >= base)
			return false;
		/* short of this nothing can overflow */
		if (v < UINT64_MAX / 32)
			v = v * base + digit;
		else if (__builtin_mul_overflow(v, base, &v) ||
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

/*
 * NULL, with errno, if it cannot be opened; on some kernels that of a process
 * that has ended fails only in the fstat() of fdopendir()
 */
DIR *open_dir(int at, const char *path)
{
	int fd = openat(at, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC), err;
	DIR *dir;

	if (fd < 0)
		return NULL;
	dir = fdopendir(fd);
	if (!dir) {
		err = errno;
		close(fd);
		errno = err;
	}
	return dir;
}

/* Gone while one looks: not worth a word */
bool vanished(int err)
{
	return err == ENOENT || err == ESRCH;
}

/* The directory was open already: access is denied as the process has ended */
bool fd_vanished(int err)
{
	return vanished(err) || (root_live && err == EACCES);
}

/* In a capture, a pipe would be an empty file, and a device an endless one */
bool is_file(int fd)
{
	struct stat st;

	return root_live || (!fstat(fd, &st) && S_ISREG(st.st_mode));
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
	l->empty = true;
	return l;
}

struct lines *lines_open(const char *path)
{
	return lines_openat(root_fd, path);
}

char *lines_next(struct lines *l)
{
	char *line, *nl, *nul;
	ssize_t n;

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
		if (!n && l->empty && !is_file(l->fd))
			l->error = EINVAL;
		l->empty = false;
		if (n <= 0) {
			if (!l->end)
				return NULL;
			l->cut = true;
			line = l->buf;
			nl = l->buf + l->end;
			break;
		}
		/* a NUL byte must not hide the rest of a line */
		nul = l->buf + l->end;
		l->end += n;
		while ((nul = memchr(nul, 0, l->buf + l->end - nul)))
			*nul = 1;
	}

	*nl = 0;
	l->start = nl - l->buf + (l->cut ? 0 : 1);
	if (l->cut)
		l->end = l->start;
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
