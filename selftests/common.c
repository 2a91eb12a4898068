// SPDX-License-Identifier: GPL-2.0
/* Shared by the dma-buf statistics tests: exporters, counters, the list. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <drm/drm.h>
#include <drm/drm_mode.h>
#include <linux/capability.h>
#include <linux/dma-buf.h>
#include <linux/dma-heap.h>
#include <linux/udmabuf.h>

#include "kselftest.h"
#include "common.h"

/* How often to try for a moment when nothing changes */
#define TRIES	1000

/*
 * Without the statistics there is nothing to test. If only a part of them is
 * missing, they are broken, and the tests say so.
 */
static void __attribute__((constructor)) need_statistics(void)
{
	/* Older harnesses end a test without flushing its output */
	setvbuf(stdout, NULL, _IOLBF, 0);
	if (getenv("DMABUF_STATS_COUNT_ONLY"))
		return;

	if (access(STATS_DIR, F_OK) && access(LIST_PROC, F_OK)) {
		ksft_print_header();
		ksft_exit_skip("this kernel has no dma-buf statistics\n");
	}
	if (geteuid()) {
		ksft_print_header();
		ksft_exit_skip("these tests need root\n");
	}
	if (any_exporter() == NR_EXPORTERS) {
		ksft_print_header();
		ksft_exit_skip("no exporter: system heap, udmabuf or vgem\n");
	}
	devices_reopen();
	raise_fd_limit();
	mount_debugfs();
}

/* One descriptor for each device, as long as the process lives */
static int fds[NR_EXPORTERS] = { -1, -1, -1 };

static int device(enum exporter exporter)
{
	if (fds[exporter] < 0) {
		switch (exporter) {
		case SYSTEM:
			fds[exporter] = open("/dev/dma_heap/system",
					     O_RDONLY | O_CLOEXEC);
			break;
		case UDMABUF:
			fds[exporter] = open("/dev/udmabuf",
					     O_RDWR | O_CLOEXEC);
			break;
		default:
			fds[exporter] = drm_open("vgem");
		}
	}
	return fds[exporter];
}

/*
 * For a child that may be killed: if it shared the open file of a DRM device,
 * the parent would keep the buffers that the child has handles for.
 */
void devices_reopen(void)
{
	int i;

	for (i = 0; i < NR_EXPORTERS; i++) {
		if (fds[i] >= 0)
			close(fds[i]);
		fds[i] = -1;
	}
}

bool exporter_there(enum exporter exporter)
{
	return device(exporter) >= 0;
}

/* For tests that work with any exporter; NR_EXPORTERS if there is none */
enum exporter any_exporter(void)
{
	int i;

	for (i = 0; i < NR_EXPORTERS; i++)
		if (exporter_there(i))
			break;
	return i;
}

const char *exporter_name(enum exporter exporter)
{
	static const char * const names[] = { "system", "udmabuf", "vgem" };

	return names[exporter];
}

/* Only loaded modules have a state, built-in ones do not */
const char *exporter_module(enum exporter exporter)
{
	static const char * const modules[] = {
		"system_heap", "udmabuf", "vgem"
	};
	char path[64];

	snprintf(path, sizeof(path), "/sys/module/%s/initstate",
		 modules[exporter]);
	return access(path, F_OK) ? "" : modules[exporter];
}

int buffer_new_flags(size_t size, int flags)
{
	struct dma_heap_allocation_data data = {
		.len = size,
		.fd_flags = flags,
	};

	if (ioctl(device(SYSTEM), DMA_HEAP_IOCTL_ALLOC, &data))
		return -1;
	return data.fd;
}

static int udmabuf_new(size_t size)
{
	struct udmabuf_create create = {
		.flags = UDMABUF_FLAGS_CLOEXEC,
		.size = size,
	};
	int memfd, fd = -1, err;

	memfd = memfd_create("udmabuf", MFD_ALLOW_SEALING | MFD_CLOEXEC);
	if (memfd < 0)
		return -1;
	if (!ftruncate(memfd, size) &&
	    !fcntl(memfd, F_ADD_SEALS, F_SEAL_SHRINK)) {
		create.memfd = memfd;
		fd = ioctl(device(UDMABUF), UDMABUF_CREATE, &create);
	}
	err = errno;
	close(memfd);
	errno = err;
	return fd;
}

/* The handle is closed, so that the descriptor is the only reference */
int drm_buffer_new(int drm, size_t size)
{
	unsigned int handle;
	int fd, err;

	if (drm_create(drm, size, &handle))
		return -1;
	fd = drm_export(drm, handle);
	err = errno;
	drm_close_handle(drm, handle);
	errno = err;
	return fd;
}

