// SPDX-License-Identifier: GPL-2.0
/*
 * Holders: /proc/PID/{fd,fdinfo,maps}. What is a dma-buf is told by its file
 * system, never by its name, which any file may have. No descriptor of a buffer
 * is opened, as that would hold it.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "dmabuf-stat.h"

#ifndef DMA_BUF_MAGIC
#define DMA_BUF_MAGIC 0x444d4142
#endif

#define PREFIX "/dmabuf:"

/* Not known to be a dma-buf before the walk is over */
struct pending {
	uint32_t proc;
	struct detail d;
	uint64_t ino;
	uint64_t key;		/* st_dev or mnt_id, by kind */
	uint64_t size;
	bool has_size;
};

static struct {
	bool have_dev, have_mnt;
	uint64_t dev, mnt;
	struct pending *pending;
	size_t npending, room;
} w;

struct fdinfo {
	uint64_t ino, mnt, flags, size, count;
	bool has_ino, has_mnt, has_flags, has_size, has_count;
	const char *exporter, *name;
};

static inline bool field(const char *line, const char *key, int base,
			 uint64_t *val)
{
	size_t n = strlen(key);

	if (*line != *key || strncmp(line, key, n))
		return false;
	line += n;
	line += strspn(line, " \t");
	return parse_u64(line, base, val);
}

/*
 * The user's name comes last and may, on a stock kernel, hold lines that look
 * like others: the first of each counts, and none after the name. The texts of a
 * buffer that is known already are not wanted. Returns 0 or an errno.
 */
static int fdinfo_read(struct snap *s, int info, const char *fd,
		       struct fdinfo *f)
{
	struct lines *l;
	char *line;
	int err;

	memset(f, 0, sizeof(*f));
	l = lines_openat(info, fd);
	if (!l)
		return errno;
	while (!f->name && (line = lines_next(l))) {
		if (!f->has_flags && field(line, "flags:", 8, &f->flags))
			f->has_flags = true;
		else if (!f->has_mnt && field(line, "mnt_id:", 10, &f->mnt))
			f->has_mnt = true;
		else if (!f->has_ino && field(line, "ino:", 10, &f->ino))
			f->has_ino = true;
		else if (!f->has_size && field(line, "size:", 10, &f->size))
			f->has_size = true;
		else if (!f->has_count && field(line, "count:", 10, &f->count))
			f->has_count = true;
		else if (!f->exporter && !strncmp(line, "exp_name:\t", 10))
			f->exporter = f->has_ino && snap_find(s, f->ino) ?
				      (f->name = "-") : escape(line + 10);
		else if (f->exporter && !strncmp(line, "name:\t", 6))
			f->name = escape(line + 6);
	}
	err = l->error;
	lines_close(l);
	return err;
}

static struct hold *hold_of(struct snap *s, uint32_t proc, uint32_t buf)
{
	struct buf *b = &s->bufs[buf];

	/* processes come one after the other */
	if (b->hold && s->holds[b->hold - 1].proc == proc)
		return &s->holds[b->hold - 1];
	if (s->nhold == s->hold_room) {
		s->hold_room = s->hold_room ? s->hold_room * 2 : 256;
		s->holds = xrealloc(s->holds, s->hold_room, sizeof(*s->holds));
	}
	s->holds[s->nhold] = (struct hold){ .proc = proc, .buf = buf };
	b->hold = ++s->nhold;
	return &s->holds[b->hold - 1];
}

static void held(struct snap *s, uint32_t proc, struct buf *b,
		 const struct detail *d)
{
	struct hold *h = hold_of(s, proc, b - s->bufs);

	switch (d->kind) {
	case 'f':
		h->fds++;
		b->fds++;
		break;
	case 'm':
		h->maps++;
		b->maps++;
		break;
	case 'p':
		h->paths++;
		b->paths++;
		break;
	}
	if (!s->detail_ino || s->detail_ino != b->ino)
		return;
	if (s->ndetail == s->detail_room) {
		s->detail_room = s->detail_room ? s->detail_room * 2 : 16;
		s->details = xrealloc(s->details, s->detail_room,
				      sizeof(*s->details));
	}
	s->details[s->ndetail] = *d;
	s->details[s->ndetail++].proc = proc;
}

