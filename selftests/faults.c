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

static void trace_clear(void)
{
	int fd = open(TRACE_DIR "trace", O_WRONLY | O_TRUNC | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
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

/* An operation, its preparation, and how to undo it */
struct operation {
	bool (*prepare)(void);
	bool (*run)(void);		/* returns false with errno set */
	void (*undo)(bool done);
	void (*finish)(void);
	enum exporter exporter;
	const char *importer;		/* may be NULL */
	int also;			/* another errno that is allowed */
	/* Each of these functions must have seen a failure */
	const char *expected[8];
};

static int fd = -1, other = -1;
static unsigned int handle, imported;
static struct text got;
static struct dma_heap_allocation_data heap_data;
static struct udmabuf_create udmabuf;

/* An undo found something that no failure may cause */
static bool spoilt;

#define spoil(...)					\
	do {						\
		ksft_print_msg(__VA_ARGS__);		\
		spoilt = true;				\
	} while (0)

static void undo_fd(bool done)
{
	if (done)
		close(fd);
	fd = -1;
}

static bool heap_prepare(void)
{
	other = open("/dev/dma_heap/system", O_RDONLY | O_CLOEXEC);
	return other >= 0;
}

/* The device is already open, so only the export can fail */
static bool heap_run(void)
{
	heap_data = (struct dma_heap_allocation_data) {
		.len = 8 * PAGE,
		.fd_flags = O_RDWR | O_CLOEXEC,
	};
	if (ioctl(other, DMA_HEAP_IOCTL_ALLOC, &heap_data))
		return false;
	fd = heap_data.fd;
	return true;
}

static void close_other(void)
{
	close(other);
	other = -1;
}

static bool udmabuf_prepare(void)
{
	int memfd = memfd_create("faults", MFD_ALLOW_SEALING | MFD_CLOEXEC);

	other = open("/dev/udmabuf", O_RDWR | O_CLOEXEC);
	udmabuf = (struct udmabuf_create) {
		.memfd = memfd,
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = 8 * PAGE,
	};
	return memfd >= 0 && other >= 0 && !ftruncate(memfd, 8 * PAGE) &&
	       !fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK);
}

static bool udmabuf_run(void)
{
	fd = ioctl(other, UDMABUF_CREATE, &udmabuf);
	return fd >= 0;
}

static void udmabuf_finish(void)
{
	close(udmabuf.memfd);
	close_other();
}

static bool vgem_prepare(void)
{
	other = drm_open("vgem");
	return other >= 0 && !drm_create(other, 8 * PAGE, &handle);
}

static bool vgem_run(void)
{
	fd = drm_export(other, handle);
	return fd >= 0;
}

/*
 * DRM keeps an exported buffer as long as the handle exists, and installs the
 * descriptor before it copies the number to userspace. If the copy fails, the
 * descriptor stays open with an unknown number.
 */
static void vgem_undo(bool done)
{
	char path[32], target[64];
	ssize_t len;
	int i;

	undo_fd(done);
	for (i = 0; !done && i < 64; i++) {
		snprintf(path, sizeof(path), "/proc/self/fd/%d", i);
		len = readlink(path, target, sizeof(target));
		if (len >= 8 && !strncmp(target, "/dmabuf:", 8))
			close(i);
	}
	drm_close_handle(other, handle);
	drm_create(other, 8 * PAGE, &handle);
}

static bool import_prepare(void)
{
	other = drm_open("vkms");
	fd = buffer_new(SYSTEM, 8 * PAGE);
	return other >= 0 && fd >= 0;
}

static bool import_run(void)
{
	return !drm_import(other, fd, &imported);
}

/* Likewise, a handle whose number could not be copied is unknown */
static void import_undo(bool done)
{
	struct row row;
	int i;

	if (done)
		drm_close_handle(other, imported);
	for (i = 1; !done && i < 8; i++)
		drm_close_handle(other, i);
	if (!row_of(fd, &row))
		spoil("the buffer is not listed any more\n");
	else if (row.attached || row.refs != 1)
		spoil("after an import that %s: %llu attachments, %llu references\n",
		      done ? "was undone" : "failed", row.attached, row.refs);
}

static void close_both(void)
{
	undo_fd(true);
	close_other();
}

static bool buffer_prepare(void)
{
	fd = buffer_new(SYSTEM, 8 * PAGE);
	return fd >= 0 && buffer_set_name(fd, "before");
}

/* If setting a name fails, the old one stays */
static bool name_run(void)
{
	return buffer_set_name(fd, "after");
}

static void name_undo(bool done)
{
	struct row row;

	if (!row_of(fd, &row) || strcmp(row.name, done ? "after" : "before"))
		spoil("a name that was %s is not so in the list\n",
		      done ? "set" : "refused");
	if (!buffer_set_name(fd, "before"))
		spoil("not named\n");
}

static void close_fd(void)
{
	undo_fd(true);
}

static const char *path;

static bool proc_prepare(void)
{
	path = LIST_PROC;
	return buffer_prepare();
}

static bool debug_prepare(void)
{
	path = LIST_DEBUG;
	return buffer_prepare();
}

static bool bufinfo_prepare(void)
{
	path = BUFINFO;
	return buffer_prepare();
}

static bool open_run(void)
{
	other = open(path, O_RDONLY | O_CLOEXEC);
	return other >= 0;
}

static void open_undo(bool done)
{
	if (done)
		close_other();
}

/* Repeats a failed read; no row may be lost */
static bool read_run(void)
{
	ssize_t len;

	if (other < 0)
		return false;
	while ((len = read(other, got.s + got.len, 100)) > 0)
		got.len += len;
	return !len;
}

static bool read_begin(void)
{
	got.s = malloc(READ_MAX);
	got.len = 0;
	if (!proc_prepare() || !got.s)
		return false;
	/* Populate it, so that no page fault can fail */
	memset(got.s, 1, READ_MAX);
	other = open(path, O_RDONLY | O_CLOEXEC);
	return other >= 0;
}

static void read_undo(bool done)
{
	struct list list;
	bool ok;

	if (!done && !read_run())
		spoil("not read after a failure: %s\n", strerror(errno));
	got.s[got.len] = '\0';
	ok = list_parse(&got, &list) && list_find(&list, buffer_ino(fd));
	list_free(&list);
	if (!ok)
		spoil("after a failure the listing is not whole\n");
	/* A new file, as the old one already has its memory */
	close(other);
	other = open(path, O_RDONLY | O_CLOEXEC);
	got.len = 0;
}

static void read_finish(void)
{
	text_free(&got);
	close_both();
}

static struct text info;

static bool fdinfo_run(void)
{
	ssize_t len;

	other = open(path, O_RDONLY | O_CLOEXEC);
	if (other < 0)
		return false;
	len = read(other, info.s, 4096);
	return len > 0;
}

static void fdinfo_undo(bool done)
{
	if (done && !strstr(info.s, "\tbefore\n"))
		spoil("%s without the name\n", path);
	memset(info.s, 0, 4096);
	if (other >= 0)
		close_other();
}

static bool fdinfo_prepare(void)
{
	static char name[64];

	info.s = calloc(1, 4097);
	if (!buffer_prepare() || !info.s)
		return false;
	snprintf(name, sizeof(name), "/proc/self/fdinfo/%d", fd);
	path = name;
	return true;
}

static bool bufinfo_file_prepare(void)
{
	info.s = calloc(1, 4097);
	return info.s && bufinfo_prepare();
}

static void fdinfo_finish(void)
{
	text_free(&info);
	close_fd();
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
	.prepare = heap_prepare, .run = heap_run, .undo = undo_fd,
	.finish = close_other, .exporter = SYSTEM,
	.expected = { EXPORT_SITES, "system_heap_allocate", "dma_heap_ioctl" },
} };