/* Returns the descriptor, or -1 with errno set */
int buffer_new(enum exporter exporter, size_t size)
{
	switch (exporter) {
	case SYSTEM:
		return buffer_new_flags(size, O_RDWR | O_CLOEXEC);
	case UDMABUF:
		return udmabuf_new(size);
	default:
		return drm_buffer_new(device(VGEM), size);
	}
}

bool buffer_set_name(int fd, const char *name)
{
	return !ioctl(fd, DMA_BUF_SET_NAME, name);
}

/* Returns 0, which no buffer has, on failure */
unsigned long long buffer_ino(int fd)
{
	struct stat st;

	return fstat(fd, &st) ? 0 : st.st_ino;
}

size_t buffer_size(int fd)
{
	off_t end = lseek(fd, 0, SEEK_END);

	return end < 0 ? 0 : end;
}

int drm_open(const char *driver)
{
	char path[32], name[32];
	int i, fd;

	for (i = 0; i < 16; i++) {
		struct drm_version version = {
			.name = name,
			.name_len = sizeof(name) - 1,
		};

		snprintf(path, sizeof(path), "/dev/dri/card%d", i);
		fd = open(path, O_RDWR | O_CLOEXEC);
		if (fd < 0)
			continue;
		memset(name, 0, sizeof(name));
		if (!ioctl(fd, DRM_IOCTL_VERSION, &version) &&
		    !strcmp(name, driver))
			return fd;
		close(fd);
	}
	errno = ENODEV;
	return -1;
}

/* A dumb buffer with one line for each 4 KiB */
int drm_create(int drm, size_t size, unsigned int *handle)
{
	struct drm_mode_create_dumb create = {
		.width = 1024,
		.height = size / 4096,
		.bpp = 32,
	};

	if (ioctl(drm, DRM_IOCTL_MODE_CREATE_DUMB, &create))
		return -1;
	*handle = create.handle;
	return 0;
}

int drm_export(int drm, unsigned int handle)
{
	struct drm_prime_handle prime = {
		.handle = handle,
		.flags = DRM_CLOEXEC | DRM_RDWR,
	};

	if (ioctl(drm, DRM_IOCTL_PRIME_HANDLE_TO_FD, &prime))
		return -1;
	return prime.fd;
}

int drm_import(int drm, int fd, unsigned int *handle)
{
	struct drm_prime_handle prime = { .fd = fd };

	if (ioctl(drm, DRM_IOCTL_PRIME_FD_TO_HANDLE, &prime))
		return -1;
	*handle = prime.handle;
	return 0;
}

void drm_close_handle(int drm, unsigned int handle)
{
	struct drm_gem_close arg = { .handle = handle };

	ioctl(drm, DRM_IOCTL_GEM_CLOSE, &arg);
}

/* A decimal number as the kernel prints it: no sign, space or leading 0 */
static bool get_number(const char **s, unsigned long long *value)
{
	char *end;

	if (**s < '0' || **s > '9' || (**s == '0' && (*s)[1] >= '0' &&
				       (*s)[1] <= '9'))
		return false;
	errno = 0;
	*value = strtoull(*s, &end, 10);
	*s = end;
	return !errno;
}

bool counter_read(const char *file, unsigned long long *value)
{
	struct text text;
	char path[64];
	const char *s;
	bool ok;

	snprintf(path, sizeof(path), STATS_DIR "%s", file);
	if (!text_read_path(path, &text))
		return false;
	s = text.s;
	ok = get_number(&s, value) && s == text.s + text.len - 1 && *s == '\n';
	if (!ok)
		ksft_print_msg("%s: not a number and a newline: '%s'\n", path,
			       text.s);
	text_free(&text);
	return ok;
}

/* A kernel may do without the peak and the sums of exports, but not in part */
bool peak_there(void)
{
	return !access(STATS_DIR "peak_bytes", F_OK) ||
	       !access(STATS_DIR "nr_exported", F_OK) ||
	       !access(STATS_DIR "bytes_exported", F_OK);
}

/* Without the peak and the sums of exports, these are 0 */
bool counters_read(struct counters *c)
{
	memset(c, 0, sizeof(*c));
	if (!counter_read("nr_buffers", &c->nr_buffers) ||
	    !counter_read("bytes", &c->bytes))
		return false;
	return !peak_there() ||
	       (counter_read("peak_bytes", &c->peak_bytes) &&
		counter_read("nr_exported", &c->nr_exported) &&
		counter_read("bytes_exported", &c->bytes_exported));
}