static void later(uint32_t proc, char kind, uint64_t at, uint64_t ino,
		  uint64_t key, const struct fdinfo *f)
{
	if (w.npending == w.room) {
		w.room = w.room ? w.room * 2 : 64;
		w.pending = xrealloc(w.pending, w.room, sizeof(*w.pending));
	}
	w.pending[w.npending++] = (struct pending){
		.proc = proc, .d = { .kind = kind, .at = at },
		.ino = ino, .key = key,
		.size = f ? f->size : 0, .has_size = f && f->has_size,
	};
}

/*
 * The list has all there is, so what it lacks was exported later. The other
 * sources do not see closed buffers, and these are found here.
 */
static struct buf *buffer_of(struct snap *s, uint64_t ino,
			     const struct fdinfo *f, const struct stat *st)
{
	struct buf *b = snap_find(s, ino), new;

	if (b || s->source == SRC_LIST)
		return b;
	new = (struct buf){ .ino = ino, .has = HAS_INO, .walked = true };
	if (f && f->has_size) {
		new.size = f->size;
		new.has |= HAS_SIZE;
	} else if (st) {
		/* O_PATH has no size in fdinfo, but st_blocks is set */
		new.size = (uint64_t)st->st_blocks * 512;
		new.has |= HAS_SIZE;
	}
	if (f && f->has_count) {
		new.refs = f->count;
		new.has |= HAS_REFS;
	}
	if (f && f->exporter) {
		new.exporter = f->exporter;
		new.name = f->name ?: intern("-");
	}
	snap_add(s, &new);
	return snap_find(s, ino);
}

/* Of a descriptor, false if it could not be read */
static bool fd_live(struct snap *s, uint32_t proc, int info, int dir,
		    const char *fd)
{
	struct detail d = { .kind = 'f' };
	struct fdinfo f = { 0 };
	bool have_info = false;
	struct stat st, link;
	struct statfs fs;
	struct buf *b;
	char path[320];
	int err;

	if (fstatat(dir, fd, &st, 0))
		return fd_vanished(errno);
	if (!w.have_dev) {
		snprintf(path, sizeof(path), "/proc/%llu/fd/%s",
			 (unsigned long long)s->procs[proc].pid, fd);
		if (statfs(path, &fs))
			return fd_vanished(errno);
		if (fs.f_type != DMA_BUF_MAGIC)
			return true;
		w.dev = st.st_dev;
		w.have_dev = true;
	}
	if (st.st_dev != w.dev)
		return true;

	/* neither readable nor writable: O_PATH, or opened with mode 3 */
	if (!fstatat(dir, fd, &link, AT_SYMLINK_NOFOLLOW) &&
	    !(link.st_mode & 0600)) {
		err = fdinfo_read(s, info, fd, &f);
		if (err)
			return fd_vanished(err);
		have_info = true;
		if (f.flags & O_PATH)
			d.kind = 'p';
	}
	b = snap_find(s, st.st_ino);
	if (!b && s->source != SRC_LIST && !have_info) {
		err = fdinfo_read(s, info, fd, &f);
		if (err)
			return fd_vanished(err);
	}
	b = buffer_of(s, st.st_ino, &f, &st);
	parse_u64(fd, 10, &d.at);
	if (b)
		held(s, proc, b, &d);
	return true;
}

/* In a capture the link is only text: the inode number is that of fdinfo */
static bool fd_captured(struct snap *s, uint32_t proc, int info, const char *fd)
{
	struct detail d = { .kind = 'f' };
	struct fdinfo f;
	struct buf *b;
	int err;

	parse_u64(fd, 10, &d.at);
	err = fdinfo_read(s, info, fd, &f);
	if (err || !f.has_ino)
		return vanished(err);
	if (f.exporter) {
		if (f.has_mnt) {
			w.mnt = f.mnt;
			w.have_mnt = true;
		}
		b = buffer_of(s, f.ino, &f, NULL);
		if (b)
			held(s, proc, b, &d);
	} else if (f.flags & O_PATH) {
		later(proc, 'p', d.at, f.ino, f.mnt, &f);
	}
	return true;
}