FIXTURE_VARIANT_ADD(faults, export_by_udmabuf) { .op = {
	.prepare = udmabuf_prepare, .run = udmabuf_run, .undo = undo_fd,
	.finish = udmabuf_finish, .exporter = UDMABUF,
	.expected = { EXPORT_SITES, "udmabuf_ioctl" },
} };

FIXTURE_VARIANT_ADD(faults, export_by_vgem) { .op = {
	.prepare = vgem_prepare, .run = vgem_run, .undo = vgem_undo,
	.finish = close_other, .exporter = VGEM,
	.expected = { EXPORT_SITES, "drm_gem_prime_handle_to_dmabuf",
		      "drm_ioctl" },
} };

FIXTURE_VARIANT_ADD(faults, attach) { .op = {
	.prepare = import_prepare, .run = import_run, .undo = import_undo,
	.finish = close_both, .exporter = SYSTEM, .importer = "vkms",
	.expected = { "dma_buf_dynamic_attach", "system_heap_attach" },
} };

FIXTURE_VARIANT_ADD(faults, set_name) { .op = {
	.prepare = buffer_prepare, .run = name_run, .undo = name_undo,
	.finish = close_fd, .exporter = SYSTEM,
	.expected = { "strndup_user" },
} };

FIXTURE_VARIANT_ADD(faults, open_list) { .op = {
	.prepare = proc_prepare, .run = open_run, .undo = open_undo,
	.finish = close_fd, .exporter = SYSTEM,
	.expected = { "dma_buf_list_open" },
} };

