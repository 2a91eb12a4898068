// SPDX-License-Identifier: GPL-2.0
/*
 * Each allocation and each user copy in an export and in a reader fails once:
 * the first, the second, and so on. Needs CONFIG_FAULT_INJECTION. A probe
 * records where failures were injected, and a site that was never reached fails
 * the test.
 */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#include "kselftest_harness.h"
#include "common.h"

#define FAIL_NTH	"/proc/thread-self/fail-nth"
#define MAX_FAULTS	2000
#define MAX_SITES	64
#define SWEEPS		10
#define READ_MAX	65536

static void probe_remove(void)
{
	trace_put("events/faults/enable", "0");
	trace_put("events/faults/injected/trigger", "!stacktrace");
	trace_put("kprobe_events", "-:faults/injected");
}

/* All injected failures come from this function */
static bool probe_add(void)
{
	if (!mount_tracefs())
		return false;
	probe_remove();
	return trace_put("kprobe_events",
		   "r:faults/injected should_fail_ex failed=$retval:u8") &&
	       trace_put("events/faults/injected/filter", "failed == 1") &&
	       trace_put("events/faults/injected/trigger",
			 "stacktrace if failed == 1") &&
	       trace_put("events/faults/injected/enable", "1");
}

struct site {
	char name[48];
	unsigned int faults;
};

static void site_count(struct site *sites, const char *name)
{
	size_t i;

	for (i = 0; i < MAX_SITES - 1; i++) {
		if (!sites[i].faults)
			snprintf(sites[i].name, sizeof(sites[i].name), "%s",
				 name);
		if (!strcmp(sites[i].name, name))
			break;
	}
	sites[i].faults++;
}

/*
 * The site is the innermost function on the stack that is in the list of
 * expected ones. All others are "elsewhere", including memory debugging, which
 * allocates along with the kernel.
 */
static bool sites_read(const char * const *expected, struct site *sites)
{
	char function[64], *line, *next;
	bool inside = false, named = false;
	struct text text;
	size_t i;

	memset(sites, 0, MAX_SITES * sizeof(*sites));
	if (!text_read_path(TRACE_DIR "trace", &text))
		return false;
	for (line = text.s; *line; line = next) {
		next = strchrnul(line, '\n');
		if (*next)
			*next++ = '\0';
		if (strstr(line, "injected:")) {
			if (inside && !named)
				site_count(sites, "elsewhere");
			inside = true;
			named = false;
		} else if (!named &&
			   sscanf(line, " => %63[a-zA-Z0-9_]", function) == 1) {
			for (i = 0; expected[i] && !named; i++) {
				if (strcmp(function, expected[i]))
					continue;
				site_count(sites, function);
				named = true;
			}
		}
	}
	if (inside && !named)
		site_count(sites, "elsewhere");
	text_free(&text);
	return true;
}

/* Returns an expected function in which nothing failed, or NULL */
static const char *site_missing(const char * const *expected,
				const struct site *sites)
{
	size_t i, j;

	for (i = 0; expected[i]; i++) {
		for (j = 0; sites[j].faults; j++)
			if (!strcmp(sites[j].name, expected[i]))
				break;
		if (!sites[j].faults)
			return expected[i];
	}
	return NULL;
}

/* What an operation works on; all that is open is closed in the end */
struct state {
	int fd, other, memfd;
	unsigned int handle, imported;
	struct text text;
	char path[64];
};

/* An operation, its preparation, and how to undo it */
struct operation {
	bool (*prepare)(struct state *s);
	bool (*run)(struct state *s);	/* returns false with errno set */
	/* Returns what no failure may cause, or NULL */
	const char *(*undo)(struct state *s, bool done);
	const char *path;		/* may be NULL */
	enum exporter exporter;
	const char *importer;		/* may be NULL */
	int also;			/* another errno that is allowed */
	/* Each of these functions must have seen a failure */
	const char *expected[8];
};

static void close_open(int *fd)
{
	if (*fd >= 0)
		close(*fd);
	*fd = -1;
}

static const char *fd_undo(struct state *s, bool done)
{
	if (done)
		close(s->fd);
	s->fd = -1;
	return NULL;
}

static bool heap_prepare(struct state *s)
{
	s->other = open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC);
	return s->other >= 0;
}

/* The device is already open, so only the export can fail */
static bool heap_run(struct state *s)
{
	struct dma_heap_allocation_data data = {
		.len = 8 * PAGE,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};

	if (ioctl(s->other, DMA_HEAP_IOCTL_ALLOC, &data))
		return false;
	s->fd = data.fd;
	return true;
}