static bool fds(struct snap *s, uint32_t proc, int pid)
{
	struct dirent *e;
	bool ok = true;
	char link[256];
	ssize_t n;
	int fd, info = -1;
	DIR *dir;

	dir = open_dir(pid, "fd");
	if (!dir)
		return vanished(errno);
	fd = dirfd(dir);
	while ((e = readdir(dir))) {
		if (*e->d_name == '.')
			continue;
		s->procs[proc].open++;
		n = readlinkat(fd, e->d_name, link, sizeof(link) - 1);
		if (n < 0) {
			ok &= fd_vanished(errno) || errno == ENAMETOOLONG;
			continue;
		}
		link[n] = 0;
		s->memfds += !strncmp(link, "/memfd:", 7);
		s->sync_files += !strcmp(link, "anon_inode:sync_file");
		if (strncmp(link, PREFIX, strlen(PREFIX)))
			continue;
		if (info < 0)
			info = openat(pid, "fdinfo", O_PATH | O_DIRECTORY |
				      O_CLOEXEC);
		if (info < 0) {
			ok = root_live && fd_vanished(errno);
			break;
		}
		ok &= root_live ? fd_live(s, proc, info, fd, e->d_name) :
		      fd_captured(s, proc, info, e->d_name);
	}
	closedir(dir);
	if (info >= 0)
		close(info);
	return ok;
}

/* False if the line is not understood */
static bool map(struct snap *s, uint32_t proc, char *line)
{
	struct detail d = { .kind = 'm' };
	unsigned int major, minor;
	unsigned long long start;
	char number[21];
	uint64_t ino;
	struct buf *b;
	int at = 0;

	if (sscanf(line, "%llx-%*x %*4s %*x %x:%x %20[0-9] %n", &start, &major,
		   &minor, number, &at) < 4 || !at ||
	    !parse_u64(number, 10, &ino))
		return false;
	if (strncmp(line + at, PREFIX, strlen(PREFIX)))
		return true;
	d.at = start;
	if (!w.have_dev) {
		later(proc, 'm', start, ino, makedev(major, minor), NULL);
		return true;
	}
	b = makedev(major, minor) == w.dev ?
	    buffer_of(s, ino, NULL, NULL) : NULL;
	if (b)
		held(s, proc, b, &d);
	return true;
}

static bool maps(struct snap *s, uint32_t proc, int pid)
{
	struct lines *l = lines_openat(pid, "maps");
	bool ok = true;
	char *line;

	if (!l)
		return vanished(errno);
	while ((line = lines_next(l)))
		if (strstr(line, " " PREFIX))
			ok &= map(s, proc, line);
	if (l->error && !vanished(l->error))
		ok = false;
	lines_close(l);
	return ok;
}

/* Field 22; the name before it may hold anything. Returns 0 or an errno */
static int start_of(const char *path, uint64_t *start)
{
	struct lines *l = lines_open(path);
	char *line, *p;
	int err, i;

	if (!l)
		return errno;
	while ((line = lines_next(l))) {
		p = strrchr(line, ')');
		for (i = 0; p && i < 20; i++)
			p = strchr(p + 1, ' ');
		if (!p)
			continue;
		p++;
		p[strcspn(p, " ")] = 0;
		if (parse_u64(p, 10, start) && *start < UINT64_MAX / 1000)
			break;
	}
	err = line ? 0 : l->error ?: EPROTO;
	*start = *start * 1000 / sysconf(_SC_CLK_TCK);
	lines_close(l);
	return err;
}

/* Names of users from the root's own file: no library that would load more */
static const char *user_name(uint64_t uid)
{
	struct lines *l = lines_open("etc/passwd");
	const char *user = NULL;
	char text[24], *line;
	uint64_t val;

	while (l && !user && (line = lines_next(l))) {
		char *name = strsep(&line, ":");

		strsep(&line, ":");
		if (line && parse_u64(strsep(&line, ":"), 10, &val) &&
		    val == uid)
			user = escape(name);
	}
	lines_close(l);
	if (user)
		return user;
	snprintf(text, sizeof(text), "%llu", (unsigned long long)uid);
	return intern(text);
}

static struct task *tasks;
static size_t ntasks, task_room;

void tasks_forget(void)
{
	free(tasks);
	tasks = NULL;
	ntasks = 0;
	task_room = 0;
}

static struct task *task_slot(uint64_t pid)
{
	size_t i = pid & (task_room - 1);

	while (tasks[i].used && tasks[i].pid != pid)
		i = (i + 1) & (task_room - 1);
	return &tasks[i];
}

