// SPDX-License-Identifier: GPL-2.0
/*
 * Captures: what would be read goes into a tar file, which --from reads, and
 * which may be looked at and unpacked, for --root, before it is given away.
 * Names of files that are no dma-bufs are left out.
 */
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include "dmabuf-stat.h"

#define AFTER	".after"
#define BLOCK	512
#define PREFIX	"/dmabuf:"

struct tar {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12];
	char sum[8], type, link[100], magic[6], version[2], rest[247];
};

_Static_assert(sizeof(struct tar) == BLOCK, "a header is a block");

struct text {
	char *s;
	size_t n;
};

static unsigned int checksum(const struct tar *h)
{
	const unsigned char *p = (const unsigned char *)h;
	unsigned int sum = 0;
	size_t i;

	for (i = 0; i < BLOCK; i++)
		sum += i >= offsetof(struct tar, sum) &&
		       i < offsetof(struct tar, type) ? ' ' : p[i];
	return sum;
}

static void entry(const char *name, char type, const char *link,
		  const char *data, size_t size)
{
	static const char zero[BLOCK];
	struct tar h = { .mode = "0000444", .uid = "0000000", .gid = "0000000",
			 .mtime = "00000000000", .type = type,
			 .magic = "ustar", .version = "00" };

	snprintf(h.name, sizeof(h.name), "%s", name);
	snprintf(h.link, sizeof(h.link), "%s", link);
	snprintf(h.size, sizeof(h.size), "%011zo", size);
	snprintf(h.sum, sizeof(h.sum), "%06o", checksum(&h));
	h.sum[7] = ' ';
	fwrite(&h, BLOCK, 1, out);
	fwrite(data, 1, size, out);
	if (size % BLOCK)
		fwrite(zero, 1, BLOCK - size % BLOCK, out);
}

static void file(const char *name, struct text t)
{
	entry(name, '0', "", t.s, t.n);
	free(t.s);
}

/* Returns a negative errno, and what could be read before */
static int slurp(int dir, const char *path, struct text *t)
{
	int fd = openat(dir, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), err;
	size_t room = 0;
	ssize_t n;

	t->s = NULL;
	t->n = 0;
	if (fd < 0)
		return -errno;
	if (!is_file(fd)) {
		close(fd);
		return -EINVAL;
	}
	do {
		if (t->n == room) {
			room = room ? room * 2 : 4096;
			t->s = xrealloc(t->s, room, 1);
		}
		n = read(fd, t->s + t->n, room - t->n);
		if (n > 0)
			t->n += n;
	} while (n > 0 || (n < 0 && errno == EINTR));
	err = n < 0 ? -errno : 0;
	close(fd);
	return err;
}

char *rec_slurp(const char *path, size_t *size)
{
	struct text t;
	int err = slurp(root_fd, path, &t);

	*size = t.n;
	errno = -err;
	return t.s;
}

/* A listing that is cut can be told by its end */
static int copy(const char *path, const char *suffix)
{
	char name[100];
	struct text t;
	int err = slurp(root_fd, path, &t);

	if (!t.s)
		return err;
	snprintf(name, sizeof(name), "%s%s", path, suffix);
	file(name, t);
	return 0;
}

static int directories(const char *path, const char *suffix)
{
	DIR *dir = open_dir(root_fd, path);
	static const char * const files[] = { "size", "exporter_name" };
	struct dirent *e;
	char name[400];
	struct text t;
	uint64_t ino;
	size_t i;
	int err;

	if (!dir)
		return -errno;
	snprintf(name, sizeof(name), "%s%s", path, suffix);
	entry(name, '5', "", "", 0);
	while ((e = readdir(dir))) {
		if (!parse_u64(e->d_name, 10, &ino))
			continue;
		for (i = 0; i < ARRAY_SIZE(files); i++) {
			snprintf(name, sizeof(name), "%s/%s", e->d_name,
				 files[i]);
			err = -slurp(dirfd(dir), name, &t);
			/* what could not be read is empty */
			if (vanished(err) || err == ENODEV) {
				free(t.s);
				continue;
			}
			snprintf(name, sizeof(name), "%s%s/%s/%s", path, suffix,
				 e->d_name, files[i]);
			file(name, t);
		}
	}
	closedir(dir);
	return 0;
}