FIXTURE_VARIANT_ADD(faults, open_list_in_debugfs) { .op = {
	.prepare = debug_prepare, .run = open_run, .undo = open_undo,
	.finish = close_fd, .exporter = SYSTEM,
	.expected = { "dma_buf_list_open" },
} };

FIXTURE_VARIANT_ADD(faults, read_list) { .op = {
	.prepare = read_begin, .run = read_run, .undo = read_undo,
	.finish = read_finish, .exporter = SYSTEM,
	.expected = { "seq_read_iter" },
} };

FIXTURE_VARIANT_ADD(faults, fdinfo) { .op = {
	.prepare = fdinfo_prepare, .run = fdinfo_run, .undo = fdinfo_undo,
	.finish = fdinfo_finish, .exporter = SYSTEM,
	/* procfs returns this if it cannot allocate an inode */
	.also = ENOENT,
	.expected = { "seq_read_iter" },
} };

FIXTURE_VARIANT_ADD(faults, bufinfo) { .op = {
	.prepare = bufinfo_file_prepare, .run = fdinfo_run,
	.undo = fdinfo_undo, .finish = fdinfo_finish, .exporter = SYSTEM,
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
	struct site sites[MAX_SITES];
	unsigned int nth, sweeps = 0, failed = 0, faults = 0;
	unsigned long long left, bytes;
	int control, err;
	char text[16];
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
	ASSERT_TRUE(op->prepare());
	ASSERT_TRUE(list_read(&list));
	own = list_own(&list, &bytes);
	list_free(&list);
	trace_clear();

	for (nth = 1; nth < MAX_FAULTS; nth++) {
		memset(text, 0, sizeof(text));
		snprintf(text, sizeof(text), "%u", nth);
		ASSERT_EQ((ssize_t)strlen(text),
			  pwrite(control, text, strlen(text), 0));
		errno = 0;
		done = op->run();
		err = errno;
		/* The fault may hit this read or the write below instead */
		got_it = pread(control, text, sizeof(text) - 1, 0) > 0;
		left = got_it ? strtoull(text, NULL, 10) : 1;
		if (pwrite(control, "0", 1, 0) != 1)
			ASSERT_EQ(1, pwrite(control, "0", 1, 0));

		op->undo(done);
		EXPECT_FALSE(spoilt);
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
	op->finish();
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