static void grow_tasks(void)
{
	size_t room = task_room ? task_room * 2 : 64, old = task_room, i;
	struct task *from = tasks;

	tasks = xrealloc(NULL, room, sizeof(*tasks));
	memset(tasks, 0, room * sizeof(*tasks));
	task_room = room;
	for (i = 0; i < old; i++)
		if (from[i].used)
			*task_slot(from[i].pid) = from[i];
	free(from);
}

static void task_more(struct task *t)
{
	unsigned long long uid;
	struct lines *l;
	char path[64], *line;

	t->more = true;
	snprintf(path, sizeof(path), "proc/%llu/status",
		 (unsigned long long)t->pid);
	l = lines_open(path);
	while (l && !t->has_uid && (line = lines_next(l)))
		if (sscanf(line, "Uid:\t%*u\t%llu", &uid) == 1) {
			t->uid = uid;
			t->has_uid = true;
		}
	lines_close(l);
	snprintf(path, sizeof(path), "proc/%llu/cgroup",
		 (unsigned long long)t->pid);
	l = lines_open(path);
	while (l && (line = lines_next(l))) {
		char *memory = strstr(line, ":memory:");

		if (memory)
			t->cgroup = escape(memory + strlen(":memory:"));
		else if (!strncmp(line, "0::", 3) && !t->cgroup)
			t->cgroup = escape(line + 3);
	}
	lines_close(l);
}

/* Valid until the next call; many buffers are of few processes */
const struct task *task_of(uint64_t pid, bool more)
{
	struct task *t;
	char path[64];
	int err;

	if (ntasks * 2 >= task_room)
		grow_tasks();
	t = task_slot(pid);
	if (!t->used) {
		ntasks++;
		t->used = true;
		t->pid = pid;
		snprintf(path, sizeof(path), "proc/%llu/stat",
			 (unsigned long long)pid);
		err = start_of(path, &t->start);
		t->has_start = !err;
		t->gone = vanished(err);
	}
	if (more && !t->more)
		task_more(t);
	return t;
}

const char *user_of(uint64_t pid)
{
	const struct task *t = task_of(pid, true);

	if (t->has_uid && !t->user)
		task_slot(pid)->user = user_name(t->uid);
	return t->user;
}

static void describe(struct proc *p, int pid)
{
	struct lines *l;
	char *line;
	char soft[32];

	l = lines_openat(pid, "comm");
	line = l ? lines_next(l) : NULL;
	p->comm = line ? escape(line) : NULL;
	lines_close(l);
	l = lines_openat(pid, "limits");
	while (l && (line = lines_next(l)))
		if (sscanf(line, "Max open files %31s", soft) == 1)
			p->has_limit = parse_u64(soft, 10, &p->limit);
	lines_close(l);
}

/* Whether any of it is one, so that the holds are out of order */
static bool settle(struct snap *s)
{
	bool any = false;
	size_t i;

	for (i = 0; i < w.npending; i++) {
		struct pending *p = &w.pending[i];
		struct fdinfo f = { .size = p->size, .has_size = p->has_size };
		struct buf *b = snap_find(s, p->ino);

		if (p->d.kind == 'p' && w.have_mnt) {
			if (p->key != w.mnt)
				continue;
			b = buffer_of(s, p->ino, &f, NULL);
		} else if (p->d.kind == 'm' && w.have_dev) {
			if (p->key != w.dev)
				continue;
			b = buffer_of(s, p->ino, NULL, NULL);
		}
		any |= !!b;
		if (b)
			held(s, p->proc, b, &p->d);
		else if (p->d.kind == 'm' && s->source != SRC_LIST)
			snap_note(s, true, "some mappings look like dma-bufs, but nothing shows the size");
	}
	free(w.pending);
	w.pending = NULL;
	w.npending = 0;
	w.room = 0;
	return any;
}

static int by_proc(const void *a, const void *b)
{
	const struct hold *x = a, *y = b;

	if (x->proc != y->proc)
		return x->proc < y->proc ? -1 : 1;
	return x->buf < y->buf ? -1 : x->buf > y->buf;
}

/* What was settled later may be in a second record of the same process */
static void join(struct snap *s)
{
	size_t i, n = 0;

	if (s->nhold)
		qsort(s->holds, s->nhold, sizeof(*s->holds), by_proc);
	for (i = 0; i < s->nhold; i++) {
		struct hold *h = &s->holds[i];

		if (n && !by_proc(&s->holds[n - 1], h)) {
			s->holds[n - 1].fds += h->fds;
			s->holds[n - 1].maps += h->maps;
			s->holds[n - 1].paths += h->paths;
		} else {
			s->holds[n++] = *h;
		}
	}
	s->nhold = n;
}