static int listing(enum source source, const char *suffix)
{
	char name[64];
	struct text t;

	switch (source) {
	case SRC_LIST:
		return copy("proc/dmabufs", suffix);
	case SRC_BPF:
		t.s = bpf_rows(&t.n);
		if (!t.s)
			return -errno;
		snprintf(name, sizeof(name), "%s%s", REC_BPF, suffix);
		file(name, t);
		return 0;
	case SRC_BUFINFO:
		return copy(BUFINFO, suffix);
	default:
		return directories("sys/kernel/dmabuf/buffers", suffix);
	}
}

/* The lines of a file that say what is wanted, and no more */
static int lines(const char *path, const char *what)
{
	struct text in, t = { NULL };
	int err = slurp(root_fd, path, &in);
	char *line, *rest;
	size_t n;

	if (!in.s)
		return err;
	for (line = in.s; line < in.s + in.n; line = rest) {
		rest = memchr(line, '\n', in.s + in.n - line);
		rest = rest ? rest + 1 : in.s + in.n;
		n = rest - line;
		if (!memmem(line, n, what, strlen(what)))
			continue;
		t.s = xrealloc(t.s, t.n + n, 1);
		memcpy(t.s + t.n, line, n);
		t.n += n;
	}
	free(in.s);
	if (t.n)
		file(path, t);
	return err;
}

static bool device_known;

/* What is no dma-buf is counted, so it has an entry without a name */
static bool descriptor(int fd, const char *proc, const char *num)
{
	char name[600], path[300], link[100], before[80];
	struct text t;
	struct stat st;
	ssize_t n;
	int err;

	n = readlinkat(fd, num, link, sizeof(link) - 1);
	if (n < 0)
		return fd_vanished(errno) || errno == ENAMETOOLONG;
	link[n] = 0;
	snprintf(name, sizeof(name), "%s/fd/%s", proc, num);
	if (strncmp(link, PREFIX, strlen(PREFIX))) {
		entry(name, '2', !strncmp(link, "/memfd:", 7) ? "/memfd:" :
		      !strncmp(link, "anon_inode:", 11) ? link : "-", "", 0);
		return true;
	}
	snprintf(path, sizeof(path), "../fdinfo/%s", num);
	memset(&st, 0, sizeof(st));
	if (root_live && fstatat(fd, num, &st, 0))
		return fd_vanished(errno);
	err = -slurp(fd, path, &t);
	if (err) {
		free(t.s);
		return fd_vanished(err);
	}
	entry(name, '2', link, "", 0);
	snprintf(name, sizeof(name), "%s/fdinfo/%s", proc, num);
	if (memmem(t.s, t.n, "\nexp_name:", 10)) {
		snprintf(before, sizeof(before), "%x:%x\n", major(st.st_dev),
			 minor(st.st_dev));
		if (!device_known && root_live)
			entry(REC_DEV, '0', "", before, strlen(before));
		device_known = true;
		n = snprintf(before, sizeof(before), "ino:\t%llu\n",
			     (unsigned long long)st.st_ino);
	} else {
		n = snprintf(before, sizeof(before), "ino:\t%llu\nsize:\t%llu\n",
			     (unsigned long long)st.st_ino,
			     (unsigned long long)st.st_blocks * 512);
	}
	/* before Linux 5.14 the number is not there, nor is O_PATH's size */
	if (root_live) {
		t.s = xrealloc(t.s, t.n + n, 1);
		memmove(t.s + n, t.s, t.n);
		memcpy(t.s, before, n);
		t.n += n;
	}
	file(name, t);
	return true;
}