ssize_t peak_write(const char *text, size_t len)
{
	int fd = open(STATS_DIR "peak_bytes", O_WRONLY | O_CLOEXEC);
	ssize_t ret;
	int err;

	if (fd < 0)
		return -1;
	ret = write(fd, text, len);
	err = errno;
	close(fd);
	errno = err;
	return ret;
}

/* Reads from the current position to the end, CHUNK bytes at a time */
bool text_read(int fd, size_t chunk, struct text *text)
{
	size_t room = 0;
	ssize_t got;
	char *s;

	text->s = NULL;
	text->len = 0;
	do {
		if (room < text->len + chunk + 1) {
			room = 2 * (text->len + chunk + 1);
			s = realloc(text->s, room);
			if (!s)
				break;
			text->s = s;
		}
		got = read(fd, text->s + text->len, chunk);
		if (got < 0)
			break;
		text->len += got;
		text->s[text->len] = '\0';
		if (!got)
			return true;
	} while (1);

	text_free(text);
	return false;
}

bool text_read_path(const char *path, struct text *text)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0) {
		ksft_print_msg("%s: %s\n", path, strerror(errno));
		return false;
	}
	ok = text_read(fd, 65536, text);
	close(fd);
	return ok;
}

void text_free(struct text *text)
{
	free(text->s);
	text->s = NULL;
	text->len = 0;
}

static bool plain(unsigned char c)
{
	return c > ' ' && c < 0x7f && c != '\\';
}

/*
 * Unescapes the field at *S, which ends with END, and moves *S past that. Each
 * byte has only one valid form: escaped if it has to be, plain if not.
 */
static bool get_string(const char **s, char end, char *out, size_t room)
{
	const char *field = *s;
	size_t len = 0;
	unsigned int c;

	while (**s != end) {
		c = (unsigned char)**s;
		if (c == '\\') {
			if (sscanf(*s, "\\%3o", &c) != 1 || c < 1 || c > 255 ||
			    strspn(*s + 1, "01234567") < 3)
				return false;
			*s += 3;
			if (plain(c) && !(c == '-' && len == 0 &&
					  (*s)[1] == end))
				return false;
		} else if (!plain(c)) {
			return false;
		}
		++*s;
		if (len + 1 >= room)
			return false;
		out[len++] = c;
	}
	if (*s == field)
		return false;
	if (*s == field + 1 && *field == '-')
		len = 0;
	out[len] = '\0';
	++*s;
	return true;
}

static bool get_field(const char **s, unsigned long long *value)
{
	return get_number(s, value) && *(*s)++ == ' ';
}

/* -1 for "-", otherwise octal with a leading 0 */
static bool get_flags(const char **s, long long *flags)
{
	char *end;

	if (!strncmp(*s, "- ", 2)) {
		*flags = -1;
		*s += 2;
		return true;
	}
	if (**s != '0')
		return false;
	*flags = strtol(*s, &end, 8);
	*s = end;
	return *(*s)++ == ' ';
}

static const char *row_fault(const char **s, struct row *row)
{
	unsigned long long pid;

	if (!get_field(s, &row->ino) || !row->ino)
		return "ino";
	if (!get_field(s, &row->size))
		return "size";
	if (!get_field(s, &row->refs))
		return "refs";
	if (!get_field(s, &row->attached))
		return "attached";
	if (!get_flags(s, &row->flags))
		return "flags";
	if (!get_field(s, &row->time))
		return "time";
	if (!get_field(s, &pid) || pid > 4194304)
		return "pid";
	row->pid = pid;
	if (!get_string(s, ' ', row->comm, sizeof(row->comm)))
		return "comm";
	if (!get_string(s, ' ', row->exporter, sizeof(row->exporter)))
		return "exporter";
	if (!get_string(s, ' ', row->module, sizeof(row->module)))
		return "module";
	if (!get_string(s, '\n', row->name, sizeof(row->name)))
		return "name";
	if (!row->refs != (row->flags == -1))
		return "refs and flags disagree on whether it is closed";
	return NULL;
}