static bool udmabuf_prepare(struct state *s)
{
	s->memfd = memfd_create("faults", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	s->other = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	return s->memfd >= 0 && s->other >= 0 &&
	       !ftruncate(s->memfd, 8 * PAGE) &&
	       !fcntl(s->memfd, F_ADD_SEALS, F_SEAL_SHRINK);
}

static bool udmabuf_run(struct state *s)
{
	struct udmabuf_create create = {
		.memfd = s->memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = 8 * PAGE,
	};

	s->fd = ioctl(s->other, UDMABUF_CREATE, &create);
	return s->fd >= 0;
}

static bool vgem_prepare(struct state *s)
{
	s->other = drm_open("vgem");
	return s->other >= 0 && !drm_create(s->other, 8 * PAGE, &s->handle);
}

static bool vgem_run(struct state *s)
{
	s->fd = drm_export(s->other, s->handle);
	return s->fd >= 0;
}

/*
 * DRM keeps an exported buffer as long as the handle exists, and installs the
 * descriptor before it copies the number to userspace. If the copy fails, the
 * descriptor stays open with an unknown number.
 */
static const char *vgem_undo(struct state *s, bool done)
{
	char path[32], target[64];
	ssize_t len;
	int i;

	fd_undo(s, done);
	for (i = 0; !done && i < 64; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
		len = readlink(path, target, sizeof(target));
		if (len >= 8 && !strncmp(target, "/dmabuf:", 8))
			close(i);
	}
	drm_close_handle(s->other, s->handle);
	return drm_create(s->other, 8 * PAGE, &s->handle) ?
	       "no new buffer" : NULL;
}

static bool import_prepare(struct state *s)
{
	s->other = drm_open("vkms");
	s->fd = buffer_new(SYSTEM, 8 * PAGE);
	return s->other >= 0 && s->fd >= 0;
}

static bool import_run(struct state *s)
{
	return !drm_import(s->other, s->fd, &s->imported);
}

/* Likewise, a handle whose number could not be copied is unknown */
static const char *import_undo(struct state *s, bool done)
{
	struct row row;
	int i;

	if (done)
		drm_close_handle(s->other, s->imported);
	for (i = 1; !done && i < 8; i++)
		drm_close_handle(s->other, i);
	if (!row_of(s->fd, &row))
		return "the buffer is not listed any more";
	if (!row.attached && row.refs == 1)
		return NULL;
	ksft_print_msg("%llu attachments, %llu references\n", row.attached,
		       row.refs);
	return "an import is not undone";
}

static bool buffer_prepare(struct state *s)
{
	s->fd = buffer_new(SYSTEM, 8 * PAGE);
	return s->fd >= 0 && buffer_set_name(s->fd, "before");
}

/* If setting a name fails, the old one stays */
static bool name_run(struct state *s)
{
	return buffer_set_name(s->fd, "after");
}

static const char *name_undo(struct state *s, bool done)
{
	struct row row;

	if (!row_of(s->fd, &row) || strcmp(row.name, done ? "after" : "before"))
		return "another name in the list than was set";
	return buffer_set_name(s->fd, "before") ? NULL : "not named";
}

static bool open_run(struct state *s)
{
	s->other = open(s->path, O_RDONLY | O_CLOEXEC);
	return s->other >= 0;
}

static const char *open_undo(struct state *s, bool done)
{
	(void)done;
	close_open(&s->other);
	return NULL;
}

/* Populates the memory for what is read, so that no page fault can fail */
static bool room_prepare(struct state *s)
{
	s->text.s = malloc(READ_MAX);
	if (!s->text.s)
		return false;
	memset(s->text.s, 1, READ_MAX);
	return buffer_prepare(s);
}

static bool read_prepare(struct state *s)
{
	return room_prepare(s) && open_run(s);
}

/* Repeats a failed read; no row may be lost */
static bool read_run(struct state *s)
{
	ssize_t len;

	if (s->other < 0)
		return false;
	while ((len = read(s->other, s->text.s + s->text.len, 100)) > 0)
		s->text.len += len;
	return !len;
}

static const char *read_undo(struct state *s, bool done)
{
	struct list list;
	bool whole;

	if (!done && !read_run(s))
		return "not read after a failure";
	s->text.s[s->text.len] = '\0';
	whole = list_parse(&s->text, &list) &&
		list_find(&list, buffer_ino(s->fd));
	list_free(&list);
	/* A new file, as the old one already has its memory */
	close(s->other);
	s->text.len = 0;
	if (!open_run(s))
		return "not opened again";
	return whole ? NULL : "listing incomplete after a failure";
}

static bool fdinfo_prepare(struct state *s)
{
	if (!room_prepare(s))
		return false;
	snprintf(s->path, sizeof(s->path), "/proc/self/fdinfo/%d", s->fd);
	return true;
}

static bool info_run(struct state *s)
{
	return open_run(s) && read(s->other, s->text.s, READ_MAX - 1) > 0;
}

static const char *info_undo(struct state *s, bool done)
{
	bool named;

	s->text.s[READ_MAX - 1] = '\0';
	named = strstr(s->text.s, "\tbefore\n");
	memset(s->text.s, 1, READ_MAX);
	close_open(&s->other);
	return done && !named ? "without the name" : NULL;
}

/* Include sleeping and order-0 allocations, and do not log */
static const struct {
	const char *path, *text;
} settings[] = {
	{ DEBUG_DIR "failslab/ignore-gfp-wait", "N" },
	{ DEBUG_DIR "failslab/verbose", "0" },
	{ DEBUG_DIR "fail_page_alloc/ignore-gfp-wait", "N" },
	{ DEBUG_DIR "fail_page_alloc/min-order", "0" },
	{ DEBUG_DIR "fail_page_alloc/verbose", "0" },
	{ DEBUG_DIR "fail_usercopy/verbose", "0" },
};

FIXTURE(faults)
{
	bool there, probed;
	struct text old[ARRAY_LEN(settings)];
};

FIXTURE_VARIANT(faults)
{
	struct operation op;
};

#define EXPORT_SITES	\
	"alloc_anon_inode", "alloc_file_pseudo", "dma_buf_export"

FIXTURE_VARIANT_ADD(faults, export_by_system) { .op = {
	.prepare = heap_prepare, .run = heap_run, .undo = fd_undo,
	.exporter = SYSTEM,
	.expected = { EXPORT_SITES, "system_heap_allocate", "dma_heap_ioctl" },
} };

FIXTURE_VARIANT_ADD(faults, export_by_udmabuf) { .op = {
	.prepare = udmabuf_prepare, .run = udmabuf_run, .undo = fd_undo,
	.exporter = UDMABUF,
	.expected = { EXPORT_SITES, "udmabuf_ioctl" },
} };

FIXTURE_VARIANT_ADD(faults, export_by_vgem) { .op = {
	.prepare = vgem_prepare, .run = vgem_run, .undo = vgem_undo,
	.exporter = VGEM,
	.expected = { EXPORT_SITES, "drm_gem_prime_handle_to_dmabuf",
		      "drm_ioctl" },
} };

FIXTURE_VARIANT_ADD(faults, attach) { .op = {
	.prepare = import_prepare, .run = import_run, .undo = import_undo,
	.exporter = SYSTEM, .importer = "vkms",
	.expected = { "dma_buf_dynamic_attach", "system_heap_attach" },
} };

FIXTURE_VARIANT_ADD(faults, set_name) { .op = {
	.prepare = buffer_prepare, .run = name_run, .undo = name_undo,
	.exporter = SYSTEM,
	.expected = { "strndup_user" },
} };

FIXTURE_VARIANT_ADD(faults, open_list) { .op = {
	.prepare = buffer_prepare, .run = open_run, .undo = open_undo,
	.path = LIST_PROC, .exporter = SYSTEM,
	.expected = { "dma_buf_list_open" },
} };

FIXTURE_VARIANT_ADD(faults, open_list_in_debugfs) { .op = {
	.prepare = buffer_prepare, .run = open_run, .undo = open_undo,
	.path = LIST_DEBUG, .exporter = SYSTEM,
	.expected = { "dma_buf_list_open" },
} };

FIXTURE_VARIANT_ADD(faults, read_list) { .op = {
	.prepare = read_prepare, .run = read_run, .undo = read_undo,
	.path = LIST_PROC, .exporter = SYSTEM,
	.expected = { "seq_read_iter" },
} };

FIXTURE_VARIANT_ADD(faults, fdinfo) { .op = {
	.prepare = fdinfo_prepare, .run = info_run, .undo = info_undo,
	.exporter = SYSTEM,
	/* procfs returns this if it cannot allocate an inode */
	.also = ENOENT,
	.expected = { "seq_read_iter" },
} };

FIXTURE_VARIANT_ADD(faults, bufinfo) { .op = {
	.prepare = room_prepare, .run = info_run, .undo = info_undo,
	.path = BUFINFO, .exporter = SYSTEM,
	.expected = { "seq_read_iter" },
} };

FIXTURE_SETUP(faults)
{
	size_t i;

	self->there = !access(FAIL_NTH, F_OK) &&
		      !access(DEBUG_DIR "failslab", F_OK);
	if (!self->there)
		return;
	for (i = 0; i < ARRAY_LEN(settings); i++) {
		if (access(settings[i].path, F_OK))
			continue;
		ASSERT_TRUE(text_read_path(settings[i].path, &self->old[i]));
		ASSERT_TRUE(text_put(settings[i].path, settings[i].text));
	}
	self->probed = probe_add();
}

FIXTURE_TEARDOWN(faults)
{
	size_t i;

	probe_remove();
	for (i = 0; i < ARRAY_LEN(settings); i++) {
		if (self->old[i].s)
			text_put(settings[i].path, self->old[i].s);
		text_free(&self->old[i]);
	}
}

TEST_F_TIMEOUT(faults, each_fails_once, 300)
{
	const struct operation *op = &variant->op;
	struct state s = { .fd = -1, .other = -1, .memfd = -1 };
	struct site sites[MAX_SITES];
	unsigned int nth, sweeps = 0, failed = 0, faults = 0;
	unsigned long long left, bytes;
	int control, err;
	char text[16];
	const char *fault;
	struct list list;
	bool done, got_it;
	size_t j, own;

	if (!self->there)
		SKIP(return, "no CONFIG_FAULT_INJECTION here");
	if (!self->probed)
		SKIP(return, "no probes here to tell where the faults are");
	if (!exporter_there(op->exporter))
		SKIP(return, "no such exporter here");
	control = open(FAIL_NTH, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, control);
	if (op->importer) {
		int drm = drm_open(op->importer);

		if (drm < 0)
			SKIP(return, "no %s to import into", op->importer);
		close(drm);
	}
	if (op->path)
		strcpy(s.path, op->path);
	ASSERT_TRUE(op->prepare(&s));
	ASSERT_TRUE(list_read(&list));
	own = list_of(&list, getpid(), &bytes);
	list_free(&list);
	trace_clear("");

	for (nth = 1; nth < MAX_FAULTS; nth++) {
		memset(text, 0, sizeof(text));
		snprintf(text, sizeof(text), "%u", nth);
		ASSERT_EQ((ssize_t)strlen(text),
			  pwrite(control, text, strlen(text), 0));
		errno = 0;
		done = op->run(&s);
		err = errno;
		/* The fault may hit this read or the write below instead */
		got_it = pread(control, text, sizeof(text) - 1, 0) > 0;
		left = got_it ? strtoull(text, NULL, 10) : 1;
		if (pwrite(control, "0", 1, 0) != 1)
			ASSERT_EQ(1, pwrite(control, "0", 1, 0));

		fault = op->undo(&s, done);
		EXPECT_EQ(NULL, fault) {
			TH_LOG("after fault %u: %s", nth, fault);
		}
		EXPECT_TRUE(exact(own, bytes)) {
			TH_LOG("after fault %u", nth);
		}
		if (left) {
			EXPECT_TRUE(done);
			/* Caches make the numbers differ from run to run */
			if (++sweeps == SWEEPS ||
			    (sites_read(op->expected, sites) &&
			     !site_missing(op->expected, sites)))
				break;
			nth = 0;
			continue;
		}
		faults++;
		if (done)
			continue;
		failed++;
		EXPECT_TRUE(err == ENOMEM || err == EFAULT || err == ENFILE ||
			    (err && err == op->also)) {
			TH_LOG("fault %u: %s", nth, strerror(err));
		}
	}
	EXPECT_GT(MAX_FAULTS, nth);
	EXPECT_LT(0, failed);
	ksft_print_msg("%u faults injected, %u of them made it fail\n", faults,
		       failed);
	close_open(&s.fd);
	close_open(&s.other);
	close_open(&s.memfd);
	text_free(&s.text);
	close(control);
	EXPECT_TRUE(exact(0, 0));

	ASSERT_TRUE(sites_read(op->expected, sites));
	for (j = 0; sites[j].faults; j++)
		ksft_print_msg("%u faults in %s\n", sites[j].faults,
			       sites[j].name);
	EXPECT_EQ(NULL, site_missing(op->expected, sites)) {
		TH_LOG("no fault in %s", site_missing(op->expected, sites));
	}
}

TEST_HARNESS_MAIN