/* False if it could not be read */
static bool process(const char *pid)
{
	static const char * const files[] = { "comm", "stat", "cgroup", "limits" };
	char proc[300], path[320];
	struct dirent *e;
	bool ok = true;
	DIR *dir;
	size_t i;
	int err;

	snprintf(proc, sizeof(proc), "proc/%s", pid);
	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", proc, files[i]);
		copy(path, "");
	}
	snprintf(path, sizeof(path), "%s/status", proc);
	lines(path, "Uid:");

	snprintf(path, sizeof(path), "%s/maps", proc);
	err = -lines(path, " " PREFIX);
	if (err)
		return vanished(err);

	snprintf(path, sizeof(path), "%s/fd", proc);
	dir = open_dir(root_fd, path);
	if (!dir)
		return vanished(errno);
	while ((e = readdir(dir)))
		if (*e->d_name != '.')
			ok &= descriptor(dirfd(dir), proc, e->d_name);
	closedir(dir);
	return ok;
}

/* Nothing is interpreted, so that what is wrong can be seen in it */
void record(void)
{
	static const char * const stats[] = {
		"nr_buffers", "bytes", "peak_bytes", "nr_exported",
		"bytes_exported",
	};
	static const char end[2 * BLOCK];
	uint64_t pid, unreadable = 0;
	enum source src;
	struct dirent *e;
	struct timespec ts;
	char path[64];
	struct text t;
	DIR *dir;
	size_t i;
	int err;

	for (i = 0; i < ARRAY_SIZE(stats); i++) {
		snprintf(path, sizeof(path), "sys/kernel/dmabuf/stats/%s",
			 stats[i]);
		copy(path, "");
	}
	for (src = SRC_LIST; src < SRC_FDINFO; src++) {
		if (opt.source && opt.source != src)
			continue;
		err = listing(src, "");
		if (!err)
			break;
		if (opt.source)
			die("source %s: %s", source_name(src), strerror(-err));
	}
	dir = open_dir(root_fd, "proc");
	while (dir && (e = readdir(dir)))
		if (parse_u64(e->d_name, 10, &pid) && !process(e->d_name))
			unreadable++;
	if (dir)
		closedir(dir);
	/* bufinfo stalls exports, so twice only on request */
	if (src < SRC_FDINFO && (src != SRC_BUFINFO || opt.twice))
		listing(src, AFTER);

	copy("proc/meminfo", "");
	copy("proc/zoneinfo", "");
	copy("proc/uptime", "");
	copy("proc/sys/kernel/random/boot_id", "");
	copy("sys/module/dma_heap/parameters/mem_accounting", "");
	clock_gettime(CLOCK_REALTIME, &ts);
	t.s = xasprintf("version 1\ntime %llu\nunreadable %llu\ninitial_pid_ns %d\n",
			ts.tv_sec * 1000ull + ts.tv_nsec / 1000000,
			(unsigned long long)unreadable, initial_pid_ns());
	t.n = strlen(t.s);
	file(REC_META, t);
	fwrite(end, sizeof(end), 1, out);
	if (unreadable)
		fprintf(stderr, "dmabuf-stat: not all processes could be read (%llu could not); the recording says so\n",
			(unsigned long long)unreadable);
}

const char *rec_value(const char *key)
{
	static char buf[64];
	struct lines *l = root_live ? NULL : lines_open(REC_META);
	size_t n = strlen(key);
	bool found = false;
	char *line;

	while (l && !found && (line = lines_next(l)))
		if (!strncmp(line, key, n) && line[n] == ' ') {
			snprintf(buf, sizeof(buf), "%s", line + n + 1);
			found = true;
		}
	lines_close(l);
	return found ? buf : NULL;
}

const char *rec_path(struct snap *s, const char *path)
{
	static char after[64];

	if (!s->second || root_live)
		return path;
	snprintf(after, sizeof(after), "%s" AFTER, path);
	/* in other captures one listing stands for both */
	return rec_value("version") || !faccessat(root_fd, after, F_OK, 0) ?
	       after : path;
}

/*
 * A name of a recording, below the root and nothing else. The links are the
 * descriptors, and nothing is below them, so that none is followed.
 */