/* Parses TEXT into LIST; returns what is wrong with it, or NULL */
const char *list_fault(const struct text *text, struct list *list)
{
	const char *s = text->s, *fault;
	unsigned long long nr, bytes;
	size_t room = 0;
	void *rows;

	memset(list, 0, sizeof(*list));
	if (strlen(s) != text->len)
		return "a NUL";
	if (strncmp(s, LIST_HEAD_1, strlen(LIST_HEAD_1)))
		return "first line";
	s += strlen(LIST_HEAD_1);
	if (strncmp(s, LIST_HEAD_2, strlen(LIST_HEAD_2)))
		return "second line";
	s += strlen(LIST_HEAD_2);

	while (*s && *s != '#') {
		if (list->nr == room) {
			room = room ? 2 * room : 64;
			rows = realloc(list->rows, room * sizeof(*list->rows));
			if (!rows)
				return "out of memory";
			list->rows = rows;
		}
		fault = row_fault(&s, &list->rows[list->nr]);
		if (fault)
			return fault;
		if (list->nr && list->rows[list->nr].ino <=
				list->rows[list->nr - 1].ino)
			return "ino does not ascend";
		list->bytes += list->rows[list->nr++].size;
	}

	if (strncmp(s, "# end ", 6))
		return "no last line";
	s += 6;
	if (!get_field(&s, &nr) || !get_number(&s, &bytes) || *s++ != '\n')
		return "last line";
	if (*s)
		return "text after the last line";
	if (nr != list->nr)
		return "last line counts other rows";
	if (bytes != list->bytes)
		return "last line sums up other bytes";
	return NULL;
}

/*
 * Returns what is wrong with a listing during which the NR buffers of INOS
 * existed, and which began before any buffer above NEWEST was exported. Nothing
 * is listed twice, as list_fault() accepts no number twice.
 */
const char *keepers_fault(const struct text *text,
			  const unsigned long long *inos, size_t nr,
			  unsigned long long newest)
{
	const char *fault;
	struct list list;
	size_t i;

	fault = list_fault(text, &list);
	for (i = 0; i < nr && !fault; i++)
		if (!list_find(&list, inos[i]))
			fault = "a buffer that was there is not listed";
	if (!fault && list.nr && list.rows[list.nr - 1].ino > newest)
		fault = "a buffer is listed that was exported later";
	list_free(&list);
	return fault;
}

bool list_parse(const struct text *text, struct list *list)
{
	const char *fault = list_fault(text, list);

	if (!fault)
		return true;
	ksft_print_msg("list: after %zu good rows: %s\n", list->nr, fault);
	ksft_print_msg("list: %zu bytes, ending in '%s'\n", text->len,
		       text->len > 200 ? text->s + text->len - 200 : text->s);
	list_free(list);
	return false;
}

bool list_read(struct list *list)
{
	struct text text;
	bool ok;

	memset(list, 0, sizeof(*list));
	if (!text_read_path(LIST_PROC, &text))
		return false;
	ok = list_parse(&text, list);
	text_free(&text);
	return ok;
}

void list_free(struct list *list)
{
	free(list->rows);
	memset(list, 0, sizeof(*list));
}

const struct row *list_find(const struct list *list, unsigned long long ino)
{
	size_t low = 0, high = list->nr, mid;

	while (low < high) {
		mid = (low + high) / 2;
		if (list->rows[mid].ino < ino)
			low = mid + 1;
		else
			high = mid;
	}
	return low < list->nr && list->rows[low].ino == ino ?
	       &list->rows[low] : NULL;
}

/* Number of buffers that this process exported, and their bytes */
size_t list_own(const struct list *list, unsigned long long *bytes)
{
	size_t i, nr = 0;

	*bytes = 0;
	for (i = 0; i < list->nr; i++) {
		if (list->rows[i].pid != getpid())
			continue;
		nr++;
		*bytes += list->rows[i].size;
	}
	return nr;
}

bool row_of(int fd, struct row *row)
{
	const struct row *found;
	struct list list;

	if (!list_read(&list))
		return false;
	found = list_find(&list, buffer_ino(fd));
	if (found)
		*row = *found;
	list_free(&list);
	return found;
}

bool snapshot(struct counters *c, struct list *list)
{
	struct counters after;
	int i;

	for (i = 0; i < TRIES; i++) {
		if (!counters_read(c) || !list_read(list))
			return false;
		if (counters_read(&after) && !memcmp(c, &after, sizeof(after)))
			return true;
		list_free(list);
		usleep(1000);
	}
	ksft_print_msg("the counters never stood still\n");
	return false;
}

bool exact(size_t nr, unsigned long long bytes)
{
	unsigned long long own_bytes;
	struct counters c;
	struct list list;
	size_t own;
	bool ok;

	if (!snapshot(&c, &list))
		return false;
	own = list_own(&list, &own_bytes);
	ok = c.nr_buffers == list.nr && c.bytes == list.bytes &&
	     own == nr && own_bytes == bytes;
	if (!ok) {
		ksft_print_msg("counted %llu (%llu bytes), listed %zu (%llu)\n",
			       c.nr_buffers, c.bytes, list.nr, list.bytes);
		ksft_print_msg("own listed %zu (%llu), made %zu (%llu)\n",
			       own, own_bytes, nr, bytes);
	}
	list_free(&list);
	return ok;
}

