/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of dmabuf-stat share */
#ifndef DMABUF_STAT_H
#define DMABUF_STAT_H

#include <dirent.h>
#include <setjmp.h>
#include <signal.h>
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
	bool empty;		/* nothing has been read */
	char buf[65536];
};

__attribute__((format(printf, 1, 2), noreturn)) void die(const char *fmt, ...);
__attribute__((format(printf, 1, 2), noreturn))
void usage(const char *fmt, ...);

/* Removed when the program ends, by a signal or not, unless it is kept */
void remove_later(const char *path);
/* Of a name that ends in XXXXXX; the descriptor, 0 if a directory, or -1 */
int temporary(char *path, bool dir);
void keep(const char *path);
/* Ends the program, or only the loop of --interval */
void catch_signals(void);
extern volatile sig_atomic_t stop;
/* Where to go on when there is no memory; NULL: exit */
extern jmp_buf *no_memory;
void *xrealloc(void *p, size_t n, size_t size);
char *xasprintf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *intern(const char *s);
const char *internf(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
extern bool keep_strings;
void forget_strings(void);
const char *escape(const char *s);
bool parse_u64(const char *s, unsigned int base, uint64_t *val);
bool parse_size(const char *s, uint64_t *val);
DIR *open_dir(int at, const char *path);
bool vanished(int err);
bool fd_vanished(int err);
bool is_file(int fd);
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
	uint32_t n;		/* buffers in this row, if they are merged */
	uint32_t fds, maps, paths, holders;
	uint32_t hold;		/* the latest of it, plus 1 */
	uint8_t has;
	bool again;		/* in the second listing too */
	bool released;		/* but without a reference there */
	bool walked;		/* only the walk has seen it */
};

struct proc {
	uint64_t pid, open, limit;
	const char *comm;
	bool has_limit;
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

/* What rows can be grouped by */
enum {
	G_EXPORTER, G_MODULE, G_NAME, G_COMM, G_PID, G_CGROUP, G_USER, G_N
};

#define ARRAY_SIZE(a) (sizeof(a) / sizeof(*(a)))

#define G_DEFAULT	"exporter,module"

enum source {
	SRC_NONE, SRC_LIST, SRC_BPF, SRC_BUFINFO, SRC_SYSFS, SRC_FDINFO
};

enum { ST_BUFFERS, ST_BYTES, ST_PEAK, ST_NR_EXPORTED, ST_BYTES_EXPORTED, ST_N };

struct snap {
	enum source source;
	struct buf *bufs;
	size_t n, room;
	uint64_t nr;		/* buffers; n is less if they are merged */
	uint64_t closed, closed_bytes;	/* those without references */
	unsigned int merge;	/* keys by which they are, if not 0 */
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
	bool unseen;		/* there are processes that the walk does not see */
	uint64_t memfds, sync_files;	/* descriptors that are no dma-bufs */
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
bool snap_wants(const struct snap *s, int key);
void snap_note(struct snap *s, bool incomplete, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));
uint64_t snap_bytes(struct snap *s);
const char *source_name(enum source src);

/* Return 0, or a negative errno if the source is not there */
int list_read(struct snap *s);
int bpf_read(struct snap *s);
char *bpf_rows(size_t *size);
int bufinfo_read(struct snap *s);
int sysfs_read(struct snap *s);

/* walk.c */
void walk(struct snap *s);
bool any_process(void);

/* What is to be known of any process, holder or not */
struct task {
	uint64_t pid, start, uid;
	bool used, has_start, has_uid, more, gone;
	const char *cgroup, *user;
};

const struct task *task_of(uint64_t pid, bool more);
void tasks_forget(void);
const char *user_of(uint64_t pid);

#define BUFINFO "sys/kernel/debug/dma_buf/bufinfo"

/* snap.c */
enum { WANT_HOLDERS = 1, WANT_DEVICES = 2, WANT_TOTALS = 4, WANT_SUMS = 8 };

struct options {
	enum source source;
	bool twice, json, prometheus, openmetrics;
	bool reverse, no_header, bytes, verbose;
	bool name_pattern, by_allocator, reset_peak;
	uint64_t rows, interval, count;
	const char *sort, *columns, *by, *root, *from, *output;
	const char **filter;
	size_t nfilter;
	uint64_t for_ms;
	const char *baseline, *save;
	uint64_t max_bytes, max_buffers, max_growth;
	bool has_max_bytes, has_max_buffers, has_max_growth;
};

extern struct options opt;

bool initial_pid_ns(void);
void snap_take(struct snap *s, int want);
void snap_counters(struct snap *s);
/* 'y'es, 'n'o, '?' if it cannot be known */
char allocator_alive(struct snap *s, const struct buf *b);
/* NULL if it does not run any more, or if that cannot be known */
const struct task *allocator_of(struct snap *s, const struct buf *b);

/* out.c: the output file, JSON */
extern FILE *out;
struct whole {
	char *path, *tmp;
	FILE *file;
};

FILE *whole_open(struct whole *w, const char *path);
void whole_close(struct whole *w);
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
enum kind { K_NULL, K_STR, K_NUM, K_BYTES, K_AGE, K_DELTA };

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

void json_cell(const struct cell *c);

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

/* group.c */
extern int nkeys;
unsigned int parse_keys(const char *by);
void group(struct snap *s, const char *by, struct table *t,
	   struct column *columns, const struct buf **latest);
void allocators(struct snap *s, struct table *t);
void holder_groups(struct snap *s, struct table *t);

/* view.c */
#define CLASSES		4	/* the last one needs two listings */
extern const char * const class_names[CLASSES];
void classes(struct snap *s, uint64_t n[CLASSES], uint64_t bytes[CLASSES]);
void buffers(struct snap *s, struct table *t);
void holders(struct snap *s, struct table *t);
const char *class_of(struct snap *s, const struct buf *b);
const char *pattern(const char *name);

/* The commands; they return the exit status, except that of partial data */
int cmd_summary(struct snap *s);
int cmd_buffers(struct snap *s);
int cmd_groups(struct snap *s, const char *command, const char *by);
int cmd_processes(struct snap *s);
int cmd_buffer(struct snap *s, uint64_t ino);
int cmd_leaks(struct snap *s);
int cmd_check(struct snap *s);
int cmd_diff(struct snap *a, struct snap *b);
int cmd_top(struct snap *s);
int cmd_report(struct snap *s, char **files);
void metrics(struct snap *s);

/* record.c: captures in a tar file */
#define REC_META	"dmabuf-stat-record"
#define REC_DEV		"dmabuf-dev"
#define REC_BPF		"dmabuf-iter"

void record(void);
void root_open(const char *path);
/* Of a recording; NULL if it lacks the key */
const char *rec_value(const char *key);
/* In a recording the second listing is another file */
const char *rec_path(struct snap *s, const char *path);
char *rec_slurp(const char *path, size_t *size);

#endif