static bool name_ok(const char *name, char type)
{
	unsigned long long pid;
	const char *p, *q;
	int n = 0;

	for (p = name; ; p = q + 1) {
		q = strchrnul(p, '/');
		if (q == p || *p == '.')
			return false;
		if (!*q)
			break;
	}
	for (p = name; *p; p++)
		if (!isalnum((unsigned char)*p) && !strchr("/._-", *p))
			return false;
	if (sscanf(name, "proc/%llu/fd/%n", &pid, &n) == 1 && n &&
	    strspn(name + n, "0123456789") == strlen(name + n))
		return type == '2';
	return type != '2' && !(n && name[n]);
}

static void contents(FILE *f, const char *file, int to,
		     unsigned long long size)
{
	char block[BLOCK];
	size_t n;

	for (; size; size -= n) {
		n = size < BLOCK ? size : BLOCK;
		if (fread(block, BLOCK, 1, f) != 1)
			die("%s: cut short; record it again", file);
		if (write(to, block, n) != (ssize_t)n)
			die("%s: cannot unpack it: %s", file, strerror(errno));
	}
}

static void unpack(const char *file, const char *dir, int fd)
{
	struct tar h;
	FILE *f = fopen(file, "r");
	unsigned long long size, sum;
	char *path, *p, *name;
	int to;

	if (!f)
		die("%s: %s", file, strerror(errno));
	for (;;) {
		if (fread(&h, BLOCK, 1, f) != 1)
			die("%s: cut short, or not a recording; record it again", file);
		h.size[sizeof(h.size) - 1] = 0;
		h.sum[sizeof(h.sum) - 1] = 0;
		if (!h.name[0])
			break;
		name = strndup(h.name, sizeof(h.name));
		if (!strncmp(name, "./", 2))
			memmove(name, name + 2, strlen(name) - 1);
		if (*name && name[strlen(name) - 1] == '/')
			name[strlen(name) - 1] = 0;
		sum = strtoull(h.sum, NULL, 8);
		size = strtoull(h.size, NULL, 8);
		if (memcmp(h.magic, "ustar", 5) || sum != checksum(&h) ||
		    !strchr("025", h.type ?: '0'))
			die("%s: not a recording; make one with dmabuf-stat record",
			    file);
		if (*name && !name_ok(name, h.type ?: '0'))
			die("%s: has a name that is not of a recording: %s",
			    file, escape(name));
		for (p = strchr(name, '/'); p; p = strchr(p + 1, '/')) {
			*p = 0;
			if (faccessat(fd, name, F_OK, 0)) {
				path = xasprintf("%s/%s", dir, name);
				remove_later(path);
				free(path);
				mkdirat(fd, name, 0700);
			}
			*p = '/';
		}
		path = xasprintf("%s/%s", dir, name);
		if (*name)
			remove_later(path);
		if (h.type == '5' || !*name) {
			mkdirat(fd, name, 0700);
		} else if (h.type == '2') {
			p = strndup(h.link, sizeof(h.link));
			if (symlinkat(p, fd, name))
				die("%s: %s: %s", file, name, strerror(errno));
			free(p);
		} else {
			to = openat(fd, name, O_WRONLY | O_CREAT | O_EXCL |
				    O_NOFOLLOW | O_CLOEXEC, 0600);
			if (to < 0)
				die("%s: %s: %s", file, name, strerror(errno));
			contents(f, file, to, size);
			close(to);
		}
		free(path);
		free(name);
	}
	fclose(f);
}

/* A directory, or a recording, which is unpacked for as long as this runs */
void root_open(const char *path)
{
	struct stat st;
	char *dir = NULL;

	root_live = !path;
	if (path && !stat(path, &st) && S_ISREG(st.st_mode)) {
		dir = xasprintf("%s/dmabuf-stat.XXXXXX",
				getenv("TMPDIR") ?: "/tmp");
		if (temporary(dir, true))
			die("%s: %s", dir, strerror(errno));
	}
	if (root_fd > 0)
		close(root_fd);
	root_fd = open(dir ?: path ?: "/", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (root_fd < 0)
		die("%s: %s", path ?: "/", strerror(errno));
	if (dir)
		unpack(path, dir, root_fd);
	free(dir);
}
