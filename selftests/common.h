/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the dma-buf statistics tests: exporters, counters, the list. */

#ifndef DMABUF_STATS_COMMON_H
#define DMABUF_STATS_COMMON_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define ARRAY_LEN(a)	(sizeof(a) / sizeof((a)[0]))

#define STATS_DIR	"/sys/kernel/dmabuf/stats/"
#define LIST_PROC	"/proc/dmabufs"
#define DEBUG_DIR	"/sys/kernel/debug/"
#define LIST_DEBUG	DEBUG_DIR "dma_buf/buffers"
#define BUFINFO		DEBUG_DIR "dma_buf/bufinfo"
#define TRACE_DIR	"/sys/kernel/tracing/"

#define NOBODY		65534

/* The longest name that DMA_BUF_SET_NAME takes, without its NUL */
#define NAME_MAX_LEN	31

/* Exporters. The size of a buffer must be a multiple of PAGE. */
enum exporter { SYSTEM, UDMABUF, VGEM, NR_EXPORTERS };

#define PAGE		((size_t)sysconf(_SC_PAGESIZE))

/*
 * Called at the start of each test with a variant per exporter, not in the
 * fixture's setup: up to 6.1 the harness runs the test even if setup skips it.
 */
void devices_reopen(void);
bool exporter_there(enum exporter exporter);
enum exporter any_exporter(void);
const char *exporter_name(enum exporter exporter);
const char *exporter_module(enum exporter exporter);
int buffer_new(enum exporter exporter, size_t size);
int buffer_new_flags(size_t size, int flags);
bool buffer_set_name(int fd, const char *name);
unsigned long long buffer_ino(int fd);
size_t buffer_size(int fd);
int drm_open(const char *driver);
int drm_create(int drm, size_t size, unsigned int *handle);
int drm_export(int drm, unsigned int handle);
int drm_buffer_new(int drm, size_t size);
int drm_import(int drm, int fd, unsigned int *handle);
void drm_close_handle(int drm, unsigned int handle);

/* Counters */
struct counters {
	unsigned long long nr_buffers, bytes, peak_bytes;
	unsigned long long nr_exported, bytes_exported;
};

bool counter_read(const char *file, unsigned long long *value);
bool counters_read(struct counters *c);
bool peak_there(void);
ssize_t peak_write(const char *text, size_t len);

/* The list, unescaped */
struct row {
	unsigned long long ino, size, refs, attached;
	unsigned long long time;	/* in ms of CLOCK_BOOTTIME */
	long long flags;		/* -1 once the file is closed */
	long long pid;
	char comm[64], exporter[64], module[64], name[64];
};

struct list {
	struct row *rows;
	size_t nr;
	unsigned long long bytes;
};

struct text {
	char *s;			/* NUL-terminated, beyond len */
	size_t len;
};

#define LIST_HEAD_1	"# dmabufs 1\n"
#define LIST_HEAD_2	\
	"# ino size refs attached flags time pid comm exporter module name\n"

bool text_read(int fd, size_t chunk, struct text *text);
bool text_read_path(const char *path, struct text *text);
void text_free(struct text *text);
const char *list_fault(const struct text *text, struct list *list);
const char *keepers_fault(const struct text *text,
			  const unsigned long long *inos, size_t nr,
			  unsigned long long newest);
bool list_parse(const struct text *text, struct list *list);
bool list_read(struct list *list);
void list_free(struct list *list);
const struct row *list_find(const struct list *list, unsigned long long ino);
size_t list_own(const struct list *list, unsigned long long *bytes);
bool row_of(int fd, struct row *row);

/* Read counters and list at a moment when nothing changes */
bool snapshot(struct counters *c, struct list *list);
/* They agree, and this process has NR buffers with BYTES in total */
bool exact(size_t nr, unsigned long long bytes);
/* What READ returns and the text of the list, when nothing changes either */
bool snapshot_text(bool (*read)(void *arg, struct text *text), void *arg,
		   struct text *text, struct text *list);

/* Older interfaces */
bool fdinfo_read(int fd, struct text *text);
bool bufinfo_row(unsigned long long ino, char *fields[7], struct text *text);

/* For tests with random input */
unsigned int inputs(unsigned int usual);
unsigned int seed(void);

/* Everything else */
double now(void);		/* seconds */
bool mount_debugfs(void);
bool mount_tracefs(void);
bool text_put(const char *path, const char *text);
bool trace_put(const char *file, const char *text);
void raise_fd_limit(void);
int open_path_only(int fd);
int send_fd(int sock, int fd);
int receive_fd(int sock);
bool set_caps(unsigned long long caps);
int run_child(int (*fn)(void *arg), void *arg);

#endif /* DMABUF_STATS_COMMON_H */