bool snapshot_text(bool (*read)(void *arg, struct text *text), void *arg,
		   struct text *text, struct text *list)
{
	struct text after;
	bool same;
	int i;

	for (i = 0; i < TRIES; i++) {
		if (!text_read_path(LIST_PROC, list))
			return false;
		if (!read(arg, text) || !text_read_path(LIST_PROC, &after))
			return false;
		same = !strcmp(list->s, after.s);
		text_free(&after);
		if (same)
			return true;
		text_free(text);
		text_free(list);
		usleep(1000);
	}
	ksft_print_msg("the list never stood still\n");
	return false;
}

bool fdinfo_read(int fd, struct text *text)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
	return text_read_path(path, text);
}

/*
 * Splits the row of a buffer in bufinfo at the tabs; the last field is the
 * name. The fields point into TEXT, which the caller frees.
 */
bool bufinfo_row(unsigned long long ino, char *fields[7], struct text *text)
{
	char *line, *next, *tab;
	int i;

	if (!text_read_path(BUFINFO, text))
		return false;
	for (line = text->s; line; line = next) {
		next = strchr(line, '\n');
		if (next)
			*next++ = '\0';
		for (i = 0; i < 7; i++) {
			fields[i] = line;
			tab = i < 6 ? strchr(line, '\t') : NULL;
			if (!tab)
				break;
			*tab = '\0';
			line = tab + 1;
		}
		if (i == 6 && strtoull(fields[5], NULL, 10) == ino)
			return true;
	}
	text_free(text);
	return false;
}

static unsigned int number_of(const char *variable, unsigned int usual)
{
	const char *value = getenv(variable);

	return value ? strtoul(value, NULL, 10) : usual;
}

unsigned int inputs(unsigned int usual)
{
	return number_of("DMABUF_STATS_INPUTS", usual);
}

/* The same input each time unless DMABUF_STATS_SEED is set */
unsigned int seed(void)
{
	return number_of("DMABUF_STATS_SEED", 1);
}

bool mount_debugfs(void)
{
	if (access(DEBUG_DIR "dma_buf", F_OK))
		mount("none", DEBUG_DIR, "debugfs", 0, NULL);
	return !access(DEBUG_DIR "dma_buf", F_OK);
}

bool mount_tracefs(void)
{
	if (access(TRACE_DIR "kprobe_events", F_OK))
		mount("none", TRACE_DIR, "tracefs", 0, NULL);
	return !access(TRACE_DIR "kprobe_events", F_OK);
}

bool text_put(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

bool trace_put(const char *file, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), TRACE_DIR "%s", file);
	return text_put(path, text);
}

void raise_fd_limit(void)
{
	struct rlimit limit = { 65536, 65536 };

	if (setrlimit(RLIMIT_NOFILE, &limit))
		ksft_print_msg("RLIMIT_NOFILE: %s\n", strerror(errno));
}

/* A descriptor that pins the buffer but does not keep its file open */
int open_path_only(int fd)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	return open(path, O_PATH | O_CLOEXEC);
}

int send_fd(int sock, int fd)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec iov = { .iov_base = "x", .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(&msg);

	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(cmsg), &fd, sizeof(int));
	return sendmsg(sock, &msg, 0) == 1 ? 0 : -1;
}

int receive_fd(int sock)
{
	char control[CMSG_SPACE(sizeof(int))] = { 0 };
	char byte;
	struct iovec iov = { .iov_base = &byte, .iov_len = 1 };
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control,
		.msg_controllen = sizeof(control),
	};
	struct cmsghdr *cmsg;
	int fd;

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != 1)
		return -1;
	cmsg = CMSG_FIRSTHDR(&msg);
	if (!cmsg || cmsg->cmsg_type != SCM_RIGHTS)
		return -1;
	memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	return fd;
}

double now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

/* Sets exactly these capabilities; exec cannot give back any others */
bool set_caps(unsigned long long caps)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2] = {
		{ .effective = caps, .permitted = caps },
		{ .effective = caps >> 32, .permitted = caps >> 32 },
	};

	return !syscall(SYS_capset, &header, data);
}

/* Returns what FN returns in a child, or -1 if it does not return */
int run_child(int (*fn)(void *arg), void *arg)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(fn(arg));
	if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}