/* RSS: each buffer once; PSS: divided among its holders; USS: held by one */
static void sum_up(struct snap *s)
{
	size_t i;

	for (i = 0; i < s->nhold; i++)
		s->bufs[s->holds[i].buf].holders++;
	for (i = 0; i < s->nhold; i++) {
		struct hold *h = &s->holds[i];
		struct buf *b = &s->bufs[h->buf];
		struct proc *p = &s->procs[h->proc];

		p->fds += h->fds;
		p->maps += h->maps;
		p->paths += h->paths;
		p->buffers++;
		p->rss += b->size;
		/* what does not divide goes to the first: the sum is exact */
		p->pss += b->size / b->holders;
		if (!b->again)
			p->pss += b->size % b->holders;
		b->again = true;
		if (b->holders == 1)
			p->uss += b->size;
	}
	for (i = 0; i < s->n; i++)
		s->bufs[i].again = false;
}

static void captured_dev(void)
{
	unsigned int major, minor;
	char text[32];

	w.have_dev = read_word(REC_DEV, text, sizeof(text)) &&
		     sscanf(text, "%x:%x", &major, &minor) == 2;
	if (w.have_dev)
		w.dev = makedev(major, minor);
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

static uint64_t *all_pids(size_t *n)
{
	uint64_t *pids = NULL, pid;
	size_t room = 0;
	struct dirent *e;
	DIR *dir;

	*n = 0;
	dir = open_dir(root_fd, "proc");
	if (!dir)
		return NULL;
	while ((e = readdir(dir))) {
		if (!parse_u64(e->d_name, 10, &pid))
			continue;
		if (*n == room) {
			room = room ? room * 2 : 256;
			pids = xrealloc(pids, room, sizeof(*pids));
		}
		pids[(*n)++] = pid;
	}
	closedir(dir);
	if (*n)
		qsort(pids, *n, sizeof(*pids), by_number);
	return pids;
}

bool any_process(void)
{
	size_t n;

	free(all_pids(&n));
	return n;
}

void walk(struct snap *s)
{
	size_t npids, i, before, pending;
	uint64_t *pids = all_pids(&npids), n;
	struct proc *p;
	bool readable;
	char path[64];
	int pid;

	memset(&w, 0, sizeof(w));
	if (!root_live)
		captured_dev();
	if (!npids)
		snap_note(s, true, "/proc has no processes, so holders are not known");

	for (i = 0; i < npids; i++) {
		snprintf(path, sizeof(path), "proc/%llu",
			 (unsigned long long)pids[i]);
		pid = openat(root_fd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
		if (pid < 0) {
			if (!vanished(errno))
				s->unreadable++;
			continue;
		}
		if (s->nproc == s->proc_room) {
			s->proc_room = s->proc_room ? s->proc_room * 2 : 64;
			s->procs = xrealloc(s->procs, s->proc_room,
					    sizeof(*s->procs));
		}
		p = &s->procs[s->nproc++];
		memset(p, 0, sizeof(*p));
		p->pid = pids[i];
		before = s->nhold;
		pending = w.npending;
		readable = fds(s, s->nproc - 1, pid);
		if (!maps(s, s->nproc - 1, pid) || !readable)
			s->unreadable++;
		if (s->nhold != before || w.npending != pending)
			describe(&s->procs[s->nproc - 1], pid);
		else
			s->nproc--;
		close(pid);
	}
	if (!root_live && rec_value("unreadable"))
		s->unreadable += parse_u64(rec_value("unreadable"), 10, &n) ?
				 n : 1;
	if (settle(s))
		join(s);
	sum_up(s);
	s->walk_done = npids > 0;
	/* with hidepid, not even the first process is there */
	s->unseen = !initial_pid_ns() ||
		    (root_live && npids && pids[0] != 1);
	if (s->unseen)
		snap_note(s, true, "this /proc does not show all processes, so what the others hold is not known");
	free(pids);
	if (s->unreadable) {
		s->unseen = true;
		snap_note(s, true, "not all processes could be read (%llu could not%s), so what only they hold is not known",
			  (unsigned long long)s->unreadable,
			  root_live && geteuid() ? "; root can" : "");
	}
}
