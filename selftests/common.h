/* SPDX-License-Identifier: GPL-2.0 */
/* Shared by the dma-buf statistics tests. */

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

/* exporters.c. The size of a buffer must be a multiple of PAGE. */
enum exporter { SYSTEM, UDMABUF, VGEM, NR_EXPORTERS };

#define PAGE		((size_t)sysconf(_SC_PAGESIZE))

void devices_reopen(void);
bool exporter_there(enum exporter exporter);
enum exporter any_exporter(void);
enum exporter some_exporter(unsigned int nr);
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

/* A variant of a fixture for each exporter */
#define EXPORTER_VARIANTS(fixture)					\
	FIXTURE_VARIANT(fixture) {					\
		enum exporter exporter;					\
	};								\
	FIXTURE_VARIANT_ADD(fixture, system) { .exporter = SYSTEM };	\
	FIXTURE_VARIANT_ADD(fixture, udmabuf) { .exporter = UDMABUF };	\
	FIXTURE_VARIANT_ADD(fixture, vgem) { .exporter = VGEM }

/* A fixture with a buffer of each exporter */
#define BUFFER_FIXTURE(fixture, size)					\
	FIXTURE(fixture) {						\
		unsigned long long ino;					\
		struct row row;						\
		int fd;							\
	};								\
	EXPORTER_VARIANTS(fixture);					\
	FIXTURE_SETUP(fixture)						\
	{								\
		self->fd = -1;						\
		if (exporter_there(variant->exporter)) {		\
			self->fd = buffer_new(variant->exporter, size);	\
			ASSERT_LE(0, self->fd);				\
			self->ino = buffer_ino(self->fd);		\
		}							\
	}								\
	FIXTURE_TEARDOWN(fixture)					\
	{								\
		close(self->fd);					\
	}

/*
 * A test with EXPORTER_VARIANTS(). If the exporter is absent, it is skipped here,
 * not in the fixture's setup: up to 6.1 the harness runs the test even so.
 */
#define TEST_EXPORTER_TIMEOUT(fixture, test, seconds)			\
	static void fixture##_##test##_body(				\
		struct __test_metadata *_metadata,			\
		struct _test_data_##fixture *self,			\
		const struct _fixture_variant_##fixture *variant);	\
	TEST_F_TIMEOUT(fixture, test, seconds)				\
	{								\
		if (exporter_there(variant->exporter))			\
			fixture##_##test##_body(_metadata, self, variant); \
		else							\
			SKIP(, "no such exporter here");		\
	}								\
	static void fixture##_##test##_body(				\
		struct __test_metadata *_metadata,			\
		struct _test_data_##fixture *self,			\
		const struct _fixture_variant_##fixture *variant)
#define TEST_EXPORTER(fixture, test)					\
	TEST_EXPORTER_TIMEOUT(fixture, test, TEST_TIMEOUT_DEFAULT)

/* files.c */
struct text {
	char *s;			/* NUL-terminated, beyond len */
	size_t len;
};

ssize_t text_append(int fd, size_t chunk, struct text *text);
bool text_rest(int fd, size_t chunk, struct text *text);
bool text_read(int fd, size_t chunk, struct text *text);
bool text_read_path(const char *path, struct text *text);
void text_free(struct text *text);
ssize_t file_write(const char *path, const char *text, size_t len);
bool text_put(const char *path, const char *text);
bool mount_debugfs(void);
bool fdinfo_read(int fd, struct text *text);
int open_path_only(int fd);

/* parse.c: the list, unescaped */
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

#define LIST_HEAD_1	"# dmabufs 1\n"
#define LIST_HEAD_2	\
	"# ino size refs attached flags time pid comm exporter module name\n"

bool get_number(const char **s, unsigned long long *value);
const char *list_fault(const struct text *text, struct list *list);
const char *keepers_fault(const struct text *text,
			  const unsigned long long *inos, size_t nr,
			  unsigned long long newest);
bool list_parse(const struct text *text, struct list *list);
void list_free(struct list *list);
const struct row *list_find(const struct list *list, unsigned long long ino);
size_t list_of(const struct list *list, pid_t pid, unsigned long long *bytes);

/* stats.c */
struct counters {
	unsigned long long nr_buffers, bytes, peak_bytes;
	unsigned long long nr_exported, bytes_exported;
};

bool counter_read(const char *file, unsigned long long *value);
bool counters_read(struct counters *c);
bool peak_there(void);
ssize_t peak_write(const char *text, size_t len);
bool list_read(struct list *list);
bool row_find(unsigned long long ino, struct row *row);
bool row_of(int fd, struct row *row);
/* Read counters and list at a moment when nothing changes */
bool snapshot(struct counters *c, struct list *list);
/* They agree, and this process has NR buffers with BYTES in total */
bool exact(size_t nr, unsigned long long bytes);
/* What READ returns and the text of the list, when nothing changes either */
bool snapshot_text(bool (*read)(void *arg, struct text *text), void *arg,
		   struct text *text, struct text *list);
unsigned long long fdinfo_ino(int fd);
bool bufinfo_row(unsigned long long ino, char *fields[7], struct text *text);

/* process.c */
unsigned int inputs(unsigned int usual);
unsigned int seed(void);
double now(void);		/* seconds */
bool set_caps(unsigned long long caps);
int run_child(int (*fn)(void *arg), void *arg);
int send_fd(int sock, int fd);
int receive_fd(int sock);

/* tracing.c */
bool mount_tracefs(void);
bool trace_put(const char *file, const char *text);
void trace_clear(const char *instance);

#endif /* DMABUF_STATS_COMMON_H */
