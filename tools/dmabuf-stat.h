/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of dmabuf-stat share */
#ifndef DMABUF_STAT_H
#define DMABUF_STAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>

enum {
	EXIT_OK = 0,
	EXIT_ERROR = 1,
	EXIT_USAGE = 2,
	EXIT_PARTIAL = 3,
	EXIT_SUSPECTS = 4,
	EXIT_THRESHOLD = 5,
};

/* util.c: strings, numbers, files below the root */
extern int root_fd;		/* all paths are relative to this */
extern bool root_live;		/* it is "/", not a capture */

struct lines {
	int fd;
	size_t start, end;
	int error;
	bool cut;		/* the last line had no newline */
	char buf[65536];
};

__attribute__((format(printf, 1, 2), noreturn)) void die(const char *fmt, ...);
void *xrealloc(void *p, size_t n, size_t size);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *intern(const char *s);
const char *escape(const char *s);
bool parse_u64(const char *s, int base, uint64_t *val);
bool parse_size(const char *s, uint64_t *val);
struct lines *lines_open(const char *path);
struct lines *lines_openat(int dir, const char *path);
char *lines_next(struct lines *l);
void lines_close(struct lines *l);
bool read_u64(const char *path, uint64_t *val);
bool read_word(const char *path, char *buf, size_t size);

/* store.c: one snapshot */
enum {
	HAS_INO = 1, HAS_SIZE = 2, HAS_REFS = 4, HAS_ATTACHED = 8,
	HAS_TIME = 16, HAS_PID = 32,
};

struct buf {
	uint64_t ino, size, refs, attached, time, pid;
	/* escaped; NULL if the source does not have it */
	const char *flags, *comm, *exporter, *module, *name;
	uint32_t fds, maps, paths, holders;
	uint32_t hold;		/* the latest of it, plus 1 */
	uint8_t has;
	bool again;		/* in the second listing too */
	bool walked;		/* only the walk has seen it */
};

struct proc {
	uint64_t pid, start, uid, open, limit;
	const char *comm;
	bool has_start, has_uid, has_limit;
	uint64_t fds, maps, paths, buffers, rss, pss, uss;
};

struct hold {
	uint32_t proc;
	uint32_t buf;
	uint32_t fds, maps, paths;
};

struct detail {
	uint32_t proc;
	char kind;		/* 'f'd, 'm'ap, O_'p'ath */
	uint64_t at;
};

enum source { SRC_NONE, SRC_LIST, SRC_BUFINFO, SRC_SYSFS, SRC_FDINFO };

enum { ST_BUFFERS, ST_BYTES, ST_PEAK, ST_NR_EXPORTED, ST_BYTES_EXPORTED, ST_N };

struct snap {
	enum source source;
	struct buf *bufs;
	size_t n, room;
	uint32_t *index;
	size_t index_size;
	struct proc *procs;
	size_t nproc, proc_room;
	struct hold *holds;
	size_t nhold, hold_room;
	struct detail *details;
	size_t ndetail, detail_room;
	const char **devices;
	size_t ndevices, device_room;
	bool devices_known;
	uint64_t detail_ino;	/* 0: none asked for */
	uint64_t unreadable;
	bool walk_done;
	bool classified;	/* there were two listings */
	bool second;		/* the second listing is being read */
	bool incomplete;
	bool listed;		/* the (first) listing is whole */
	const char **notes;
	size_t nnotes;
	uint64_t stat[ST_N];
	bool has_stat[ST_N];
	uint64_t boottime;	/* ms, when the snapshot was taken */
	bool has_boottime;
	const char *boot_id;
	bool initial_ns;
};

/* What can be said about all buffers, false if it is not known */
bool snap_total(struct snap *s, int which, uint64_t *val);
struct buf *snap_find(struct snap *s, uint64_t ino);
void snap_add(struct snap *s, const struct buf *b);
void snap_clear(struct snap *s);
void snap_note(struct snap *s, bool incomplete, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
uint64_t snap_bytes(struct snap *s);
const char *source_name(enum source src);

/* Return 0, or a negative errno if the source is not there */
int list_read(struct snap *s);
int bufinfo_read(struct snap *s);
int sysfs_read(struct snap *s);

/* walk.c */
void walk(struct snap *s);
bool proc_start(uint64_t pid, uint64_t *start);

/* snap.c */
enum { WANT_HOLDERS = 1, WANT_DEVICES = 2, WANT_TOTALS = 4 };

struct options {
	enum source source;
	bool twice, json, prometheus, reverse, no_header, bytes, verbose;
	bool name_pattern, by_allocator;
	uint64_t rows;
	const char *sort, *columns, *by, *root, *output;
	const char **filter;
	size_t nfilter;
	uint64_t for_ms;
	const char *baseline, *save;
	uint64_t max_bytes, max_buffers, max_growth;
	bool has_max_bytes, has_max_buffers, has_max_growth;
};

extern struct options opt;

void snap_take(struct snap *s, int want);
/* 'y'es, 'n'o, '?' if it cannot be known */
char allocator_alive(struct snap *s, const struct buf *b);

/* out.c: the output file, JSON */
extern FILE *out;
void out_open(const char *path);
int out_close(int status);
void human(char *buf, size_t size, uint64_t bytes);
void json_open(char c);
void json_close(char c);
void json_key(const char *key);
void json_str(const char *s);
void json_u64(uint64_t v);
void json_null(void);
void json_bool(bool v);
void json_head(struct snap *s, const char *command);
void json_tail(void);

/* table.c */
enum kind { K_NULL, K_NUM, K_BYTES, K_STR, K_AGE };

struct cell {
	enum kind kind;
	union {
		uint64_t num;
		const char *str;
	};
};

struct column {
	const char *name;
	bool hidden;		/* shown by -o, and in JSON */
};

struct table {
	const struct column *columns;
	size_t ncol;
	struct cell *cells;
	size_t n, room;
};

struct cell *table_row(struct table *t);
void table_check(const struct table *t);
void table_print(struct table *t, const char *sort, uint64_t rows);

static inline struct cell c_num(uint64_t v)
{
	return (struct cell){ .kind = K_NUM, .num = v };
}

static inline struct cell c_bytes(uint64_t v)
{
	return (struct cell){ .kind = K_BYTES, .num = v };
}

static inline struct cell c_str(const char *s)
{
	return (struct cell){ .kind = s ? K_STR : K_NULL, .str = s };
}

static inline struct cell c_if(bool known, struct cell c)
{
	return known ? c : (struct cell){ .kind = K_NULL };
}

/* view.c */
const char *class_of(struct snap *s, const struct buf *b);
const char *pattern(const char *name);

/* The commands; they return the exit status but for partial data */
int cmd_summary(struct snap *s);
int cmd_buffers(struct snap *s);
int cmd_groups(struct snap *s, const char *command, const char *by);
int cmd_processes(struct snap *s);
int cmd_buffer(struct snap *s, uint64_t ino);
int cmd_leaks(struct snap *s);
int cmd_check(struct snap *s);
void prometheus(struct snap *s);

#endif
